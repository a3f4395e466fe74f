"""Ethernet, IP and TCP headers."""

import struct
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets import arp, bgp, ethernet, inetdiag, ip, ndp, netlink, tcp
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import EthernetFrame

macs = st.binary(min_size=6, max_size=6).map(ethernet.mac_text)
ipv4 = st.ip_addresses(v=4)
ipv6 = st.ip_addresses(v=6)


def ipv4_packet(source: str, destination: str, protocol: int, payload: bytes, *, options: bytes = b"") -> bytes:
    length = 20 + len(options)
    return (
        struct.pack("!BBHHHBBH", 0x40 | length // 4, 0, length + len(payload), 0, 0, 64, protocol, 0)
        + IPv4Address(source).packed
        + IPv4Address(destination).packed
        + options
        + payload
    )


DECODERS: list[Callable[[bytes], object]] = [
    EthernetFrame.decode,
    ip.decode_ip,
    tcp.TcpSegment.decode,
    arp.ArpPacket.decode,
    lambda data: ndp.decode(ip.decode_ip(data)),
    bgp.Header.decode,
    bgp.decode_open,
    bgp.decode_notification,
    inetdiag.decode_socket,
    netlink.decode_messages,
    netlink.decode_attributes,
    netlink.error_number,
    lambda data: netlink.decode_fixed(netlink.IFADDRMSG, data),
]


@pytest.mark.parametrize("decode", DECODERS)
@given(garbage=st.binary(max_size=200))
def test_garbage_gives_a_value_or_the_one_documented_error(decode: Callable[[bytes], object], garbage: bytes) -> None:
    with suppress(MalformedPacket):
        decode(garbage)


VALID = [
    EthernetFrame("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01", 0x0806, bytes(28)).encode(),
    arp.probe("02:00:00:00:00:01", IPv4Address("10.0.1.100")).encode(),
    ndp.encode(ndp.question("02:00:00:00:00:01", IPv6Address("2001:db8::1"), IPv6Address("2001:db8::100"))),
    ipv4_packet("10.0.1.1", "10.0.1.2", 6, bytes(40), options=bytes(8)),
    bytes.fromhex("04fde8001e0a00010101020c01040001000141040000fde8"),
]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.data())
def test_a_damaged_packet_gives_a_value_or_the_one_documented_error(
    decode: Callable[[bytes], object], data: st.DataObject
) -> None:
    packet = bytearray(data.draw(st.sampled_from(VALID)))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    with suppress(MalformedPacket):
        decode(bytes(packet[: data.draw(st.integers(0, len(packet)))]))


@given(destination=macs, source=macs, ethertype=st.integers(0, 0xFFFF), payload=st.binary(max_size=100))
def test_a_frame_is_read_as_it_was_written(destination: str, source: str, ethertype: int, payload: bytes) -> None:
    frame = EthernetFrame(destination, source, ethertype, payload)
    assert EthernetFrame.decode(frame.encode()) == frame


@given(mac=st.binary(min_size=6, max_size=6))
def test_a_mac_address_is_text_with_colons(mac: bytes) -> None:
    assert ethernet.mac_octets(ethernet.mac_text(mac)) == mac
    assert len(ethernet.mac_text(mac)) == 17


@pytest.mark.parametrize("text", ["", "02:00:00:00:00", "02:00:00:00:00:01:02"])
def test_a_mac_address_of_another_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="six octets"):
        ethernet.mac_octets(text)


@given(source=ipv4, destination=ipv4, payload=st.binary(max_size=60), padding=st.binary(max_size=30))
def test_ipv4_padding_and_options_are_not_payload(
    source: IPv4Address, destination: IPv4Address, payload: bytes, padding: bytes
) -> None:
    packet = ip.decode_ip(ipv4_packet(str(source), str(destination), 6, payload, options=bytes(12)) + padding)
    assert (packet.source, packet.destination, packet.protocol, packet.payload) == (source, destination, 6, payload)
    assert not packet.truncated


def test_a_packet_cut_off_says_so() -> None:
    assert ip.decode_ip(ipv4_packet("10.0.0.1", "10.0.0.2", 6, bytes(100))[:40]).truncated


def test_a_later_ipv4_fragment_is_refused() -> None:
    packet = bytearray(ipv4_packet("10.0.0.1", "10.0.0.2", 6, bytes(100)))
    packet[7] = 1
    with pytest.raises(MalformedPacket, match="fragment"):
        ip.decode_ip(bytes(packet))


def test_ipv6_extension_headers_are_skipped() -> None:
    hop_by_hop = bytes([60, 0, 5, 2, 0, 0, 1, 0])  # router alert, then destination options
    options = bytes([6, 1, *([0] * 14)])
    packet = ip.encode_ipv6(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"), 0, hop_by_hop + options + b"tcp")
    decoded = ip.decode_ip(packet)
    assert (decoded.protocol, decoded.payload) == (6, b"tcp")


def test_the_checksum_is_that_of_rfc_1071() -> None:
    # The worked example of RFC 1071 section 3.
    assert ip.checksum(bytes.fromhex("0001f203f4f5f6f7")) == ~0xDDF2 & 0xFFFF


@given(data=st.binary(max_size=80))
def test_data_with_its_own_checksum_sums_to_zero(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    assert ip.checksum(even + ip.checksum(even).to_bytes(2, "big")) == 0


@given(ports=st.tuples(st.integers(0, 65535), st.integers(0, 65535)), flags=st.integers(0, 255), payload=st.binary())
def test_a_tcp_segment_is_read(ports: tuple[int, int], flags: int, payload: bytes) -> None:
    header = struct.pack("!HHIIBBHHH", *ports, 7, 9, 8 << 4, flags, 1, 2, 3) + bytes(12)
    segment = tcp.TcpSegment.decode(header + payload)
    assert (segment.source_port, segment.destination_port) == ports
    assert (segment.sequence, segment.acknowledgment, segment.payload) == (7, 9, payload)
    assert int(segment.flags) == flags & 0x1F
