"""The interfaces of this host, their addresses and gateways, as the kernel lists them, and as they change."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_interface
from typing import Final

from flatbgp.host.clock import boottime
from flatbgp.host.model import MARK, Address, HostError, Interface, InterfacesChanged
from flatbgp.host.netlink import Netlink, NetlinkWatch
from flatbgp.host.packets import netlink as wire
from flatbgp.host.packets.ethernet import NO_MAC, mac_text
from flatbgp.host.packets.netlink import Message, decode_fixed, encode_attributes, first_attributes
from flatbgp.host.routes import find_route
from flatbgp.resources.ip import IPAddress

RTM_NEWLINK, RTM_GETLINK = 16, 18
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_CACHEINFO, IFA_FLAGS, IFA_PROTO = 1, 2, 3, 6, 8, 11
LABEL_SUFFIX = ":fbgp"

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_EXT_MASK = 1, 3, 29
_SKIP_STATISTICS = wire.unsigned_octets(8, 4)  # RTEXT_FILTER_SKIP_STATS
_IFF_UP, _IFF_LOOPBACK, _IFF_LOWER_UP = 0x1, 0x8, 0x10000
_IFA_F_TENTATIVE = 0x40
_SCOPE_LINK, _SCOPE_OFFSET = 253, 3  # RT_SCOPE_LINK; its place in struct ifaddrmsg
_FOREVER = 0xFFFFFFFF
_DST_LEN_OFFSET = 1  # in struct rtmsg
_GROUP_LINK, _GROUP_IPV4_ADDRESS, _GROUP_IPV6_ADDRESS = 0x1, 0x10, 0x100
_GROUP_IPV4_ROUTE, _GROUP_IPV6_ROUTE = 0x40, 0x400

_FAR_AWAY: Final[dict[int, IPAddress]] = {4: IPv4Address("240.0.0.1"), 6: IPv6Address("2d00::1")}
"""Addresses that nobody has (RFC 1112 class E; not given to any registry), so that only a default route leads there."""

# Pods come and go on other interfaces of a node, many a second when it fills up: the first change is looked at at
# once, further ones together after this pause.
_PAUSE_S = 0.1


class InterfaceTable:
    """Keeps the list of interfaces up to date; ``emit`` hears of each difference.

    Link-local addresses are left out, and interfaces that have no others: no floating IP can live there, and those of
    pods are many.
    """

    def __init__(self, netlink: Netlink, emit: Callable[[InterfacesChanged], None]) -> None:
        self._netlink = netlink
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.TimerHandle | None = None
        self._listed_at = float("-inf")
        groups = _GROUP_LINK | _GROUP_IPV4_ADDRESS | _GROUP_IPV6_ADDRESS | _GROUP_IPV4_ROUTE | _GROUP_IPV6_ROUTE
        # Watch first, list then: a change in between is seen twice, not missed.
        self._watch = NetlinkWatch(groups, self._changed)
        try:
            self.interfaces, self.macs = list_interfaces(netlink)
        except BaseException:
            self._watch.close()
            raise

    def refresh(self) -> tuple[Interface, ...]:
        """List anew, report a difference, and return the interfaces."""
        before = self.interfaces
        self.interfaces, self.macs = list_interfaces(self._netlink)
        self._listed_at = self._loop.time()
        if self.interfaces != before:
            self._emit(InterfacesChanged(boottime(), self.interfaces))
        return self.interfaces

    def close(self) -> None:
        """Stop watching."""
        self._watch.close()
        if self._waiting is not None:
            self._waiting.cancel()

    def _changed(self, messages: list[Message] | None) -> None:
        news = messages is None or [message for message in messages if self._is_news(message)]
        if news:
            self._look_soon()

    def _look_soon(self) -> None:
        if self._waiting is None:
            self._waiting = self._loop.call_at(max(self._loop.time(), self._listed_at + _PAUSE_S), self._look)

    def _is_news(self, message: Message) -> bool:
        """Whether a change concerns an interface of the list, or makes one of it, or is about a default route.

        Most do not: the lifetimes that we set ourselves come back several times a second, and pods' interfaces and
        routes come and go; of those the MAC address is noted, since they are this host's too.
        """
        if message.kind in {_RTM_NEWROUTE, _RTM_DELROUTE}:
            return message.payload[_DST_LEN_OFFSET] == 0
        if message.kind in {RTM_NEWADDR, RTM_DELADDR}:
            if message.payload[_SCOPE_OFFSET] >= _SCOPE_LINK:
                return False
            index, address = decode_address(message)
            known = any(listed.index == index and address in listed.addresses for listed in self.interfaces)
            return not (known and address.ours and message.kind == RTM_NEWADDR)
        link = _decode_link(message, {})
        self.macs |= {link.mac} - {NO_MAC}
        return any(listed.index == link.index for listed in self.interfaces)

    def _look(self) -> None:
        self._waiting = None
        try:
            self.refresh()
        except HostError:
            # The kernel is short of memory or of time; what changed is still to be found out.
            self._listed_at = self._loop.time()
            self._look_soon()


def list_interfaces(netlink: Netlink) -> tuple[tuple[Interface, ...], frozenset[str]]:
    """Return the interfaces with addresses, in the order of their index, and the MAC addresses of all.

    Gateways are looked up, not listed: a node may have a route for each of thousands of other nodes.
    """
    addresses: dict[int, list[Address]] = {}
    for message in netlink.dump(RTM_GETADDR, wire.IFADDRMSG.pack(0, 0, 0, 0, 0), "addresses"):
        if message.payload[_SCOPE_OFFSET] >= _SCOPE_LINK:
            continue
        index, found = decode_address(message)
        addresses.setdefault(index, []).append(found)
    request = wire.IFINFOMSG.pack(0, 0, 0, 0, 0) + encode_attributes([(_IFLA_EXT_MASK, _SKIP_STATISTICS)])
    links = [_decode_link(message, addresses) for message in netlink.dump(RTM_GETLINK, request, "interfaces")]
    useful = [replace(link, gateways=tuple(_gateways(netlink, link))) for link in links if link.addresses]
    return tuple(sorted(useful, key=lambda link: link.index)), frozenset(link.mac for link in links) - {NO_MAC}


def _gateways(netlink: Netlink, link: Interface) -> Iterable[IPAddress]:
    """Return the gateways of an interface's own addresses, each once (policy routing may give each another one)."""
    return dict.fromkeys(_gateway_of_each(netlink, link))


