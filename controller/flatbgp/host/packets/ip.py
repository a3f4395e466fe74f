"""IPv4 (RFC 791) and IPv6 (RFC 8200) headers, as far as we read and write them, and the Internet checksum."""

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from flatbgp.host.packets.errors import MalformedPacket

PROTOCOL_ICMP = 1
PROTOCOL_TCP = 6
PROTOCOL_ICMPV6 = 58

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_FRAGMENT_OFFSET = 0x1FFF
# Extension headers whose length field counts 8-octet units beyond the first: hop-by-hop, routing, destination
# options (RFC 8200 section 4). A fragment header is not followed: nothing we read is ever fragmented.
_SKIPPED_HEADERS = frozenset({0, 43, 60})


@dataclass(frozen=True, slots=True)
class IPPacket:
    """One IP packet. ``protocol`` names the payload, ``hop_limit`` is IPv4's time to live.

    ``truncated`` says that the wire gave fewer octets than the header promises (a packet quoted in an ICMP error, or
    one cut by the reader).
    """

    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    protocol: int
    hop_limit: int
    payload: bytes
    truncated: bool = False


def decode_ip(data: bytes) -> IPPacket:
    """Read a packet of either version. Padding after the stated length is dropped."""
    if not data:
        raise MalformedPacket("IP packet is empty")
    version = data[0] >> 4
    if version == 4:
        return _decode_ipv4(data)
    if version == 6:
        return _decode_ipv6(data)
    raise MalformedPacket(f"IP version {version} is neither 4 nor 6")


def _decode_ipv4(data: bytes) -> IPPacket:
    if len(data) < _IPV4.size:
        raise MalformedPacket(f"IPv4 packet of {len(data)} octets is shorter than its header")
    first, _, total, _, fragment, ttl, protocol, _, source, destination = _IPV4.unpack_from(data)
    header = (first & 0x0F) * 4
    # Segmentation offload hands up packets beyond 64 KiB with a total length of 0 (Linux, "BIG TCP").
    end = total or len(data)
    if header < _IPV4.size or header > len(data) or end < header:
        raise MalformedPacket(f"IPv4 header length {header} does not fit a packet of {len(data)} octets")
    if fragment & _FRAGMENT_OFFSET:
        raise MalformedPacket("IPv4 fragment without the payload's beginning")
    return IPPacket(
        IPv4Address(source), IPv4Address(destination), protocol, ttl, data[header:end], truncated=end > len(data)
    )


def _decode_ipv6(data: bytes) -> IPPacket:
    if len(data) < _IPV6.size:
        raise MalformedPacket(f"IPv6 packet of {len(data)} octets is shorter than its header")
    _, length, protocol, hop_limit, source, destination = _IPV6.unpack_from(data)
    end = _IPV6.size + length if length else len(data)
    offset = _IPV6.size
    while protocol in _SKIPPED_HEADERS:
        if offset + 8 > len(data):
            raise MalformedPacket("IPv6 extension header is cut off")
        protocol, offset = data[offset], offset + (data[offset + 1] + 1) * 8
    return IPPacket(
        IPv6Address(source), IPv6Address(destination), protocol, hop_limit, data[offset:end], truncated=end > len(data)
    )


def encode_ipv6(source: IPv6Address, destination: IPv6Address, protocol: int, payload: bytes) -> bytes:
    """Return an IPv6 packet with hop limit 255 (what Neighbor Discovery asks for, RFC 4861 section 3.1)."""
    header = _IPV6.pack(6 << 28, len(payload), protocol, 255, source.packed, destination.packed)
    return header + payload


def checksum(data: bytes) -> int:
    """Return the Internet checksum of the data (RFC 1071); over data that holds its own checksum it is 0."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def checksum_ipv6(source: IPv6Address, destination: IPv6Address, protocol: int, payload: bytes) -> int:
    """Return the checksum of an upper layer over IPv6, its pseudo-header included (RFC 8200 section 8.1)."""
    pseudo = source.packed + destination.packed + struct.pack("!II", len(payload), protocol)
    return checksum(pseudo + payload)
