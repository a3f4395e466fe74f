"""The way to a peer, as the kernel would take it, and what waits on it."""

import errno
import socket
from ipaddress import IPv4Address

from flatbgp.host.model import HostError, NextHop, Route
from flatbgp.host.netlink import Netlink, NetlinkError
from flatbgp.host.packets import netlink as wire
from flatbgp.host.packets.netlink import decode_fixed, encode_attributes
from flatbgp.resources.ip import IPAddress

_RTM_GETROUTE, _RTM_DELNEIGH, _RTM_GETNEIGH = 26, 29, 30
_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _RTA_VIA = 1, 2, 4, 5, 18
_NDA_DST = 1
_NUD_INCOMPLETE, _NUD_FAILED = 0x01, 0x20
_NUD_USABLE = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80  # reachable, stale, delay, probe, noarp, permanent
_RTN_UNICAST = 1

# What a lookup answers without a usable route: none at all, unreachable, blackhole, prohibit. An IPv4 source that is
# not on this host is refused with EINVAL as well: without the address there is no way either.
_NO_WAY = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EINVAL, errno.EACCES, errno.ENETDOWN})


def find_route(netlink: Netlink, local: IPAddress | None, peer: IPAddress) -> Route | None:
    """Return how packets from ``local`` reach ``peer``; ``None``: there is no route, or it leads nowhere.

    Without ``local`` it is the way that they take whatever their source.
    """
    family = wire.AF_INET if isinstance(peer, IPv4Address) else wire.AF_INET6
    bits = peer.max_prefixlen
    request = wire.RTMSG.pack(family, bits, bits, 0, 0, 0, 0, 0, 0)
    ends = [(_RTA_DST, peer.packed)] if local is None else [(_RTA_DST, peer.packed), (_RTA_SRC, local.packed)]
    request += encode_attributes(ends)
    try:
        (answer,) = netlink.request(_RTM_GETROUTE, request)
    except NetlinkError as error:
        if error.errno in _NO_WAY:
            return None
        source = f" from {local}" if local is not None else ""
        raise HostError(f"cannot look up the route{source} to {peer}: {error.strerror}") from error
    fields, attributes = decode_fixed(wire.RTMSG, answer.payload)
    index = wire.unsigned(attributes, _RTA_OIF)
    if fields[7] != _RTN_UNICAST or index is None:
        return None
    gateway = wire.address(attributes, _RTA_GATEWAY) or _via(attributes.get(_RTA_VIA))
    try:
        interface = socket.if_indextoname(index)
    except OSError:  # it went while we asked
        return None
    return Route(interface, gateway, _next_hop(netlink, index, gateway or peer))


def drop_waiting(netlink: Netlink, peer: IPAddress) -> None:
    """Drop the packets to a peer that wait for the MAC address of its next hop, if that is being looked for.

    The kernel keeps up to a hundred of them for 3 s, and sends them when the next hop is found: they have passed
    routing, and their sockets may be gone.
    """
    route = find_route(netlink, None, peer)
    if route is None or route.next_hop is not NextHop.UNRESOLVED:
        return
    target = route.gateway or peer
    try:
        index = socket.if_nametoindex(route.interface)
        netlink.request(_RTM_DELNEIGH, _neighbor(index, target))
    except NetlinkError as error:
        if error.errno != errno.ENOENT:  # it has ended meanwhile
            raise HostError(f"cannot drop what waits for {target} on {route.interface}: {error.strerror}") from error
    except OSError:  # the interface has gone, and its neighbours with it
        return


def _neighbor(index: int, target: IPAddress) -> bytes:
    family = wire.AF_INET if isinstance(target, IPv4Address) else wire.AF_INET6
    return wire.NDMSG.pack(family, index, 0, 0, 0) + encode_attributes([(_NDA_DST, target.packed)])


def _via(value: bytes | None) -> IPAddress | None:
    """Return a gateway of the other family (RFC 8950 style routes): two octets of family, then the address."""
    return None if value is None else wire.address({_RTA_GATEWAY: value[2:]}, _RTA_GATEWAY)


def _next_hop(netlink: Netlink, index: int, target: IPAddress) -> NextHop:
    try:
        (answer,) = netlink.request(_RTM_GETNEIGH, _neighbor(index, target))
    except NetlinkError:  # no entry, or a link without neighbours
        return NextHop.UNKNOWN
    (_, _, state, _, _), _ = decode_fixed(wire.NDMSG, answer.payload)
    if state & _NUD_USABLE:
        return NextHop.RESOLVED
    return NextHop.UNRESOLVED if state & (_NUD_FAILED | _NUD_INCOMPLETE) else NextHop.UNKNOWN
