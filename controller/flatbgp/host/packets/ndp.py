"""Neighbor Discovery (RFC 4861): solicitations and advertisements, as ICMPv6 over IPv6 over Ethernet."""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import ETHERTYPE_IPV6, EthernetFrame, mac_octets, mac_text
from flatbgp.host.packets.ip import PROTOCOL_ICMPV6, IPPacket, checksum_ipv6, encode_ipv6

TYPE_SOLICITATION = 135
TYPE_ADVERTISEMENT = 136
UNSPECIFIED = IPv6Address(0)
ALL_NODES = IPv6Address("ff02::1")

_FORMAT = struct.Struct("!BBHI16s")
_ROUTER, _SOLICITED, _OVERRIDE = 1 << 31, 1 << 30, 1 << 29
_OPTION_SOURCE, _OPTION_TARGET = 1, 2
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))


@dataclass(frozen=True, slots=True)
class NeighborSolicitation:
    """A question for ``target``. From ``::`` it is duplicate address detection (RFC 4862 section 5.4)."""

    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    source_mac: str | None = None


@dataclass(frozen=True, slots=True)
class NeighborAdvertisement:
    """A statement that ``target`` is at ``target_mac``; ``override`` asks to replace what is known already."""

    source: IPv6Address
    destination: IPv6Address
    target: IPv6Address
    target_mac: str | None = None
    router: bool = False
    solicited: bool = False
    override: bool = False


NdpMessage = NeighborSolicitation | NeighborAdvertisement


def solicited_node(address: IPv6Address) -> IPv6Address:
    """Return the multicast group in which the owner of the address listens (RFC 4291 section 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE | (int(address) & 0xFFFFFF))


def multicast_mac(group: IPv6Address) -> str:
    """Return the Ethernet address of an IPv6 multicast group (RFC 2464 section 7)."""
    return mac_text(b"\x33\x33" + group.packed[12:])


def probe(target: IPv6Address) -> NeighborSolicitation:
    """Ask who has ``target`` as one who may want it: from ``::``, and without a link-layer option."""
    return NeighborSolicitation(UNSPECIFIED, solicited_node(target), target)


def question(mac: str, source: IPv6Address, target: IPv6Address) -> NeighborSolicitation:
    """Ask who has ``target``, as the owner of ``source`` at ``mac``."""
    return NeighborSolicitation(source, solicited_node(target), target, source_mac=mac)


def announcement(mac: str, address: IPv6Address) -> NeighborAdvertisement:
    """State to all nodes that ``address`` is now at ``mac`` (RFC 4861 section 7.2.6)."""
    return NeighborAdvertisement(address, ALL_NODES, address, target_mac=mac, override=True)


def encode(message: NdpMessage) -> bytes:
    """Return the IPv6 packet, with checksum."""
    if isinstance(message, NeighborSolicitation):
        kind, flags, option = TYPE_SOLICITATION, 0, _option(_OPTION_SOURCE, message.source_mac)
    else:
        kind, option = TYPE_ADVERTISEMENT, _option(_OPTION_TARGET, message.target_mac)
        flags = (
            (_ROUTER if message.router else 0)
            | (_SOLICITED if message.solicited else 0)
            | (_OVERRIDE if message.override else 0)
        )
    source, destination = message.source, message.destination
    body = _FORMAT.pack(kind, 0, 0, flags, message.target.packed) + option
    total = checksum_ipv6(source, destination, PROTOCOL_ICMPV6, body)
    return encode_ipv6(source, destination, PROTOCOL_ICMPV6, body[:2] + total.to_bytes(2, "big") + body[4:])


def to_frame(message: NdpMessage, sender_mac: str) -> bytes:
    """Return the Ethernet frame that carries a message to its multicast group."""
    destination = multicast_mac(message.destination)
    return EthernetFrame(destination, sender_mac, ETHERTYPE_IPV6, encode(message)).encode()


def decode(packet: IPPacket) -> NdpMessage:
    """Read and validate a message by the rules of RFC 4861 sections 7.1.1 and 7.1.2.

    Hop limit 255 is the one that matters most: it proves that the sender is on this link.
    """
    source, destination = packet.source, packet.destination
    if not isinstance(source, IPv6Address) or not isinstance(destination, IPv6Address):
        raise MalformedPacket("Neighbor Discovery is about IPv6")
    if packet.protocol != PROTOCOL_ICMPV6 or len(packet.payload) < _FORMAT.size:
        raise MalformedPacket("packet holds no whole ICMPv6 message of Neighbor Discovery")
    if packet.hop_limit != 255:
        raise MalformedPacket(f"hop limit {packet.hop_limit}: the sender may be off this link")
    if checksum_ipv6(source, destination, PROTOCOL_ICMPV6, packet.payload) != 0:
        raise MalformedPacket("ICMPv6 checksum is wrong")
    kind, code, _, flags, raw_target = _FORMAT.unpack_from(packet.payload)
    target = IPv6Address(raw_target)
    if code != 0 or target.is_multicast:
        raise MalformedPacket("Neighbor Discovery message with a code, or about a multicast address")
    options = _options(packet.payload[_FORMAT.size :])
    if kind == TYPE_SOLICITATION:
        source_mac = options.get(_OPTION_SOURCE)
        if source == UNSPECIFIED and (source_mac or int(destination) >> 24 != _SOLICITED_NODE >> 24):
            raise MalformedPacket("solicitation from :: has a source option or is not sent to a solicited-node group")
        return NeighborSolicitation(source, destination, target, source_mac)
    if kind == TYPE_ADVERTISEMENT:
        solicited = bool(flags & _SOLICITED)
        if destination.is_multicast and solicited:
            raise MalformedPacket("advertisement to a multicast group states to be solicited")
        return NeighborAdvertisement(
            source,
            destination,
            target,
            options.get(_OPTION_TARGET),
            router=bool(flags & _ROUTER),
            solicited=solicited,
            override=bool(flags & _OVERRIDE),
        )
    raise MalformedPacket(f"ICMPv6 type {kind} is neither neighbor solicitation nor advertisement")


def _option(kind: int, mac: str | None) -> bytes:
    return b"" if mac is None else bytes([kind, 1]) + mac_octets(mac)


def _options(data: bytes) -> dict[int, str]:
    """Return the link-layer options; others are skipped, as RFC 4861 section 4.6 asks."""
    found: dict[int, str] = {}
    while data:
        length = data[1] * 8 if len(data) > 1 else 0
        if length == 0 or length > len(data):
            raise MalformedPacket("Neighbor Discovery option has length 0 or is cut off")
        if data[0] in {_OPTION_SOURCE, _OPTION_TARGET} and length == 8:
            found[data[0]] = mac_text(data[2:8])
        data = data[length:]
    return found
