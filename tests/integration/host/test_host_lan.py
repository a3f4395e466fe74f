"""ARP and Neighbor Discovery between real kernels."""

import asyncio
import time
from ipaddress import ip_interface

import pytest

from flatbgp.host.model import Heard, InterfacesChanged, Voice
from flatbgp.host.packets import arp
from flatbgp.lab.namespaces import plug
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from host.hostrig import FLOATING, FLOATING6, FREE, FREE6, INTERFACE, Lan, eth0, hold, open_host, other_node

BOTH = pytest.mark.parametrize("address", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])


@BOTH
def test_s29_an_announcement_rewrites_the_routers_neighbour_entry_within_a_second(lan: Lan, address: IPAddress) -> None:
    former = "02:00:00:00:00:99"
    lan.router.namespace.ip(f"neigh replace {address} lladdr {former} dev {INTERFACE} nud reachable")

    async def take_over() -> None:
        async with open_host() as (host, _):
            await hold(host, address)
            assert lan.router.neighbor_mac(address) == former
            assert host.announce(INTERFACE, address)

    lan.a.run(take_over)
    wait_until("the new MAC address", lambda: lan.router.neighbor_mac(address), lan.a.mac.__eq__, deadline=1.0)


@pytest.mark.parametrize(("address", "free"), [(FLOATING, FREE), (FLOATING6, FREE6)], ids=["IPv4", "IPv6"])
def test_s33_a_probe_finds_the_owner_of_a_used_address_and_nobody_for_a_free_one(
    lan: Lan, address: IPAddress, free: IPAddress
) -> None:
    async def own() -> None:
        async with open_host() as (host, _):
            await hold(host, address)

    async def look() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {address, free, other_node(address)})
            asked = host.now()
            assert host.probe(INTERFACE, free)
            assert host.probe(INTERFACE, address)
            answer = await ears.expect(Heard, lambda event: event.address == address)
            assert (answer.mac, answer.interface) == (lan.a.mac, INTERFACE)
            # The answer to an IPv6 probe goes to all nodes, as an announcement does.
            assert answer.voice is (Voice.ANSWER if address.version == 4 else Voice.ANNOUNCEMENT)
            assert asked <= answer.at <= host.now()
            # Whoever has the free address has had as long to say so.
            assert not [event for event in ears.of(Heard) if event.address == free]

    lan.a.run(own)
    lan.router.run(look)


@BOTH
def test_a_question_to_the_router_is_answered_and_own_probes_are_not_heard(lan: Lan, address: IPAddress) -> None:
    router = lan.router.four if address.version == 4 else lan.router.six

    async def ask() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {router, address})
            assert host.probe(INTERFACE, address)
            assert host.announce(INTERFACE, address)
            assert host.ask(INTERFACE, router)
            answer = await ears.expect(Heard, lambda event: event.address == router)
            assert (answer.mac, answer.voice) == (lan.router.mac, Voice.ANSWER)
            assert not [event for event in ears.of(Heard) if event.mac == lan.a.mac]

    lan.a.run(ask)


@BOTH
def test_what_another_node_says_of_an_address_is_told_apart(lan: Lan, address: IPAddress) -> None:
    ready: list[bool] = []

    async def listen() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {address})
            ready.append(True)
            probe = await ears.expect(Heard, lambda event: event.voice is Voice.PROBE)
            said = await ears.expect(Heard, lambda event: event.voice is Voice.ANNOUNCEMENT)
            assert {probe.address, said.address} == {address}
            assert {probe.mac, said.mac} == {lan.b.mac}
            assert probe.at <= said.at

    async def speak() -> None:
        async with open_host() as (host, _):
            assert host.probe(INTERFACE, address)
            assert host.announce(INTERFACE, address)

    listening = lan.a.start(listen)
    wait_until("the listener", lambda: bool(ready))
    lan.b.run(speak)
    listening.result(10)


