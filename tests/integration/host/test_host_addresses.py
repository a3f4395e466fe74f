"""Floating IPs on a real interface: on borrowed time, beside the node's own addresses, and seen when they go."""

import asyncio
from typing import Any

import pytest

from flatbgp.host.addresses import Addresses
from flatbgp.host.model import HostError, InterfacesChanged
from flatbgp.host.netlink import ROUTE, Netlink, NetlinkWatch
from flatbgp.host.packets.netlink import Message
from flatbgp.resources.ip import IPAddress
from host.hostrig import FLOATING, FLOATING6, INTERFACE, Lan, eth0, floating, hold, open_host

BOTH = pytest.mark.parametrize("address", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])
LATEST = 1.0
"""Seconds after the end of its lifetime at which an address is gone at last; 0.01 to 0.4 s were measured."""


def gone(address: IPAddress, event: InterfacesChanged) -> bool:
    return address not in {own.ip for own in eth0(event.interfaces).addresses}


@BOTH
def test_the_kernel_takes_an_address_off_when_nobody_renews_it_never_early_and_hardly_late(
    lan: Lan, address: IPAddress
) -> None:
    async def let_it_end() -> None:
        async with open_host() as (host, ears):
            put_at = host.now()
            until = await host.put(address, INTERFACE, lambda _: 2, lambda _: True)
            assert until is not None
            assert put_at + 2.0 <= until <= host.now() + 2.0
            await ears.expect(InterfacesChanged, lambda event: not gone(address, event))
            ears.heard.clear()
            ended = await ears.expect(InterfacesChanged, lambda event: gone(address, event))
            assert put_at + 2.0 <= ended.at <= until + LATEST

    lan.a.run(let_it_end)


@BOTH
def test_a_renewal_lengthens_the_life_of_an_address_and_is_no_news(lan: Lan, address: IPAddress) -> None:
    async def renew() -> None:
        async with open_host() as (host, ears):
            await hold(host, address, 1)
            await ears.expect(InterfacesChanged, lambda event: not gone(address, event))
            ears.heard.clear()
            for _ in range(20):
                await hold(host, address, 50)
            valid = next(own.valid for own in eth0(await host.interfaces()).addresses if own.ip == address)
            assert valid in {49, 50}
            await hold(host, FLOATING if address != FLOATING else FLOATING6)
            await ears.expect(InterfacesChanged)
            assert all(not gone(address, event) for event in ears.of(InterfacesChanged))

    lan.a.run(renew)


@BOTH
def test_an_address_whose_time_is_over_before_the_call_is_not_put(lan: Lan, address: IPAddress) -> None:
    async def too_late() -> None:
        async with open_host() as (host, _):
            assert await host.put(address, INTERFACE, lambda _: 0, lambda _: True) is None
            assert await floating(host) == set()

    lan.a.run(too_late)


@BOTH
def test_an_address_whose_time_is_over_after_the_call_comes_off_again(lan: Lan, address: IPAddress) -> None:
    seen: list[set[IPAddress]] = []

    async def stopped_in_between() -> None:
        async with open_host() as (host, _):
            assert await host.put(address, INTERFACE, lambda _: 5, lambda _: False) is None
            seen.append(await floating(host))

    lan.a.run(stopped_in_between)
    assert seen == [set()]


def test_a_stop_in_the_middle_of_the_call_is_taken_off_the_lifetime(lan: Lan) -> None:
    moments = iter([100.0, 102.5, 102.5001])

    async def stopped_for_a_while() -> None:
        netlink = Netlink(ROUTE)
        until = Addresses(netlink, lambda: next(moments)).put(FLOATING, INTERFACE, lambda _: 20, lambda _: True)
        assert until == pytest.approx(102.5001 + 17)
        async with open_host() as (host, _):
            valid = next(own.valid for own in eth0(await host.interfaces()).addresses if own.ip == FLOATING)
            assert valid in {16, 17}

    lan.a.run(stopped_for_a_while)


