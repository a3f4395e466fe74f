"""Netlink messages and attributes (netlink(7), rtnetlink(7), sock_diag(7)): the few structures that we send and read.

All integers are in the byte order of this host, as netlink has them, except where a name says otherwise.
"""

import struct
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import NamedTuple

from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.resources.ip import IPAddress

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED_BITS = 0xC000  # NLA_F_NESTED and NLA_F_NET_BYTEORDER

ERROR, DONE = 2, 3
FLAG_REQUEST, FLAG_ACK = 0x001, 0x004
FLAG_DUMP = 0x300
FLAG_REPLACE, FLAG_EXCLUSIVE, FLAG_CREATE = 0x100, 0x200, 0x400
FLAG_DUMP_INTERRUPTED = 0x10

AF_INET, AF_INET6 = 2, 10

IFINFOMSG = struct.Struct("=BxHiII")  # family, type, index, flags, change
IFADDRMSG = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
RTMSG = struct.Struct("=BBBBBBBBI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
NDMSG = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
IFA_CACHEINFO = struct.Struct("=IIII")  # preferred, valid (seconds), created, updated
PORT_RANGE = struct.Struct("=HH")  # struct fib_rule_port_range: first, last
FIB_RULE_HDR = struct.Struct("=BBBBBxxBI")  # family, dst_len, src_len, tos, table, action, flags


class Message(NamedTuple):
    """One netlink message without its header: type, flags, sequence number, payload."""

    kind: int
    flags: int
    sequence: int
    payload: bytes


def encode_message(message: Message) -> bytes:
    """Return the message with its header; the kernel fills in the sender."""
    length = _HEADER.size + len(message.payload)
    return _HEADER.pack(length, message.kind, message.flags, message.sequence, 0) + message.payload


def decode_messages(data: bytes) -> list[Message]:
    """Split a datagram into its messages. A message that is cut off is an error: the buffer was too small."""
    found: list[Message] = []
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            raise MalformedPacket(f"netlink message of length {length} in a datagram of {len(data)} octets")
        found.append(Message(kind, flags, sequence, data[offset + _HEADER.size : offset + length]))
        offset += _align(length)
    return found


def error_number(payload: bytes) -> int:
    """Return the positive errno of an error message; 0 is an acknowledgement."""
    if len(payload) < 4:
        raise MalformedPacket("netlink error without a number")
    return -int(struct.unpack_from("=i", payload)[0])


def encode_attributes(attributes: Iterable[tuple[int, bytes]]) -> bytes:
    """Return attributes as type, length, value, each padded to four octets."""
    encoded = bytearray()
    for kind, value in attributes:
        length = _ATTRIBUTE.size + len(value)
        encoded += _ATTRIBUTE.pack(length, kind) + value + bytes(_align(length) - length)
    return bytes(encoded)


def decode_attributes(data: bytes) -> dict[int, bytes]:
    """Return attributes by type; of several with one type the last."""
    return dict(_attributes(data))


def first_attributes(data: bytes, kinds: Collection[int]) -> dict[int, bytes]:
    """Return the first attribute of each of these kinds, reading no further: a link has sixty, and hosts many links."""
    found: dict[int, bytes] = {}
    for kind, value in _attributes(data):
        if kind in kinds:
            found.setdefault(kind, value)
            if len(found) == len(kinds):
                break
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            raise MalformedPacket(f"netlink attribute of length {length} is cut off")
        yield kind & ~_NESTED_BITS, data[offset + _ATTRIBUTE.size : offset + length]
        offset += _align(length)


def _align(length: int) -> int:
    return (length + 3) & ~3


def decode_fixed(layout: struct.Struct, payload: bytes) -> tuple[tuple[int, ...], dict[int, bytes]]:
    """Read a payload that is a C structure followed by attributes; return the structure's fields and those."""
    if len(payload) < layout.size:
        raise MalformedPacket(f"netlink payload of {len(payload)} octets: {layout.size} are expected")
    return layout.unpack_from(payload), decode_attributes(payload[layout.size :])


def unsigned(attributes: Mapping[int, bytes], kind: int) -> int | None:
    """Return an integer attribute, or ``None``."""
    value = attributes.get(kind)
    return None if value is None else int.from_bytes(value, sys.byteorder)


def unsigned_octets(value: int, size: int) -> bytes:
    """Return an integer as the value of an attribute of ``size`` octets."""
    return value.to_bytes(size, sys.byteorder)


def text(attributes: Mapping[int, bytes], kind: int) -> str:
    """Return a string attribute, or an empty one."""
    return attributes.get(kind, b"").rstrip(b"\0").decode(errors="replace")


def address(attributes: Mapping[int, bytes], kind: int) -> IPAddress | None:
    """Return an address attribute, or ``None``."""
    value = attributes.get(kind)
    if value is None:
        return None
    if len(value) not in {4, 16}:
        raise MalformedPacket(f"an address of {len(value)} octets is neither IPv4 nor IPv6")
    return ip_address(value)
