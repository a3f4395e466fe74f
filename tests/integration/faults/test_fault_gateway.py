"""A gateway that is lost as a whole: another node takes over, and no packet between living nodes is lost."""

import shutil
import signal
import time

from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.network import NODE_INTERFACE, ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.faultcluster import FaultCluster
from support.setups import DEFAULT, IPV6, VERSIONS, Setup, on
from support.takeover import (
    BUSY,
    HOLDER_DEAD,
    HOLDER_FROZEN,
    LAN_LOST,
    gateway,
    let_pass,
)
from support.watch import watching

NEIGHBOR_LEARNED = 1.0
"""Seconds until a router sends to the new holder (scenario 29)."""

STEADY = 3.0
"""Seconds in which a machine that came back would have done what it should not."""

REPEATED = 15.0
"""Seconds in which a kernel sends again what nobody has acknowledged, some seconds after it began to."""

PROBED = 0.4
"""Seconds of probing before any claim."""


@on(*VERSIONS, Setup(router="bird"), Setup(profile="fast"), IPV6)
def test_s21_s22_s29_s30_a_gateway_loses_power_and_no_packet_is_lost(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        cluster.power_off(lost.holder)

        lost.await_moved(HOLDER_DEAD[cluster.setup.profile])
        mac = cluster.nodes[lost.other].run("cat", f"/sys/class/net/{NODE_INTERFACE}/address").strip()
        wait_until(
            "the router to know the new holder's MAC address",
            lambda: cluster.network.namespace("router-1").run(
                "ip", "neighbour", "show", str(lost.address), "dev", ROUTER_RACK_INTERFACE
            ),
            lambda seen: mac in seen,
            deadline=NEIGHBOR_LEARNED + BUSY,
        )
        lost.await_taken_over(0)


@on(DEFAULT, profiles=("default",))
def test_s28_a_gateway_that_reboots_at_once_claims_its_own_lease_like_any_other(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        off = time.monotonic()
        cluster.reboot(lost.holder)
        lost.await_gone(0)
        wait_until(
            "some node to have the address", lambda: watch.holder(lost.address), deadline=HOLDER_DEAD["default"] + BUSY
        )

        came = next(each.at for each in watch.changes(lost.address, off) if each.present)
        assert came - off > PROBED, "the address was put on without asking the LAN"
        assert "claims it when its turn comes" in cluster.said(watch.holder(lost.address))
        lost.await_new_sessions()


@on(DEFAULT)
def test_s28_s31_a_gateway_that_comes_back_takes_nothing_from_its_successor(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)
        cluster.power_off(lost.holder)
        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])
        successor = gateway(watch)

        cluster.power_on(lost.holder)

        wait_until("it to look around", lambda: "reason=HeldElsewhere" in cluster.said(lost.holder), deadline=15)
        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(DEFAULT)
def test_speaker_and_gobgpd_of_the_gateway_are_killed_for_good(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)

        for process in cluster.processes(lost.holder):
            process.kill()

        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])


@on(DEFAULT, IPV6)
def test_s27_the_link_goes_down_and_comes_up_again(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)
        node = cluster.nodes[lost.holder]
        before = _network(node, lost.address)

        cluster.cut(lost.holder, off=True)
        lost.await_taken_over(LAN_LOST)
        cluster.cut(lost.holder, off=False)

        let_pass(STEADY, watch)
        assert watch.holder(lost.address) == lost.other
        assert _network(node, lost.address) == before


@on(IPV6)
def test_p5_connections_whose_owner_died_with_the_link_down_say_nothing_when_it_is_up_again(
    cluster: FaultCluster,
) -> None:
    """In IPv6 a kernel sends on from an address that is gone, in IPv4 it does not."""
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)
        cluster.cut(lost.holder, off=True)
        for process in cluster.processes(lost.holder):
            process.kill()
        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])
        successor = gateway(watch)

        cluster.start_gobgpd(lost.holder)
        cluster.start_speaker(lost.holder)
        wait_until("it to look around", lambda: "reason=HeldElsewhere" in cluster.said(lost.holder), deadline=15)
        cluster.cut(lost.holder, off=False)

        let_pass(REPEATED, watch)
        successor.assert_stayed()


@on(DEFAULT)
def test_a_machine_that_stands_still_for_longer_than_its_lease_finds_a_successor_and_leaves_it_alone(
    cluster: FaultCluster,
) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_speak_on_in_ipv6(lost.holder)

        cluster.signal_all(lost.holder, signal.SIGSTOP)
        lost.await_taken_over(HOLDER_FROZEN[cluster.setup.profile])
        woken = time.monotonic()
        cluster.signal_all(lost.holder, signal.SIGCONT)

        let_pass(STEADY, watch)
        assert watch.changes(lost.address, woken) == []


@on(DEFAULT, profiles=("default",))
def test_a_speaker_that_lost_its_state_directory_keeps_its_address_and_sessions(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.speaker(kept.holder).kill()
        shutil.rmtree(cluster.directory / kept.holder / "state")
        cluster.start_speaker(kept.holder)

        wait_until("the speaker to go on", lambda: "address held" in cluster.said(kept.holder), deadline=10)
        let_pass(STEADY, watch)
        kept.assert_stayed()


@on(DEFAULT)
def test_s35_one_rack_without_any_gateway_costs_no_route(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        only = gateway(watch, "rack-2")
        kept = gateway(watch)

        for process in cluster.processes(only.holder):
            process.kill()

        only.await_gone(HOLDER_DEAD[cluster.setup.profile])
        let_pass(STEADY, watch)
        kept.assert_stayed()


def _network(node: Namespace, but: IPAddress) -> list[str]:
    """Return all addresses and routes, but one address and the kernel's own IPv6 route to it."""
    shown = (("-o", "address", "show", "scope", "global"), ("-4", "route", "show"), ("-6", "route", "show"))
    lines = [line for words in shown for line in node.run("ip", *words).splitlines()]
    return [line for line in lines if f" {but}/" not in line and not line.startswith(f"{but} ")]
