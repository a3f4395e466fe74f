"""What the packets of a session tell, from the first SYN to the last RST."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.model import Connection, Outcome, PeerHeard, SessionMessage
from flatbgp.host.packets.bgp import MARKER, Notification, Open
from flatbgp.host.packets.bgpstream import PATIENCE
from flatbgp.host.packets.tcp import Flag
from flatbgp.host.sessions import SessionEvent, SessionReader
from flatbgp.resources.ip import IPAddress

LOCAL, PEER = IPv4Address("10.0.1.100"), IPv4Address("10.0.1.254")
LOCAL6, PEER6 = IPv6Address("2001:db8::100"), IPv6Address("2001:db8::254")
MAC = "02:00:00:00:00:fe"
OPEN = bytes.fromhex("04fde9001e0a00010100")
SYN, ACK, RST, FIN = Flag.SYN, Flag.ACK, Flag.RST, Flag.FIN


def message(kind: int, body: bytes) -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


def ip_packet(source: IPAddress, destination: IPAddress, protocol: int, payload: bytes) -> bytes:
    if source.version == 4:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    else:
        head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    return head + source.packed + destination.packed + payload


class Wire:
    """A session between LOCAL:40000 and PEER:179, seen by a reader."""

    def __init__(self, local: IPAddress = LOCAL, peer: IPAddress = PEER) -> None:
        self.reader = SessionReader()
        self.reader.watch(frozenset({(LOCAL, PEER), (LOCAL6, PEER6)}))
        self.local, self.peer = local, peer

    def sent(self, at: float, flags: Flag, seq: int = 0, payload: bytes = b"", port: int = 40000) -> list[SessionEvent]:
        segment = struct.pack("!HHIIBBHHH", port, 179, seq, 0, 5 << 4, flags, 0, 0, 0) + payload
        return self.reader.feed(at, ip_packet(self.local, self.peer, 6, segment), "02:00:00:00:00:01")

    def got(self, at: float, flags: Flag, seq: int = 0, payload: bytes = b"", port: int = 40000) -> list[SessionEvent]:
        segment = struct.pack("!HHIIBBHHH", 179, port, seq, 0, 5 << 4, flags, 0, 0, 0) + payload
        events = self.reader.feed(at, ip_packet(self.peer, self.local, 6, segment), MAC)
        assert events[0] == PeerHeard(at, self.local, self.peer, MAC)
        return events[1:]


@pytest.mark.parametrize(("local", "peer"), [(LOCAL, PEER), (LOCAL6, PEER6)])
def test_a_session_is_read_from_both_sides(local: IPAddress, peer: IPAddress) -> None:
    wire = Wire(local, peer)
    assert wire.sent(1.0, SYN, 99) == []
    assert wire.got(1.1, SYN | ACK, 499) == [Connection(1.1, local, peer, Outcome.CONNECTED)]
    (sent,) = wire.sent(1.2, ACK, 100, message(1, OPEN))
    (received,) = wire.got(1.3, ACK, 500, message(1, OPEN) + message(4, b""))
    for event, ours, at in ((sent, True, 1.2), (received, False, 1.3)):
        assert isinstance(event, SessionMessage)
        assert isinstance(event.message, Open)
        assert (event.sent, event.at, event.local, event.peer, event.message.asn) == (ours, at, local, peer, 65001)


def test_s14_the_last_word_comes_before_the_connection_closes() -> None:
    wire = Wire()
    wire.sent(1.0, SYN, 99)
    wire.got(1.1, SYN | ACK, 499)
    events = wire.got(1.2, ACK | FIN, 500, message(3, bytes([6, 2, 3]) + b"bye"))
    assert events == [
        SessionMessage(1.2, LOCAL, PEER, sent=False, message=Notification(6, 2, b"\x03bye", "bye")),
        Connection(1.2, LOCAL, PEER, Outcome.CLOSED),
    ]


def test_a_refused_connection_says_so() -> None:
    wire = Wire()
    wire.sent(1.0, SYN)
    assert wire.got(1.1, RST | ACK) == [Connection(1.1, LOCAL, PEER, Outcome.REFUSED)]


def test_s07_no_answer_is_told_from_the_second_syn_on_with_the_time_of_the_first() -> None:
    wire = Wire()
    assert wire.sent(1.0, SYN) == []
    assert wire.sent(2.0, SYN) == [Connection(2.0, LOCAL, PEER, Outcome.UNANSWERED, since=1.0)]
    # The daemon gives up and tries anew, from another port: still the same silence.
    assert wire.sent(11.5, SYN, port=40001) == [Connection(11.5, LOCAL, PEER, Outcome.UNANSWERED, since=1.0)]
    assert wire.got(12.0, SYN | ACK, port=40001) == [Connection(12.0, LOCAL, PEER, Outcome.CONNECTED)]
    assert wire.sent(60.0, SYN, port=40002) == []


def test_a_reset_of_an_open_connection_is_no_refusal() -> None:
    wire = Wire()
    wire.sent(1.0, SYN)
    wire.got(1.1, SYN | ACK)
    assert wire.got(9.0, RST) == [Connection(9.0, LOCAL, PEER, Outcome.RESET)]


def test_a_session_that_began_before_we_listened_is_read_from_a_message_on() -> None:
    wire = Wire()
    assert wire.got(1.0, ACK, 7000, b"the middle of an update") == []
    (event,) = wire.got(2.0, ACK, 8000, message(3, bytes([4, 0])))
    assert isinstance(event, SessionMessage)
    assert event.message == Notification(4, 0)


def test_packets_of_other_sessions_and_ports_tell_nothing() -> None:
    reader = Wire().reader
    other = ip_address("10.0.1.77")
    segment = struct.pack("!HHIIBBHHH", 179, 40000, 0, 0, 5 << 4, ACK, 0, 0, 0)
    web = struct.pack("!HHIIBBHHH", 443, 40000, 0, 0, 5 << 4, ACK, 0, 0, 0)
    assert reader.feed(1.0, ip_packet(other, LOCAL, 6, segment), MAC) == []
    assert reader.feed(1.0, ip_packet(PEER, LOCAL, 6, web), MAC) == []
    assert reader.feed(1.0, ip_packet(PEER, LOCAL, 17, bytes(8)), MAC) == []


@pytest.mark.parametrize(
    ("local", "peer", "protocol", "kind", "outcome"),
    [
        (LOCAL, PEER, 1, 3, Outcome.UNREACHABLE),
        (LOCAL, PEER, 1, 11, Outcome.TTL_EXCEEDED),
        (LOCAL6, PEER6, 58, 1, Outcome.UNREACHABLE),
        (LOCAL6, PEER6, 58, 3, Outcome.TTL_EXCEEDED),
    ],
)
def test_s10_an_icmp_error_about_our_syn_tells_why(
    local: IPAddress, peer: IPAddress, protocol: int, kind: int, outcome: Outcome
) -> None:
    router = ip_address("10.0.1.1") if local.version == 4 else ip_address("2001:db8::1")
    quoted = ip_packet(local, peer, 6, struct.pack("!HHI", 40000, 179, 1))
    error = ip_packet(router, local, protocol, bytes([kind, 0]) + bytes(6) + quoted)
    assert Wire().reader.feed(3.0, error, MAC) == [Connection(3.0, local, peer, outcome, reporter=router)]


def test_an_icmp_error_about_others_tells_nothing() -> None:
    quoted = ip_packet(LOCAL, ip_address("10.0.1.77"), 6, struct.pack("!HHI", 40000, 179, 1))
    reader = Wire().reader
    assert reader.feed(3.0, ip_packet(PEER, LOCAL, 1, bytes([3, 0]) + bytes(6) + quoted), MAC) == []
    assert reader.feed(3.0, ip_packet(PEER, LOCAL, 1, b""), MAC) == []


def test_a_message_behind_a_lost_segment_is_told_when_waiting_is_over() -> None:
    wire = Wire()
    wire.sent(1.0, SYN)
    wire.got(1.0, SYN | ACK, 499)
    assert wire.reader.next_expiry() is None
    assert wire.got(2.0, ACK, 900, message(3, bytes([6, 4]))) == []
    assert wire.reader.next_expiry() == 2.0 + PATIENCE
    (event,) = wire.reader.expire(2.0 + PATIENCE + 0.01)
    assert isinstance(event, SessionMessage)
    assert event.message == Notification(6, 4)
    assert wire.reader.next_expiry() is None


def test_a_pair_that_is_no_longer_watched_is_forgotten() -> None:
    wire = Wire()
    wire.sent(1.0, SYN)
    wire.reader.watch(frozenset())
    assert wire.sent(2.0, SYN) == []
    wire.reader.watch(frozenset({(LOCAL, PEER)}))
    assert wire.sent(3.0, SYN) == []


def test_thousands_of_attempts_do_not_fill_the_memory() -> None:
    wire = Wire()
    for port in range(10_000, 12_000):
        wire.sent(1.0, SYN, port=port)
        wire.got(1.0, RST, port=port)
    assert len(wire.reader._connections) <= 256


@given(data=st.binary(max_size=120), tail=st.binary(max_size=60))
def test_garbage_breaks_nothing(data: bytes, tail: bytes) -> None:
    reader = Wire().reader
    reader.feed(0.0, data, MAC)
    for protocol in (1, 6, 58):
        reader.feed(0.0, ip_packet(PEER, LOCAL, protocol, tail), MAC)
        reader.feed(0.0, ip_packet(PEER6, LOCAL6, protocol, tail), MAC)
    reader.expire(9.0)