def _gateway_of_each(netlink: Netlink, link: Interface) -> Iterator[IPAddress]:
    for address in link.addresses:
        network = address.interface.network
        if address.ours or address.tentative or network.prefixlen == address.ip.max_prefixlen:
            continue
        route = find_route(netlink, address.ip, _FAR_AWAY[address.ip.version])
        if route is None or route.gateway is None:
            continue
        if route.interface == link.name and route.gateway in network:
            yield route.gateway


def decode_address(message: Message) -> tuple[int, Address]:
    """Return the interface index and the address of an RTM_NEWADDR or RTM_DELADDR message."""
    (_, prefix_length, short_flags, _, index), attributes = decode_fixed(wire.IFADDRMSG, message.payload)
    # On a point-to-point link IFA_ADDRESS is the other end; IFA_LOCAL is ours wherever it is given.
    ip = wire.address(attributes, IFA_LOCAL) or wire.address(attributes, IFA_ADDRESS)
    flags = wire.unsigned(attributes, IFA_FLAGS)
    valid = _FOREVER
    if IFA_CACHEINFO in attributes:
        _, valid, _, _ = wire.IFA_CACHEINFO.unpack_from(attributes[IFA_CACHEINFO])
    return index, Address(
        interface=ip_interface(f"{ip}/{prefix_length}"),
        ours=(wire.unsigned(attributes, IFA_PROTO) == MARK or wire.text(attributes, IFA_LABEL).endswith(LABEL_SUFFIX)),
        valid=None if valid == _FOREVER else valid,
        tentative=bool((short_flags if flags is None else flags) & _IFA_F_TENTATIVE),
    )


def _decode_link(message: Message, addresses: dict[int, list[Address]]) -> Interface:
    _, _, index, flags, _ = wire.IFINFOMSG.unpack_from(message.payload)
    attributes = first_attributes(message.payload[wire.IFINFOMSG.size :], (_IFLA_IFNAME, _IFLA_ADDRESS))
    hardware = attributes.get(_IFLA_ADDRESS, b"")
    usable = not flags & _IFF_LOOPBACK
    return Interface(
        name=wire.text(attributes, _IFLA_IFNAME),
        index=index,
        mac=mac_text(hardware) if len(hardware) == 6 else NO_MAC,
        carrier=bool(flags & _IFF_UP) and bool(flags & _IFF_LOWER_UP),
        addresses=tuple(addresses.get(index, ())) if usable else (),
    )
