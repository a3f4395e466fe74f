"""Floating IPs on an interface, on borrowed time: the kernel takes them off when nobody renews them."""

import errno
import math
import socket
from collections.abc import Callable
from ipaddress import IPv4Address

from flatbgp.host.clock import boottime
from flatbgp.host.interfaces import (
    IFA_ADDRESS,
    IFA_CACHEINFO,
    IFA_FLAGS,
    IFA_LABEL,
    IFA_LOCAL,
    IFA_PROTO,
    LABEL_SUFFIX,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    decode_address,
)
from flatbgp.host.model import MARK, HostError
from flatbgp.host.netlink import Netlink, NetlinkError
from flatbgp.host.packets import netlink as wire
from flatbgp.host.packets.netlink import FLAG_CREATE, FLAG_REPLACE, encode_attributes
from flatbgp.resources.ip import IPAddress

_IFA_F_NODAD = 0x02  # we have probed ourselves
_IFA_F_NOPREFIXROUTE = 0x200  # one address makes no route
_SCOPE_UNIVERSE = 0
_MAX_LABEL = 15
_MAX_PAUSE_S = 0.1  # the kernel takes some 0.1 ms; a third of the margin that callers leave before their deadline
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})


class Addresses:
    """Puts floating IPs on interfaces and takes them off."""

    def __init__(self, netlink: Netlink, now: Callable[[], float] = boottime) -> None:
        self._netlink = netlink
        self._now = now

    def put(
        self,
        address: IPAddress,
        interface: str,
        lifetime: Callable[[float], int],
        still_valid: Callable[[float], bool],
    ) -> float | None:
        """Have the address on the interface for ``lifetime`` whole seconds from now, counted by the kernel.

        An address that is there already gets the new lifetime; one that is gone is *created* (the kernel knows no
        renewal that would not). So the lifetime is asked for right before the kernel acts (0: do nothing), and
        ``still_valid`` right after: if it says no (the program was stopped in between), the address comes off again.
        If it was stopped for less than that, the kernel counts from too late a moment, and the lifetime is set anew,
        shorter. Returns when the kernel takes the address off at the latest; ``None``: it is not there by this call.

        A /32 (/128) has a mask of its own, so it is no secondary address of the node's: neither touches the other. The
        preferred lifetime is 0 in both families ("deprecated"): IPv6 then never picks it as a source by itself. IPv4
        picks the address whose subnet contains the next hop, which a /32 never is. Its scope is global: with link
        scope the kernel would list it first, and some programs take the first address for the node's.
        """
        index = _index(interface, address)
        before = self._now()
        seconds = lifetime(before)
        if seconds <= 0:
            return None
        while seconds > 0:
            self._set(address, interface, index, seconds)
            after = self._now()
            if not still_valid(after):
                break
            if after - before < _MAX_PAUSE_S:
                return after + seconds
            seconds -= math.ceil(after - before)
            before = after
        self.remove(address)
        return None

    def _set(self, address: IPAddress, interface: str, index: int, seconds: int) -> None:
        message = _message(address, index, _marks(address, interface, seconds))
        try:
            self._netlink.request(RTM_NEWADDR, message, FLAG_CREATE | FLAG_REPLACE)
        except NetlinkError as error:
            raise HostError(_refusal("put", address, interface, error)) from error

    def remove(self, address: IPAddress) -> None:
        """Take the address off every interface; one that is not there is fine.

        Only the form that we put there is removed (/32, /128): the same address with a subnet's mask is a person's.
        """
        family = wire.AF_INET if isinstance(address, IPv4Address) else wire.AF_INET6
        for listed in self._netlink.dump(RTM_GETADDR, wire.IFADDRMSG.pack(family, 0, 0, 0, 0), "addresses"):
            index, found = decode_address(listed)
            if found.ip != address or found.interface.network.prefixlen != address.max_prefixlen:
                continue
            try:
                self._netlink.request(RTM_DELADDR, _message(address, index, []))
            except NetlinkError as error:
                if error.errno not in _GONE:
                    raise HostError(_refusal("remove", address, f"interface {index}", error)) from error


def _message(address: IPAddress, index: int, marks: list[tuple[int, bytes]]) -> bytes:
    four = isinstance(address, IPv4Address)
    header = wire.IFADDRMSG.pack(
        wire.AF_INET if four else wire.AF_INET6,
        address.max_prefixlen,
        0,
        _SCOPE_UNIVERSE,
        index,
    )
    return header + encode_attributes([(IFA_LOCAL, address.packed), (IFA_ADDRESS, address.packed), *marks])


def _marks(address: IPAddress, interface: str, lifetime: int) -> list[tuple[int, bytes]]:
    """Return lifetime, flags, and the marks by which we know the address again.

    IFA_PROTO came with Linux 5.18; older kernels ignore it. For them there is the label, which IPv6 addresses do not
    have; but what a dead speaker left behind is gone after its lifetime anyway.
    """
    marks = [
        (IFA_CACHEINFO, wire.IFA_CACHEINFO.pack(0, lifetime, 0, 0)),
        (IFA_FLAGS, wire.unsigned_octets(_IFA_F_NODAD | _IFA_F_NOPREFIXROUTE, 4)),
        (IFA_PROTO, bytes([MARK])),
    ]
    label = interface + LABEL_SUFFIX
    if isinstance(address, IPv4Address) and len(label) <= _MAX_LABEL:
        marks.append((IFA_LABEL, label.encode() + b"\0"))
    return marks


def _index(interface: str, address: IPAddress) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError as error:
        raise HostError(f"cannot put {address} on {interface}: there is no such interface") from error


def _refusal(what: str, address: IPAddress, place: str, error: NetlinkError) -> str:
    advice = {
        errno.EPERM: "; the speaker needs CAP_NET_ADMIN",
        errno.EACCES: "; IPv6 is disabled there (sysctl disable_ipv6)",
        errno.EINVAL: "; is IPv6 disabled there?",
    }.get(error.errno or 0, "")
    return f"cannot {what} {address} ({place}): {error.strerror}{advice}"
