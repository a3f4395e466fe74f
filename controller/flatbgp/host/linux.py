"""The Linux machine that this program runs on."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import suppress
from functools import partial

from flatbgp.host.addresses import Addresses
from flatbgp.host.bgpwire import BgpWire
from flatbgp.host.clock import boottime
from flatbgp.host.eventqueue import EventQueue
from flatbgp.host.interfaces import InterfaceTable
from flatbgp.host.knock import knock
from flatbgp.host.lan import Lan
from flatbgp.host.model import HostError, HostEvent, Interface, InterfacesChanged, Released, Route, source_for
from flatbgp.host.netlink import ROUTE, SOCK_DIAG, Netlink
from flatbgp.host.routes import drop_waiting, find_route
from flatbgp.host.rules import Rules
from flatbgp.host.sockets import Silencer, Sockets
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.secrets import Password


class LinuxHost:
    """Implements :class:`~flatbgp.host.interface.Host` in the network name space of the calling thread.

    Make it inside the event loop. It begins by finishing what an earlier process of the same mark left half done.
    """

    def __init__(self) -> None:
        self._events = EventQueue()
        self._netlink = Netlink(ROUTE)
        self._addresses = Addresses(self._netlink)
        self._silencer = Silencer(
            Sockets(Netlink(SOCK_DIAG)), Rules(self._netlink), partial(drop_waiting, self._netlink)
        )
        self._silencer.finish(self._addresses.remove)
        self._lans: dict[str, Lan] = {}
        self._wires: dict[str, BgpWire] = {}
        self._table = InterfaceTable(self._netlink, self._interfaces_changed)

    def now(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return boottime()

    async def interfaces(self) -> tuple[Interface, ...]:
        """List them anew."""
        return self._table.refresh()

    async def put(
        self,
        address: IPAddress,
        interface: str,
        lifetime: Callable[[float], int],
        still_valid: Callable[[float], bool],
        *,
        fresh: bool = False,
    ) -> float | None:
        """Put or renew the address; see :meth:`Addresses.put <flatbgp.host.addresses.Addresses.put>`."""
        if fresh:
            self._silencer.silence(address)
        self._silencer.admit(address)
        return self._addresses.put(address, interface, lifetime, still_valid)

    async def release(self, address: IPAddress) -> Released:
        """Take the address off and end its sessions; see :class:`~flatbgp.host.sockets.Silencer`."""
        return self._silencer.release(address, partial(self._addresses.remove, address))

    def watch_addresses(self, interface: str, addresses: Collection[IPAddress]) -> None:
        """Listen on a LAN for these addresses; the sockets are opened with the first and closed with the last."""
        if addresses:
            self._lan(interface).watch(addresses)
        elif interface in self._lans:
            self._lans.pop(interface).close()

    def ask(self, interface: str, target: IPAddress) -> bool:
        """Ask from this node's own address in the subnet of ``target``."""
        source = source_for(self._table.interfaces, interface, target)
        return source is not None and self._lan(interface).ask(source, target)

    def probe(self, interface: str, address: IPAddress) -> bool:
        """Ask without an address of our own."""
        return self._lan(interface).probe(address)

    def announce(self, interface: str, address: IPAddress) -> bool:
        """Send a gratuitous ARP in both forms, or an unsolicited neighbor advertisement."""
        return self._lan(interface).announce(address)

    async def knock(self, local: IPAddress, peer: IPAddress, *, ttl: int, password: Password | None) -> bool:
        """Knock at a router; see :func:`flatbgp.host.knock.knock`."""
        return await knock(local, peer, ttl=ttl, password=password)

    def watch_sessions(self, sessions: Mapping[str, Collection[tuple[IPAddress, IPAddress]]]) -> None:
        """Listen to port 179 on these interfaces, for these pairs."""
        for interface in self._wires.keys() - {name for name, pairs in sessions.items() if pairs}:
            self._wires.pop(interface).close()
        for interface, pairs in sessions.items():
            if pairs:
                if interface not in self._wires:
                    self._wires[interface] = BgpWire(interface, self._events.put)
                self._wires[interface].watch(frozenset(pairs))

    async def route(self, local: IPAddress, peer: IPAddress) -> Route | None:
        """Ask the kernel's routing."""
        return find_route(self._netlink, local, peer)

    def events(self) -> AsyncIterator[HostEvent]:
        """Yield events until closed."""
        return self._events.read()

    async def close(self) -> None:
        """Close all sockets."""
        self._table.close()
        for lan in self._lans.values():
            lan.close()
        for wire in self._wires.values():
            wire.close()
        self._lans.clear()
        self._wires.clear()
        self._events.close()

    def _interfaces_changed(self, event: InterfacesChanged) -> None:
        """Pass the news on, after opening sockets anew whose interface was replaced by one of the same name."""
        for interface in event.interfaces:
            lan, wire = self._lans.get(interface.name), self._wires.get(interface.name)
            # If it is gone again, the old sockets stay and hear nothing; the next change finds them here.
            with suppress(HostError):
                if lan is not None and lan.index != interface.index:
                    self._lans[interface.name] = lan.reopened()
                if wire is not None and wire.index != interface.index:
                    self._wires[interface.name] = wire.reopened()
        self._events.put(event)

    def _lan(self, interface: str) -> Lan:
        if interface not in self._lans:
            self._lans[interface] = Lan(interface, self._events.put, lambda: self._table.macs)
        return self._lans[interface]