def test_a_packet_counts_from_its_arrival_not_from_when_it_is_read(lan: Lan) -> None:
    stalled = 0.4

    async def ask_and_stall() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {lan.router.four})
            host.ask(INTERFACE, lan.router.four)  # fills the neighbour table, so that the next answer comes at once
            await ears.expect(Heard)
            end = host.now() + 5.0  # the kernel begins to stamp packets beside, some time after it was asked to
            while True:
                ears.heard.clear()
                asked = host.now()
                host.ask(INTERFACE, lan.router.four)
                # The stall itself: the loop does not run while the answer waits in the socket.
                time.sleep(stalled)  # noqa: ASYNC251 - as said
                answer = await ears.expect(Heard)
                if answer.at < asked + stalled / 2 or host.now() > end:
                    break
            assert asked <= answer.at < asked + stalled / 2
            assert host.now() >= asked + stalled

    lan.a.run(ask_and_stall)


def test_listening_goes_on_after_the_interface_was_down_and_its_mac_changed(lan: Lan) -> None:
    new = "02:00:00:00:0a:0a"

    async def live_through() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {lan.router.four, lan.router.six})
            lan.a.namespace.set_link(INTERFACE, up=False)
            await ears.expect(InterfacesChanged, lambda event: not eth0(event.interfaces).carrier)
            assert not host.probe(INTERFACE, FREE)
            assert not host.announce(INTERFACE, FLOATING6)
            lan.a.namespace.ip(f"link set {INTERFACE} address {new}")
            lan.a.namespace.set_link(INTERFACE, up=True)
            await ears.expect(
                InterfacesChanged, lambda event: eth0(event.interfaces).carrier and eth0(event.interfaces).mac == new
            )
            ears.heard.clear()
            assert host.ask(INTERFACE, lan.router.four)
            assert (await ears.expect(Heard)).mac == lan.router.mac
            assert host.announce(INTERFACE, FLOATING)

    lan.router.namespace.ip(f"neigh replace {FLOATING} lladdr 02:00:00:00:00:99 dev {INTERFACE} nud stale")
    lan.a.run(live_through)
    wait_until("the new MAC address", lambda: lan.router.neighbor_mac(FLOATING), new.__eq__, deadline=1.0)


def test_an_interface_that_was_replaced_by_one_of_the_same_name_is_listened_to(lan: Lan) -> None:
    async def live_through() -> None:
        async with open_host() as (host, ears):
            host.watch_addresses(INTERFACE, {lan.router.four})
            before = eth0(await host.interfaces()).index
            lan.a.namespace.ip(f"link del {INTERFACE}")
            for say in (host.probe, host.announce):
                assert not say(INTERFACE, FLOATING)
                assert not say(INTERFACE, FLOATING6)
            plug(lan.switch, "port-a2", lan.a.namespace, INTERFACE)
            lan.a.namespace.add_addresses(INTERFACE, [ip_interface("10.0.1.1/24")])
            await ears.expect(
                InterfacesChanged,
                lambda event: any(found.index != before and found.addresses for found in event.interfaces),
            )

            def answered() -> bool:
                return bool(ears.of(Heard))

            end = asyncio.get_running_loop().time() + 5.0
            while not answered() and asyncio.get_running_loop().time() < end:
                host.ask(INTERFACE, lan.router.four)
                await asyncio.sleep(0.02)  # between two questions, within the deadline
            assert answered()

    lan.a.run(live_through)


def test_another_card_of_the_same_host_in_the_same_lan_is_nobody_else(lan: Lan) -> None:
    plug(lan.switch, "port-a2", lan.a.namespace, "eth1")
    second = lan.a.json("link", "show", "eth1")[0]["address"]

    async def probe_own() -> None:
        async with open_host() as (host, ears):
            await hold(host, FLOATING)
            host.watch_addresses(INTERFACE, {FLOATING, lan.router.four})
            # The second card answers for the first, as Linux does unless told otherwise (arp_ignore).
            answer = arp.to_frame(arp.reply(second, FLOATING, lan.a.mac, arp.UNSPECIFIED), lan.a.mac)
            with lan.a.capture() as caught:
                assert host.probe(INTERFACE, FLOATING)
                await asyncio.to_thread(wait_until, "its answer", lambda: answer in caught.incoming())
            assert host.ask(INTERFACE, lan.router.four)
            await ears.expect(Heard, lambda event: event.address == lan.router.four)
            assert not [event for event in ears.of(Heard) if event.address == FLOATING]

    lan.a.run(probe_own)
