"""Messages out of TCP segments: split, merged, late, lost, twice."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets.bgp import MARKER, Notification
from flatbgp.host.packets.bgpstream import PATIENCE, Message, Stream


def message(kind: int, body: bytes = b"") -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


KEEPALIVE = message(4)
OPEN = message(1, bytes.fromhex("04fde9001e0a00010100"))


def notification(number: int) -> bytes:
    return message(3, bytes([6, 2, 3]) + f"{number:03}".encode())


def texts(found: list[Message]) -> list[str]:
    return [item.text for item in found if isinstance(item, Notification)]


conversations = st.lists(
    st.one_of(
        st.just(KEEPALIVE),
        st.just(OPEN),
        st.binary(max_size=300).map(lambda body: message(2, body)),
        st.integers(0, 999).map(notification),
    ),
    max_size=12,
)


def cut(data: st.DataObject, whole: bytes) -> list[tuple[int, bytes]]:
    """Cut a stream into segments anywhere; return (offset, payload) pairs."""
    places = sorted(data.draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=20)) | {0, len(whole)})
    return [(start, whole[start:end]) for start, end in pairwise(places)]


def expected(conversation: list[bytes]) -> list[bytes]:
    return [item for item in conversation if item[18] in {1, 3}]


@given(conversation=conversations, data=st.data(), first=st.integers(0, 0xFFFFFFFF))
def test_every_message_is_read_once_however_segments_are_cut(
    conversation: list[bytes], data: st.DataObject, first: int
) -> None:
    stream = Stream()
    stream.begin(first)
    found: list[Message] = []
    for offset, payload in cut(data, b"".join(conversation)):
        found += stream.feed(0.0, (first + 1 + offset) % (1 << 32), payload)
    assert len(found) == len(expected(conversation))
    assert texts(found) == [item[22:].decode() for item in conversation if item[18] == 3]


@given(conversation=conversations, data=st.data(), first=st.integers(0, 0xFFFFFFFF))
def test_segments_out_of_order_and_repeated_change_nothing(
    conversation: list[bytes], data: st.DataObject, first: int
) -> None:
    segments = cut(data, b"".join(conversation))
    shuffled = data.draw(st.permutations(segments + data.draw(st.lists(st.sampled_from(segments or [(0, b"")])))))
    stream = Stream()
    stream.begin(first)
    found: list[Message] = []
    for offset, payload in shuffled:
        found += stream.feed(0.0, (first + 1 + offset) % (1 << 32), payload)
    assert texts(found) == [item[22:].decode() for item in conversation if item[18] == 3]


def test_who_comes_late_begins_at_a_segment_that_begins_a_message() -> None:
    stream = Stream()
    assert stream.feed(0.0, 1000, notification(1)[7:]) == []
    assert texts(stream.feed(0.0, 2000, KEEPALIVE + notification(2))) == ["002"]


def test_a_hole_that_is_filled_in_time_delays_only() -> None:
    stream = Stream()
    stream.begin(0)
    whole = KEEPALIVE + notification(1) + notification(2)
    assert stream.feed(0.0, 1 + 30, whole[30:60]) == []
    assert stream.feed(0.1, 1 + 60, whole[60:]) == []
    assert stream.waits_since == 0.0
    assert texts(stream.feed(0.3, 1, whole[:30])) == ["001", "002"]
    assert stream.waits_since is None


def test_a_hole_that_nobody_fills_is_given_up() -> None:
    stream = Stream()
    stream.begin(0)
    assert stream.feed(0.0, 500, notification(1)) == []
    assert stream.expire(PATIENCE / 2) == []
    assert texts(stream.expire(PATIENCE + 0.1)) == ["001"]
    assert texts(stream.feed(2.0, 500 + len(notification(1)), notification(2))) == ["002"]


def test_many_segments_behind_a_hole_do_not_pile_up() -> None:
    stream = Stream()
    stream.begin(0)
    found: list[Message] = []
    for number in range(200):
        found += stream.feed(0.0, 500 + number * len(notification(0)), notification(number))
    assert texts(found) == [f"{number:03}" for number in range(200)]


def test_a_stream_that_is_no_bgp_is_left_until_it_is_again() -> None:
    stream = Stream()
    stream.begin(0)
    assert stream.feed(0.0, 1, b"GET / HTTP/1.1\r\n\r\nxxxxxxxxxxxxx") == []
    assert texts(stream.feed(0.0, 900, notification(3))) == ["003"]


def test_a_malformed_open_does_not_hide_what_follows() -> None:
    stream = Stream()
    stream.begin(0)
    broken = message(1, b"\x04\xfd\xe9\x00\x1e\x0a\x00\x01\x01\x20\x02\xff")
    assert texts(stream.feed(0.0, 1, broken + notification(1))) == ["001"]


@given(segments=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 0xFFFFFFFF), st.binary(max_size=60)), max_size=30))
def test_garbage_breaks_nothing(segments: list[tuple[float, int, bytes]]) -> None:
    stream = Stream()
    for at, sequence, payload in sorted(segments, key=lambda segment: segment[0]):
        stream.feed(at, sequence, payload)
    stream.expire(10.0)
    assert stream.waits_since is None