def test_a_stop_longer_than_the_lifetime_takes_the_address_off(lan: Lan) -> None:
    moments = iter([100.0, 105.0])

    async def stopped_for_long() -> None:
        put = Addresses(Netlink(ROUTE), lambda: next(moments)).put(FLOATING, INTERFACE, lambda _: 4, lambda _: True)
        assert put is None
        async with open_host() as (host, _):
            assert await floating(host) == set()

    lan.a.run(stopped_for_long)


def picture(lan: Lan) -> tuple[Any, ...]:
    """Return what must not change: own addresses and routes, and the source that the kernel picks."""
    a = lan.a
    shown = a.json("addr", "show", "dev", INTERFACE)[0]["addr_info"]
    addresses = [own for own in shown if own["local"] not in {str(FLOATING), str(FLOATING6)}]
    sources = [
        a.json("route", "get", target)[0].get("prefsrc")
        for target in ("10.0.1.254", "192.0.2.1", "2001:db8:1::254", "2001:db8:ffff::1")
    ]
    return addresses, a.json("route", "show"), a.json("-6", "route", "show"), sources


def test_s27_the_nodes_own_addresses_and_routes_stay_as_they_are(lan: Lan) -> None:
    lan.a.namespace.ip(
        f"route add default via {lan.router.four} dev {INTERFACE}",
        f"route add 2000::/3 via {lan.router.six} dev {INTERFACE}",
    )
    pictures = [picture(lan)]
    assert pictures[0][3] == ["10.0.1.1", "10.0.1.1", "2001:db8:1::1", "2001:db8:1::1"]

    async def come_and_go() -> None:
        async with open_host() as (host, _):
            for address in (FLOATING, FLOATING6):
                await hold(host, address)
            pictures.append(picture(lan))
            for address in (FLOATING, FLOATING6):
                await host.release(address)
            pictures.append(picture(lan))

    lan.a.run(come_and_go)
    assert pictures[1] == pictures[0]
    assert pictures[2] == pictures[0]


def test_s28_our_addresses_are_known_again_by_another_process_and_no_others_are_taken_for_ours(lan: Lan) -> None:
    lan.a.namespace.ip(f"addr add 10.0.1.55/32 dev {INTERFACE} valid_lft 100 preferred_lft 0")

    async def put() -> None:
        async with open_host() as (host, _):
            for address in (FLOATING, FLOATING6):
                await hold(host, address)

    async def find() -> None:
        async with open_host() as (host, _):
            assert await floating(host) == {FLOATING, FLOATING6}
            for address in (FLOATING, FLOATING6):
                await host.release(address)
            assert await floating(host) == set()
            assert {str(own.ip) for own in eth0(await host.interfaces()).addresses} >= {"10.0.1.1", "10.0.1.55"}

    lan.a.run(put)
    shown = lan.a.json("addr", "show", "dev", INTERFACE)[0]["addr_info"]
    marks = {own["local"]: (own.get("protocol"), own.get("label")) for own in shown}
    assert marks[str(FLOATING)][0] in {"251", "0xfb", None}  # older ip(8) does not show it
    assert marks[str(FLOATING)][1] == f"{INTERFACE}:fbgp"
    lan.a.run(find)


@BOTH
def test_an_address_that_something_else_takes_away_is_noticed_at_once(lan: Lan, address: IPAddress) -> None:
    async def lose() -> None:
        async with open_host() as (host, ears):
            await hold(host, address)
            await ears.expect(InterfacesChanged, lambda event: not gone(address, event))
            ears.heard.clear()
            before = host.now()
            lan.a.namespace.ip(f"addr del {address}/{address.max_prefixlen} dev {INTERFACE}")
            event = await ears.expect(InterfacesChanged, lambda event: gone(address, event), within=1.0)
            assert event.at - before < 0.5

    lan.a.run(lose)


def test_releasing_what_is_not_there_is_fine(lan: Lan) -> None:
    async def release() -> None:
        async with open_host() as (host, _):
            for address in (FLOATING, FLOATING6):
                assert await host.release(address) == (0, 0)

    lan.a.run(release)


def test_an_address_that_a_person_put_there_with_a_mask_is_left_alone(lan: Lan) -> None:
    lan.a.namespace.ip(f"addr add {FLOATING}/24 dev {INTERFACE}")

    async def release() -> None:
        async with open_host() as (host, _):
            await host.release(FLOATING)
            assert FLOATING in {own.ip for own in eth0(await host.interfaces()).addresses}

    lan.a.run(release)


