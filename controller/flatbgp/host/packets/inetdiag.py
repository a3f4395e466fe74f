"""TCP sockets as the kernel lists and ends them: ``inet_diag_req_v2`` and ``inet_diag_msg`` (sock_diag(7))."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.netlink import AF_INET, AF_INET6
from flatbgp.resources.ip import IPAddress

_REQUEST = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_MESSAGE = struct.Struct("=BBBB")  # family, state, timer, retransmissions
_PORTS = struct.Struct("!HH")
_IPPROTO_TCP = 6
_ID_LENGTH = 48
ALL_STATES = 0xFFFFFFFF


class TcpState(IntEnum):
    """States of a TCP socket (linux/tcp_states.h)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12
    BOUND_INACTIVE = 13


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """A TCP socket: ends and state. ``identity`` is the kernel's own name for it (``struct inet_diag_sockid``)."""

    family: int
    state: TcpState
    local: IPAddress
    local_port: int
    remote: IPAddress
    remote_port: int
    identity: bytes


def list_request(family: int) -> bytes:
    """Return the payload that asks for all TCP sockets of a family, in every state."""
    return _REQUEST.pack(family, _IPPROTO_TCP, 0, ALL_STATES) + bytes(_ID_LENGTH)


def destroy_request(victim: TcpSocket) -> bytes:
    """Return the payload that ends one socket."""
    return _REQUEST.pack(victim.family, _IPPROTO_TCP, 0, ALL_STATES) + victim.identity


def decode_socket(payload: bytes) -> TcpSocket:
    """Read one listed socket. An IPv4 connection of a dual-stack socket has its IPv4 addresses."""
    if len(payload) < _MESSAGE.size + _ID_LENGTH:
        raise MalformedPacket(f"inet_diag message of {len(payload)} octets is shorter than its fixed part")
    family, state, _, _ = _MESSAGE.unpack_from(payload)
    identity = payload[_MESSAGE.size : _MESSAGE.size + _ID_LENGTH]
    local_port, remote_port = _PORTS.unpack_from(identity)
    try:
        known = TcpState(state)
    except ValueError:
        raise MalformedPacket(f"TCP state {state} is unknown") from None
    return TcpSocket(
        family,
        known,
        _address(family, identity[4:20]),
        local_port,
        _address(family, identity[20:36]),
        remote_port,
        identity,
    )


def _address(family: int, octets: bytes) -> IPAddress:
    if family == AF_INET:
        return IPv4Address(octets[:4])
    if family != AF_INET6:
        raise MalformedPacket(f"address family {family} is neither IPv4 nor IPv6")
    six = IPv6Address(octets)
    return six.ipv4_mapped or six
