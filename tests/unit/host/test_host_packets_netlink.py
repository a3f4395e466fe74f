"""Netlink messages, attributes, and the sockets of sock_diag."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets import inetdiag, netlink
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.inetdiag import TcpState
from flatbgp.host.packets.netlink import Message

messages = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=60).map(lambda data: data[: len(data) & ~3]),
)
attributes = st.dictionaries(st.integers(0, 0x3FFF), st.binary(max_size=40), max_size=10)


@given(wanted=st.lists(messages, max_size=6))
def test_messages_are_read_as_they_were_written(wanted: list[Message]) -> None:
    assert netlink.decode_messages(b"".join(netlink.encode_message(message) for message in wanted)) == wanted


@given(wanted=attributes)
def test_attributes_are_read_as_they_were_written(wanted: dict[int, bytes]) -> None:
    encoded = netlink.encode_attributes(wanted.items())
    assert len(encoded) % 4 == 0
    assert netlink.decode_attributes(encoded) == wanted


def test_flags_of_an_attribute_are_not_part_of_its_type() -> None:
    assert netlink.decode_attributes(struct.pack("=HH", 4, 0x8000 | 7)) == {7: b""}


def test_a_message_cut_off_is_refused() -> None:
    with pytest.raises(MalformedPacket, match="length 20"):
        netlink.decode_messages(netlink.encode_message(Message(1, 0, 0, bytes(4)))[:18])


def test_an_error_has_a_positive_number() -> None:
    assert netlink.error_number(struct.pack("=i", -17) + bytes(16)) == 17


def test_addresses_texts_and_numbers_of_attributes() -> None:
    found = {1: IPv4Address("10.0.1.1").packed, 2: IPv6Address("2001:db8::1").packed, 3: b"eth0\0", 4: b"\xfb", 5: b"x"}
    assert netlink.address(found, 1) == IPv4Address("10.0.1.1")
    assert netlink.address(found, 2) == IPv6Address("2001:db8::1")
    assert netlink.text(found, 3) == "eth0"
    assert netlink.unsigned(found, 4) == 251
    assert (netlink.address(found, 9), netlink.text(found, 9), netlink.unsigned(found, 9)) == (None, "", None)
    with pytest.raises(MalformedPacket):
        netlink.address(found, 5)


@given(value=st.integers(0, 0xFFFFFFFF))
def test_numbers_are_written_as_they_are_read(value: int) -> None:
    assert netlink.unsigned({1: netlink.unsigned_octets(value, 4)}, 1) == value


def diag(family: int, state: int, local: bytes, remote: bytes) -> bytes:
    ends = struct.pack("!HH16s16s", 40000, 179, local, remote)
    return struct.pack("=BBBB", family, state, 0, 0) + ends + struct.pack("=I8s", 3, b"cookie!!") + bytes(20)


@pytest.mark.parametrize(
    ("family", "local", "expected"),
    [
        (netlink.AF_INET, IPv4Address("10.0.1.100").packed, IPv4Address("10.0.1.100")),
        (netlink.AF_INET6, IPv6Address("2001:db8::100").packed, IPv6Address("2001:db8::100")),
        (netlink.AF_INET6, IPv6Address("::ffff:10.0.1.100").packed, IPv4Address("10.0.1.100")),
    ],
)
def test_a_listed_socket_has_its_ends_also_where_it_is_dual_stack(
    family: int, local: bytes, expected: "IPv4Address | IPv6Address"
) -> None:
    found = inetdiag.decode_socket(diag(family, 1, local, local))
    assert (found.local, found.local_port, found.remote, found.remote_port) == (expected, 40000, expected, 179)
    assert found.state is TcpState.ESTABLISHED
    assert found.identity[-8:] == b"cookie!!"


def test_ending_a_socket_names_it_as_the_kernel_did() -> None:
    found = inetdiag.decode_socket(diag(netlink.AF_INET, 1, b"\x0a\0\x01\x64", b"\x0a\0\x01\xfe"))
    request = inetdiag.destroy_request(found)
    assert len(request) == 56  # sizeof(struct inet_diag_req_v2)
    assert request[8:] == found.identity
    assert len(inetdiag.list_request(netlink.AF_INET)) == 56


def test_byte_order_is_that_of_this_machine() -> None:
    assert netlink.unsigned_octets(1, 4) == struct.pack("=I", 1)


@given(wanted=attributes, kinds=st.sets(st.integers(0, 0x3FFF), max_size=4))
def test_reading_the_first_of_some_kinds_gives_what_reading_all_gives(
    wanted: dict[int, bytes], kinds: set[int]
) -> None:
    asked = kinds | set(list(wanted)[:2])
    found = netlink.first_attributes(netlink.encode_attributes(wanted.items()), asked)
    assert found == {kind: value for kind, value in wanted.items() if kind in asked}