def test_an_interface_that_is_not_there_is_named(lan: Lan) -> None:
    async def put() -> None:
        async with open_host() as (host, _):
            with pytest.raises(HostError, match=r"10\.0\.1\.100 on eth7: there is no such interface"):
                await host.put(FLOATING, "eth7", lambda _: 5, lambda _: True)
            with pytest.raises(HostError, match="eth7"):
                host.watch_addresses("eth7", {FLOATING})

    lan.a.run(put)


def test_ipv6_that_is_disabled_is_named_and_found(lan: Lan) -> None:
    lan.a.namespace.sysctl({f"net.ipv6.conf.{INTERFACE}.disable_ipv6": "1"})

    async def put() -> None:
        async with open_host() as (host, _):
            with pytest.raises(HostError, match="IPv6 is disabled"):
                await host.put(FLOATING6, INTERFACE, lambda _: 5, lambda _: True)

    lan.a.run(put)


def test_a_watch_that_lost_messages_lists_all_anew(lan: Lan) -> None:
    async def overflow() -> None:
        async with open_host() as (host, ears):
            told: list[list[Message] | None] = []
            watch = NetlinkWatch(0x10, told.append)  # RTMGRP_IPV4_IFADDR
            # Without a turn of the loop nothing is read: the kernel's queue for the watch overflows.
            command = "".join(
                f"addr add 10.9.{number // 250}.{number % 250 + 1}/32 dev {INTERFACE}\n"
                f"addr del 10.9.{number // 250}.{number % 250 + 1}/32 dev {INTERFACE}\n"
                for number in range(4000)
            )
            lan.a.namespace.run("ip", "-batch", "-", text=command)
            lan.a.namespace.ip(f"addr add 10.0.1.55/32 dev {INTERFACE}")
            event = await ears.expect(
                InterfacesChanged,
                lambda event: any(str(own.ip) == "10.0.1.55" for own in eth0(event.interfaces).addresses),
            )
            assert event.interfaces == await host.interfaces()
            assert None in told
            watch.close()

    lan.a.run(overflow)


def test_interfaces_of_pods_are_no_news_but_their_mac_addresses_are_known(lan: Lan) -> None:
    async def start_pods() -> None:
        async with open_host() as (host, ears):
            pods = "".join(f"link add p{n} type veth peer name q{n}\nlink set p{n} up\n" for n in range(20))
            await asyncio.to_thread(lambda: lan.a.namespace.run("ip", "-batch", "-", text=pods))
            lan.a.namespace.ip("addr add 10.0.1.55/32 dev eth0")
            await ears.expect(InterfacesChanged)
            assert len(ears.of(InterfacesChanged)) == 1
            assert lan.a.json("link", "show", "p19")[0]["address"] in host._table.macs
            (interface,) = await host.interfaces()
            assert not [own for own in interface.addresses if own.ip.is_link_local]

    lan.a.run(start_pods)


def test_the_gateways_of_default_routes_are_known_and_their_change_is_noticed(lan: Lan) -> None:
    routers = {lan.router.four, lan.router.six}

    async def plug_in() -> None:
        async with open_host() as (host, ears):
            assert eth0(await host.interfaces()).gateways == ()
            lan.a.namespace.ip(
                f"route add 198.51.100.0/24 via {lan.b.four}",  # of no interest: it is no default route
                f"route add default via {lan.router.four}",
                f"route add ::/0 via {lan.router.six}",
            )
            await ears.expect(InterfacesChanged, lambda event: set(eth0(event.interfaces).gateways) == routers)
            ears.heard.clear()
            lan.a.namespace.ip("route del ::/0", f"route replace default via {lan.b.four}")
            await ears.expect(InterfacesChanged, lambda event: eth0(event.interfaces).gateways == (lan.b.four,))
            ears.heard.clear()
            lan.a.namespace.ip("route replace default dev eth0")
            await ears.expect(InterfacesChanged, lambda event: eth0(event.interfaces).gateways == ())

    lan.a.run(plug_in)
