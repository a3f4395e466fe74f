"""The faults that the LAN in memory can play: loss, a split, a dead machine. (What it shares with the real one has a
suite of its own.)"""

from ipaddress import ip_address

import pytest

from flatbgp.host.fake import INTERFACE, FakeHost, FakeLan, Station
from flatbgp.host.model import Heard, HostError, InterfacesChanged

FLOATING = ip_address("10.0.1.100")
ROUTER = ip_address("10.0.1.254")
pytestmark = pytest.mark.looptime


@pytest.fixture
async def lan() -> FakeLan:
    return FakeLan()


@pytest.fixture
async def host(lan: FakeLan) -> FakeHost:
    lan.attach(Station("02:00:00:00:00:fe", {ROUTER}))
    node = FakeHost(lan, "02:00:00:00:00:01", ["10.0.1.1/24"])
    node.watch_addresses(INTERFACE, {ROUTER, FLOATING})
    return node


async def heard(host: FakeHost) -> list[Heard]:
    await host.close()
    return [event async for event in host.events() if isinstance(event, Heard)]


async def wait(host: FakeHost, seconds: float) -> None:
    async for event in host.events():
        if isinstance(event, InterfacesChanged) and event.at >= seconds:
            return


async def test_what_is_lost_is_not_heard(lan: FakeLan, host: FakeHost) -> None:
    lan.lose = lambda: True
    assert host.ask(INTERFACE, ROUTER)
    assert await heard(host) == []


async def test_a_split_lan_carries_nothing_between_its_parts(lan: FakeLan, host: FakeHost) -> None:
    other = FakeHost(lan, "02:00:00:00:00:02", ["10.0.1.2/24"])
    other.watch_addresses(INTERFACE, {FLOATING})
    other.segment = 1
    await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True)
    host.announce(INTERFACE, FLOATING)
    host.ask(INTERFACE, ROUTER)
    await host.put(FLOATING, INTERFACE, lambda _: 1, lambda _: True)
    await wait(host, 1.0)
    assert await heard(other) == []


async def test_a_machine_without_power_answers_nobody_and_has_nothing(host: FakeHost) -> None:
    await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True)
    host.power_off()
    assert not host.has(FLOATING)
    assert not host.ask(INTERFACE, ROUTER)
    assert not host.announce(INTERFACE, FLOATING)


async def test_an_address_outlives_its_lifetime_by_the_kernels_lateness_only(host: FakeHost) -> None:
    await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True)
    began = host.now()
    await wait(host, began + 0.01)
    assert host.now() - began == pytest.approx(5.1)
    assert not host.has(FLOATING)


async def test_a_kernel_that_refuses_does_so_once(host: FakeHost) -> None:
    host.refuse = HostError("no")
    with pytest.raises(HostError, match="no"):
        await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True)
    assert await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True) is not None


async def test_released_addresses_are_on_record_and_peers_can_be_out_of_reach(host: FakeHost) -> None:
    await host.put(FLOATING, INTERFACE, lambda _: 5, lambda _: True)
    assert await host.route(FLOATING, ROUTER) is not None
    host.unroutable.add(ROUTER)
    assert await host.route(FLOATING, ROUTER) is None
    await host.release(FLOATING)
    assert host.released == [FLOATING]
