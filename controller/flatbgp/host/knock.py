"""One TCP connection from an address that moved here, closed at once, so that a router lets its old session go.

A router that does graceful restart takes a new connection of a neighbour for the neighbour's restart, and closes the
old one (RFC 4724 section 4.2). FRR 8.4.4 does so beside reading the new OPEN: when that comes right behind the
handshake, as GoBGP's does after 0.6 ms, it finds the old session still closing and is refused with Cease 6/7 (in 13 of
20 take-overs), and GoBGP dials again 2 s later at the earliest. A connection that carries nothing leaves the router the
time that it needs.
"""

import asyncio
import socket
import struct
from typing import Final

from flatbgp.resources.ip import IPAddress
from flatbgp.resources.secrets import Password

KNOCK_SECONDS: Final = 0.08
"""For how long a router may take to answer. A SYN that is lost is not repeated: it could hit the new session."""

_BGP_PORT = 179
_TCP_MD5SIG = 14  # linux/tcp.h


async def knock(local: IPAddress, peer: IPAddress, *, ttl: int, password: Password | None) -> bool:
    """Connect to a router's BGP port and close the connection; return whether the router answered."""
    family = socket.AF_INET if local.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        try:
            if family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            else:
                connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            if password is not None:
                connection.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, _signature(peer, password))
            connection.bind((str(local), 0))
            async with asyncio.timeout(KNOCK_SECONDS):
                await asyncio.get_running_loop().sock_connect(connection, (str(peer), _BGP_PORT))
        except OSError:  # TimeoutError is one: nobody answers, the way is closed, or the kernel knows no signatures
            return False
    return True


def _signature(peer: IPAddress, password: Password) -> bytes:
    """Return ``struct tcp_md5sig``: the key for all segments from and to a peer (RFC 2385)."""
    if peer.version == 4:
        address = struct.pack("=H2x4s", socket.AF_INET, peer.packed)
    else:
        address = struct.pack("=H2x4x16s4x", socket.AF_INET6, peer.packed)
    key = password.reveal().encode()
    return struct.pack("=128sBBHi80s", address, 0, 0, len(key), 0, key)
