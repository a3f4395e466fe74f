"""TCP segments (RFC 9293), as far as we read them."""

import struct
from dataclasses import dataclass
from enum import IntFlag

from flatbgp.host.packets.errors import MalformedPacket

_FORMAT = struct.Struct("!HHIIBBHHH")


class Flag(IntFlag):
    """The control bits that begin and end a connection (RFC 9293 section 3.1)."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10


@dataclass(frozen=True, slots=True)
class TcpSegment:
    """One segment. The checksum is not read: network cards fill it in after we have seen what this host sends."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: Flag
    payload: bytes = b""

    @classmethod
    def decode(cls, data: bytes) -> "TcpSegment":
        """Read a segment."""
        if len(data) < _FORMAT.size:
            raise MalformedPacket(f"TCP segment of {len(data)} octets is shorter than its header")
        source, destination, sequence, acknowledgment, offset, flags, _, _, _ = _FORMAT.unpack_from(data)
        header = (offset >> 4) * 4
        if header < _FORMAT.size or header > len(data):
            raise MalformedPacket(f"TCP header length {header} does not fit a segment of {len(data)} octets")
        return cls(source, destination, sequence, acknowledgment, Flag(flags & 0x1F), data[header:])
