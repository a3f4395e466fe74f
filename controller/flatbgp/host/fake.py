"""A LAN and its hosts in memory, for tests: the behaviour of :class:`~flatbgp.host.linux.LinuxHost` without a kernel.

Time is the event loop's, so that a loop with a clock of its own (looptime) runs minutes in an instant. The suite that
the real host has to pass runs against this one too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_interface

from flatbgp.host.eventqueue import EventQueue
from flatbgp.host.model import (
    Address,
    Heard,
    HostError,
    HostEvent,
    Interface,
    InterfacesChanged,
    NextHop,
    Released,
    Route,
    Voice,
    source_for,
)
from flatbgp.resources.ip import IPAddress, IPInterface
from flatbgp.resources.secrets import Password

LATENESS = 0.1
"""Seconds by which the kernel ends lifetimes late (measured: 0.01 to 0.4 s)."""

INTERFACE = "eth0"


@dataclass(eq=False)
class Station:
    """Something with a MAC address and addresses, that answers when it is asked for one of them.

    Used as it is, it is a router or a foreign host. ``connected`` is its cable; stations hear each other when their
    ``segment`` is the same.
    """

    mac: str
    owned: set[IPAddress] = field(default_factory=set)
    connected: bool = True
    segment: int = 0

    def has(self, address: IPAddress) -> bool:
        """Whether it would answer for the address."""
        return address in self.owned

    def hears(self, address: IPAddress, mac: str, voice: Voice) -> None:
        """Take note of what another one said."""


@dataclass(eq=False)
class FakeLan:
    """Carries what stations say. ``lose`` decides for each delivery whether it is lost; ``delay`` is in seconds."""

    delay: float = 0.001
    lose: Callable[[], bool] = lambda: False
    stations: list[Station] = field(default_factory=list)

    def attach(self, station: Station) -> None:
        """Plug a station in."""
        self.stations.append(station)

    def ask(self, asker: Station, source: IPAddress | None, target: IPAddress) -> None:
        """Deliver a question to all: those who have the target answer the asker."""
        about, voice = (target, Voice.PROBE) if source is None else (source, Voice.USE)

        def arrive(station: Station) -> None:
            station.hears(about, asker.mac, voice)
            self._answer(station, asker, target)

        for station in self._reached(asker):
            self._later(asker, station, arrive)

    def announce(self, speaker: Station, address: IPAddress) -> None:
        """Deliver an announcement to all."""
        for station in self._reached(speaker):
            self._later(speaker, station, lambda to: to.hears(address, speaker.mac, Voice.ANNOUNCEMENT))

    def _answer(self, owner: Station, asker: Station, target: IPAddress) -> None:
        if owner.has(target):
            self._later(owner, asker, lambda to: to.hears(target, owner.mac, Voice.ANSWER))

    def _reached(self, speaker: Station) -> list[Station]:
        return [station for station in self.stations if station is not speaker]

    def _later(self, speaker: Station, listener: Station, act: Callable[[Station], None]) -> None:
        def arrive() -> None:
            if speaker.connected and listener.connected and speaker.segment == listener.segment:
                act(listener)

        if not self.lose():
            asyncio.get_running_loop().call_later(self.delay, arrive)


class FakeHost(Station):
    """A node with one interface.

    ``unroutable`` holds peers without a route, ``refuse`` an error for the next :meth:`put`; ``released`` records the
    addresses whose sessions were ended, ``knocks`` the arguments of each :meth:`knock`. Other events of a session come
    by :meth:`emit`. The kernel takes addresses off :data:`LATENESS` after their lifetime.
    """

    def __init__(self, lan: FakeLan, mac: str, addresses: Iterable[str]) -> None:
        super().__init__(mac)
        self.lan = lan
        self.own: tuple[IPInterface, ...] = tuple(ip_interface(address) for address in addresses)
        self.unroutable: set[IPAddress] = set()
        self.refuse: HostError | None = None
        self.released: list[IPAddress] = []
        self.knocks: list[tuple[IPAddress, IPAddress, int, Password | None]] = []
        self.sessions: dict[str, frozenset[tuple[IPAddress, IPAddress]]] = {}
        self.expiries: dict[IPAddress, float] = {}
        self._timers: dict[IPAddress, asyncio.TimerHandle] = {}
        self._watched: frozenset[IPAddress] = frozenset()
        self._events = EventQueue()
        lan.attach(self)

    def has(self, address: IPAddress) -> bool:
        """Own and floating addresses alike."""
        return address in self.expiries or any(own.ip == address for own in self.own)

    def hears(self, address: IPAddress, mac: str, voice: Voice) -> None:
        """Report what concerns a watched address."""
        if address in self._watched:
            self.emit(Heard(self.now(), INTERFACE, address, mac, voice))

    def emit(self, event: HostEvent) -> None:
        """Let something happen."""
        self._events.put(event)

    def connect(self, connected: bool) -> None:
        """Plug or pull the cable."""
        self.connected = connected
        self._changed()

    def take_away(self, address: IPAddress) -> None:
        """Remove a floating IP as another program of the host would."""
        self._off(address)
        self._changed()

    def now(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    async def interfaces(self) -> tuple[Interface, ...]:
        """Return the one interface, if it has addresses."""
        return self._interfaces()

    async def put(
        self,
        address: IPAddress,
        interface: str,
        lifetime: Callable[[float], int],
        still_valid: Callable[[float], bool],
        *,
        fresh: bool = False,
    ) -> float | None:
        """Put or renew the address."""
        self._known(interface)
        if self.refuse is not None:
            refused, self.refuse = self.refuse, None
            raise refused
        if fresh:
            self.released.append(address)
        seconds = lifetime(self.now())
        if seconds <= 0:
            return None
        loop = asyncio.get_running_loop()
        new = address not in self.expiries
        if address in self._timers:
            self._timers.pop(address).cancel()
        until = self.expiries[address] = loop.time() + seconds
        self._timers[address] = loop.call_later(seconds + LATENESS, self.take_away, address)
        if not still_valid(self.now()):
            self._off(address)
            return None
        if new:
            self._changed()
        return until

    async def release(self, address: IPAddress) -> Released:
        """Take the address off and note that its sessions ended."""
        there = address in self.expiries
        self._off(address)
        self.released.append(address)
        if there:
            self._changed()
        return Released(0, 0)

    def watch_addresses(self, interface: str, addresses: Collection[IPAddress]) -> None:
        """Listen for these addresses."""
        self._known(interface)
        self._watched = frozenset(addresses)

    def ask(self, interface: str, target: IPAddress) -> bool:
        """Ask as this node."""
        source = source_for(self._interfaces(), interface, target)
        if source is None or not self.connected:
            return False
        self.lan.ask(self, source, target)
        return True

    def probe(self, interface: str, address: IPAddress) -> bool:
        """Ask as nobody."""
        self._known(interface)
        if self.connected:
            self.lan.ask(self, None, address)
        return self.connected

    def announce(self, interface: str, address: IPAddress) -> bool:
        """State to have the address."""
        self._known(interface)
        if self.connected:
            self.lan.announce(self, address)
        return self.connected

    async def knock(self, local: IPAddress, peer: IPAddress, *, ttl: int, password: Password | None) -> bool:
        """Note it; whoever has the peer's address answers."""
        self.knocks.append((local, peer, ttl, password))
        return self.connected and any(each.has(peer) for each in self.lan.stations if each is not self)

    def watch_sessions(self, sessions: Mapping[str, Collection[tuple[IPAddress, IPAddress]]]) -> None:
        """Remember what was asked for."""
        self.sessions = {interface: frozenset(pairs) for interface, pairs in sessions.items()}

    async def route(self, local: IPAddress, peer: IPAddress) -> Route | None:
        """Everything is on the link, unless it was made unroutable; without the address there is no way."""
        if peer in self.unroutable or not self.has(local):
            return None
        return Route(INTERFACE, None, NextHop.UNKNOWN)

    def events(self) -> AsyncIterator[HostEvent]:
        """Yield events until closed."""
        return self._events.read()

    async def close(self) -> None:
        """End the reader; addresses live on until their time is over."""
        self._watched = frozenset()
        self._events.close()

    def power_off(self) -> None:
        """Be gone at once, with all addresses."""
        self.connected = False
        for address in tuple(self.expiries):
            self._off(address)

    def _interfaces(self) -> tuple[Interface, ...]:
        rest = {address: max(0, int(end - self.now())) for address, end in self.expiries.items()}
        floating = [
            Address(ip_interface(f"{address}/{address.max_prefixlen}"), ours=True, valid=seconds)
            for address, seconds in rest.items()
        ]
        addresses = (*(Address(own) for own in self.own), *floating)
        interface = Interface(INTERFACE, 2, self.mac, self.connected, addresses)
        return (interface,) if addresses else ()

    def _changed(self) -> None:
        self.emit(InterfacesChanged(self.now(), self._interfaces()))

    def _off(self, address: IPAddress) -> None:
        self.expiries.pop(address, None)
        if address in self._timers:
            self._timers.pop(address).cancel()

    def _known(self, interface: str) -> None:
        if interface != INTERFACE:
            raise HostError(f"there is no interface {interface}")
