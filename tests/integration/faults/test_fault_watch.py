"""The watch itself: each invariant is violated on purpose, and must be reported. All other tests rest on this."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from flatbgp.lab.network import NODE_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.capture import Segment
from support.faultcluster import FaultCluster
from support.holders import Change, Holders
from support.lanwatch import Speech
from support.setups import DEFAULT, on
from support.takeover import RACK_1, gateway
from support.watch import Watch, watching

SEEN = 5.0
"""Seconds until a violation is known."""

ROUTER = IPv4Address("10.0.1.254")
SYN, ACK = 0x02, 0x10
_A_SYN = """
import socket, struct
source, target = (socket.inet_aton(each) for each in ("10.0.1.100", "10.0.1.254"))
tcp = struct.pack("!HHIIBBHHH", 40000, 179, 1, 0, 0x50, 2, 1000, 0, 0)
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, source, target)
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(header + tcp, ("10.0.1.254", 0))
"""


@contextmanager
def alarmed(cluster: FaultCluster, *immediately: str, finally_: str = "") -> Iterator[Watch]:
    """Watch while the block runs; these violations must be reported, at once and at the end (or only there)."""
    with pytest.raises(AssertionError) as caught, watching(cluster) as watch:  # noqa: PT012 - the end of the watch raises
        yield watch
        for text in immediately:
            wait_until(
                f"'{text}' to be reported",
                watch.violations,
                lambda seen, text=text: any(text in each for each in seen),
                deadline=SEEN,
            )
    assert all(text in str(caught.value) for text in (*immediately, finally_))


@on(DEFAULT, routers=("frr",), profiles=("default",))
def test_a_quiet_cluster_violates_nothing(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        wait_until("twenty looks at the tables", lambda: watch.tables.looks >= 20, deadline=20)
        assert watch.holder(RACK_1) == cluster.lease_holder(RACK_1)
        assert watch.moved() == []


@on(DEFAULT, routers=("frr",), profiles=("default",))
def test_a_second_holder_is_reported_by_kernel_and_by_arp(cluster: FaultCluster) -> None:
    with alarmed(cluster, f"{RACK_1} was on node-01 and node-03") as watch:
        place = cluster.nodes[gateway(watch).other]
        place.run("ip", "address", "add", f"{RACK_1}/32", "dev", NODE_INTERFACE)
        wait_until("two answers", lambda: watch.lans.answers.double, deadline=SEEN)
        place.run("ip", "address", "delete", f"{RACK_1}/32", "dev", NODE_INTERFACE)


@on(DEFAULT, routers=("frr",), profiles=("default",))
def test_a_route_that_goes_for_a_moment_is_reported(cluster: FaultCluster) -> None:
    vty = cluster.routers["router-1"].vty
    with alarmed(cluster, "router-1 missed"):
        vty.configure("router bgp 65002", f"neighbor {RACK_1} shutdown")
        wait_until("the routes to go", lambda: RACK_1 not in _sources(cluster), deadline=SEEN)
        vty.configure("router bgp 65002", f"no neighbor {RACK_1} shutdown")


@on(DEFAULT, routers=("frr",), profiles=("default",))
def test_a_lost_ping_is_reported(cluster: FaultCluster) -> None:
    with alarmed(cluster, finally_="pings, the longest silence") as watch:
        cluster.cut_off("node-02")
        wait_until("a ping to be lost", watch.lost_so_far, deadline=SEEN)
        cluster.rejoin("node-02")


@on(DEFAULT, routers=("frr",), profiles=("default",))
def test_a_segment_from_an_address_that_the_node_has_not_is_reported(cluster: FaultCluster) -> None:
    with alarmed(cluster, "it does not have the address") as watch:
        cluster.nodes[gateway(watch).other].run("/usr/bin/python3", "-c", _A_SYN)


def test_segments_of_a_session_are_told_from_those_of_the_time_before_the_address_left_and_came_back() -> None:
    holders = Holders(frozenset({RACK_1}))
    speech = Speech(holders)

    def at(moment: float, node: str, *, present: bool) -> None:
        holders.take([Change(moment, node, RACK_1, present)])

    def says(moment: float, port: int, flags: int = ACK) -> int:
        speech.heard("a", Segment(moment, IPv4Address(str(RACK_1)), ROUTER, port, 179, 1, flags, b""))
        return len(speech.leaks)

    at(1, "a", present=True)
    assert says(2, 40000, SYN) == 0
    at(3, "a", present=False)
    at(3.1, "a", present=True)
    assert says(4, 40000) == 0, "it was merely put back"
    at(5, "a", present=False)
    assert says(5.5, 40000) == 1, "it has left"
    at(6, "b", present=True)
    at(7, "b", present=False)
    at(8, "a", present=True)
    assert says(8.1, 40000) == 2, "the old session"
    assert says(8.2, 40001, SYN) == 2, "a new one"
    assert says(8.3, 40001) == 2


def test_two_holders_for_a_moment_are_a_double_and_a_hand_over_is_none() -> None:
    holders = Holders(frozenset({RACK_1}))
    holders.take([Change(1, "a", RACK_1, present=True)])
    holders.take([Change(2, "b", RACK_1, present=True), Change(2, "a", RACK_1, present=False)])
    assert holders.all_doubles() == []
    holders.take([Change(3, "a", RACK_1, present=True)])
    assert holders.all_doubles()[0].nodes == ("a", "b")
    holders.take([Change(3.5, "b", RACK_1, present=False)])
    assert [each.seconds for each in holders.all_doubles()] == [0.5]
    holders.take([Change(4, "a", RACK_1, present=True), Change(4, "a", RACK_1, present=False)])
    assert holders.of(RACK_1) == (), "a lifetime set anew, then the end: what one kernel says stays in its order"


def _sources(cluster: FaultCluster) -> set[object]:
    view = cluster.view("router-1")
    try:
        return {address for _, address in view.paths()}
    finally:
        view.close()
