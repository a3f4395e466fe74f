"""ARP for IPv4 over Ethernet (RFC 826), with the probes and announcements of RFC 5227."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import (
    BROADCAST,
    ETHERTYPE_ARP,
    NO_MAC,
    EthernetFrame,
    mac_octets,
    mac_text,
)

_FORMAT = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET = 1
_IPV4 = 0x0800
UNSPECIFIED = IPv4Address(0)


class Operation(IntEnum):
    """The two operations that concern us (RFC 826)."""

    REQUEST = 1
    REPLY = 2


@dataclass(frozen=True, slots=True)
class ArpPacket:
    """One ARP packet: who speaks (sender) and whom it is about (target)."""

    operation: Operation
    sender_mac: str
    sender_ip: IPv4Address
    target_mac: str
    target_ip: IPv4Address

    @property
    def is_probe(self) -> bool:
        """Whether the sender asks for an address that it may want, without having it (RFC 5227 section 1.1)."""
        return self.operation is Operation.REQUEST and self.sender_ip == UNSPECIFIED

    @property
    def is_announcement(self) -> bool:
        """Whether the sender states to have an address, unasked; both forms in use count (RFC 5227 section 3)."""
        return self.sender_ip == self.target_ip != UNSPECIFIED

    def encode(self) -> bytes:
        """Return the 28 octets of the packet, without Ethernet header."""
        return _FORMAT.pack(
            _ETHERNET,
            _IPV4,
            6,
            4,
            self.operation,
            mac_octets(self.sender_mac),
            self.sender_ip.packed,
            mac_octets(self.target_mac),
            self.target_ip.packed,
        )

    @classmethod
    def decode(cls, data: bytes) -> "ArpPacket":
        """Read a packet; what follows the 28 octets is Ethernet padding."""
        if len(data) < _FORMAT.size:
            raise MalformedPacket(f"ARP packet of {len(data)} octets: {_FORMAT.size} are expected")
        hardware, protocol, hardware_size, protocol_size, operation, sha, spa, tha, tpa = _FORMAT.unpack_from(data)
        if (hardware, protocol, hardware_size, protocol_size) != (_ETHERNET, _IPV4, 6, 4):
            raise MalformedPacket("ARP packet is not about IPv4 over Ethernet")
        try:
            known = Operation(operation)
        except ValueError:
            raise MalformedPacket(f"ARP operation {operation} is neither request nor reply") from None
        return cls(known, mac_text(sha), IPv4Address(spa), mac_text(tha), IPv4Address(tpa))


def request(mac: str, source: IPv4Address, target: IPv4Address) -> ArpPacket:
    """Ask who has ``target``, as the owner of ``source``."""
    return ArpPacket(Operation.REQUEST, mac, source, NO_MAC, target)


def reply(mac: str, address: IPv4Address, asker_mac: str, asker: IPv4Address) -> ArpPacket:
    """Answer a question about ``address``, which ``mac`` has."""
    return ArpPacket(Operation.REPLY, mac, address, asker_mac, asker)


def probe(mac: str, target: IPv4Address) -> ArpPacket:
    """Ask who has ``target`` without touching anybody's table: sender address 0.0.0.0 (RFC 5227 section 2.1)."""
    return ArpPacket(Operation.REQUEST, mac, UNSPECIFIED, NO_MAC, target)


def announcements(mac: str, address: IPv4Address) -> tuple[ArpPacket, ArpPacket]:
    """State that ``mac`` has ``address``, in both forms.

    RFC 5227 wants the request form; some switches and routers take only the reply form, so one of each is sent.
    """
    return (
        ArpPacket(Operation.REQUEST, mac, address, NO_MAC, address),
        ArpPacket(Operation.REPLY, mac, address, BROADCAST, address),
    )


def to_frame(packet: ArpPacket, destination: str = BROADCAST) -> bytes:
    """Return the Ethernet frame that carries the packet."""
    return EthernetFrame(destination, packet.sender_mac, ETHERTYPE_ARP, packet.encode()).encode()
