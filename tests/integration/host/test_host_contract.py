"""One suite for the real host and the one in memory: what a speaker may rely on, whichever it is given."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from flatbgp.host.fake import FakeHost, FakeLan, Station
from flatbgp.host.interface import Host
from flatbgp.host.linux import LinuxHost
from flatbgp.host.model import Heard, HostError, Interface, InterfacesChanged, NextHop, Route, Voice
from flatbgp.resources.ip import IPAddress
from host.hostrig import FLOATING, FLOATING6, FREE, INTERFACE, Ears, Lan, floating, hold, other_node

Scenario = Callable[["World"], Coroutine[Any, Any, None]]

NODE = ["10.0.1.1/24", "2001:db8:1::1/64"]


class World(ABC):
    """A host under test on a LAN with another one."""

    other_mac: str
    host: Host
    ears: Ears

    @abstractmethod
    def run(self, scenario: Scenario) -> None:
        """Carry a scenario out."""

    @abstractmethod
    async def other_takes(self, address: IPAddress) -> None:
        """Let the other host have an address."""

    @abstractmethod
    async def other_announces(self, address: IPAddress) -> None:
        """Let the other host announce an address."""

    @abstractmethod
    async def take_away(self, address: IPAddress) -> None:
        """Let another program take an address off our host."""

    @abstractmethod
    async def pull_cable(self) -> None:
        """Take the carrier from our host."""

    async def _carry_out(self, scenario: Scenario) -> None:
        self.ears = Ears(self.host)
        try:
            await scenario(self)
        finally:
            await self.ears.close()


class RealWorld(World):
    def __init__(self, lan: Lan) -> None:
        self.lan = lan
        self.other_mac = lan.b.mac

    def run(self, scenario: Scenario) -> None:
        async def main() -> None:
            self.host = LinuxHost()
            await self._carry_out(scenario)

        self.lan.a.run(main)

    async def other_takes(self, address: IPAddress) -> None:
        nodad = "nodad" if address.version == 6 else ""
        self.lan.b.namespace.ip(f"addr add {address}/{address.max_prefixlen} dev {INTERFACE} {nodad}")

    async def other_announces(self, address: IPAddress) -> None:
        async def announce() -> None:
            other = LinuxHost()
            other.announce(INTERFACE, address)
            await other.close()

        await asyncio.to_thread(self.lan.b.run, announce)

    async def take_away(self, address: IPAddress) -> None:
        self.lan.a.namespace.ip(f"addr del {address}/{address.max_prefixlen} dev {INTERFACE}")

    async def pull_cable(self) -> None:
        self.lan.switch.ip("link set port-a down")


class FakeWorld(World):
    other_mac = "02:00:00:00:00:02"

    def run(self, scenario: Scenario) -> None:
        async def main() -> None:
            self.lan = FakeLan()
            self.fake = FakeHost(self.lan, "02:00:00:00:00:01", NODE)
            self.other = Station(self.other_mac, {other_node(FLOATING), other_node(FLOATING6)})
            self.lan.attach(self.other)
            self.host = self.fake
            await self._carry_out(scenario)

        asyncio.run(main())

    async def other_takes(self, address: IPAddress) -> None:
        self.other.owned.add(address)

    async def other_announces(self, address: IPAddress) -> None:
        self.lan.announce(self.other, address)

    async def take_away(self, address: IPAddress) -> None:
        self.fake.take_away(address)

    async def pull_cable(self) -> None:
        self.fake.connect(False)


@pytest.fixture(params=["real", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    return RealWorld(request.getfixturevalue("lan")) if request.param == "real" else FakeWorld()


BOTH = pytest.mark.parametrize("address", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])


def has(address: IPAddress, interfaces: tuple[Interface, ...]) -> bool:
    return any(own.ip == address and own.ours for interface in interfaces for own in interface.addresses)


@BOTH
def test_an_address_comes_and_goes_and_both_are_news(world: World, address: IPAddress) -> None:
    async def scenario(world: World) -> None:
        before = world.host.now()
        until = await world.host.put(address, INTERFACE, lambda _: 30, lambda _: True)
        assert until is not None
        assert before + 30 <= until <= world.host.now() + 30
        await world.ears.expect(InterfacesChanged, lambda event: has(address, event.interfaces))
        (interface,) = await world.host.interfaces()
        assert (interface.name, interface.carrier) == (INTERFACE, True)
        found = next(own for own in interface.addresses if own.ip == address)
        assert found.interface.network.prefixlen == address.max_prefixlen
        assert found.valid in {29, 30}
        assert not interface.addresses[0].ours
        world.ears.heard.clear()
        assert await world.host.release(address) == (0, 0)
        await world.ears.expect(InterfacesChanged, lambda event: not has(address, event.interfaces))
        assert await floating(world.host) == set()

    world.run(scenario)


@BOTH
def test_an_address_that_is_not_renewed_ends_and_one_that_is_lives_on(world: World, address: IPAddress) -> None:
    async def scenario(world: World) -> None:
        began = world.host.now()
        await hold(world.host, address, 1)
        await hold(world.host, address, 2)
        await world.ears.expect(InterfacesChanged, lambda event: has(address, event.interfaces))
        world.ears.heard.clear()
        ended = await world.ears.expect(InterfacesChanged, lambda event: not has(address, event.interfaces))
        assert began + 2.0 <= ended.at <= began + 3.2

    world.run(scenario)


def test_what_may_not_be_there_is_not(world: World) -> None:
    async def scenario(world: World) -> None:
        asked: list[float] = []
        assert await world.host.put(FLOATING, INTERFACE, lambda _: 0, lambda _: True) is None
        assert await world.host.put(FLOATING, INTERFACE, lambda _: 9, lambda now: bool(asked.append(now))) is None
        assert len(asked) == 1
        assert abs(asked[0] - world.host.now()) < 1.0
        assert await floating(world.host) == set()

    world.run(scenario)


@BOTH
def test_a_probe_is_answered_by_whoever_has_the_address(world: World, address: IPAddress) -> None:
    async def scenario(world: World) -> None:
        await world.other_takes(address)
        world.host.watch_addresses(INTERFACE, {address, FREE})
        before = world.host.now()
        assert world.host.probe(INTERFACE, FREE)
        assert world.host.probe(INTERFACE, address)
        heard = await world.ears.expect(Heard)
        assert (heard.address, heard.mac, heard.interface) == (address, world.other_mac, INTERFACE)
        assert heard.voice in {Voice.ANSWER, Voice.ANNOUNCEMENT}
        assert before <= heard.at <= world.host.now()

    world.run(scenario)


@BOTH
def test_a_question_is_answered_and_what_is_not_watched_is_not_heard(world: World, address: IPAddress) -> None:
    target = other_node(address)

    async def scenario(world: World) -> None:
        assert world.host.ask(INTERFACE, target)
        world.host.watch_addresses(INTERFACE, {target})
        assert world.host.ask(INTERFACE, target)
        heard = await world.ears.expect(Heard)
        assert (heard.address, heard.mac, heard.voice) == (target, world.other_mac, Voice.ANSWER)
        world.host.watch_addresses(INTERFACE, ())
        assert not world.host.ask(INTERFACE, FREE + 65536)  # in no subnet of ours

    world.run(scenario)


@BOTH
def test_an_announcement_is_heard(world: World, address: IPAddress) -> None:
    async def scenario(world: World) -> None:
        world.host.watch_addresses(INTERFACE, {address})
        await world.other_announces(address)
        heard = await world.ears.expect(Heard)
        assert (heard.address, heard.mac, heard.voice) == (address, world.other_mac, Voice.ANNOUNCEMENT)

    world.run(scenario)


def test_an_address_that_is_taken_away_is_news(world: World) -> None:
    async def scenario(world: World) -> None:
        await hold(world.host, FLOATING)
        await world.ears.expect(InterfacesChanged, lambda event: has(FLOATING, event.interfaces))
        world.ears.heard.clear()
        await world.take_away(FLOATING)
        await world.ears.expect(InterfacesChanged, lambda event: not has(FLOATING, event.interfaces))

    world.run(scenario)


def test_a_pulled_cable_is_news_and_nothing_is_heard_any_more(world: World) -> None:
    async def scenario(world: World) -> None:
        world.host.watch_addresses(INTERFACE, {other_node(FLOATING)})
        await world.pull_cable()
        await world.ears.expect(InterfacesChanged, lambda event: not event.interfaces[0].carrier)
        world.host.ask(INTERFACE, other_node(FLOATING))
        assert not world.ears.of(Heard)

    world.run(scenario)


def test_an_interface_that_is_not_there_is_an_error(world: World) -> None:
    async def scenario(world: World) -> None:
        for call in (world.host.probe, world.host.announce):
            with pytest.raises(HostError, match="eth7"):
                call("eth7", FLOATING)
        with pytest.raises(HostError, match="eth7"):
            world.host.watch_addresses("eth7", {FLOATING})
        with pytest.raises(HostError, match="eth7"):
            await world.host.put(FLOATING, "eth7", lambda _: 5, lambda _: True)
        assert not world.host.ask("eth7", FLOATING)

    world.run(scenario)


@BOTH
def test_there_is_a_way_only_from_an_address_that_is_there(world: World, address: IPAddress) -> None:
    async def scenario(world: World) -> None:
        if address.version == 4:  # IPv6 asks no host whether a source is its own
            assert await world.host.route(address, other_node(address)) is None
        await hold(world.host, address)
        assert await world.host.route(address, other_node(address)) == Route(INTERFACE, None, NextHop.UNKNOWN)

    world.run(scenario)
