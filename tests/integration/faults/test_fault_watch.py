"""The watch itself: each invariant is violated on purpose, and must be reported. All other tests rest on this."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface

import pytest

from flatbgp.lab.network import NODE_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.capture import Segment
from support.faultcluster import FaultCluster
from support.holders import Change, Holders
from support.lanwatch import Speech
from support.setups import DEFAULT, IPV6, on
from support.takeover import gateway
from support.watch import Watch, watching

SEEN = 5.0
"""Seconds until a violation is known."""

FLOATING, ROUTER = ip_address("10.0.1.100"), ip_address("10.0.1.254")
SYN, ACK = 0x02, 0x10
_A_SYN = """
import ipaddress, socket, struct, sys
source, target = (ipaddress.ip_address(each) for each in sys.argv[1:])
tcp = struct.pack("!HHIIBBHHH", 40000, 179, 1, 0, 0x50, 2, 1000, 0, 0)
if source.version == 4:
    family, header = socket.AF_INET, struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0, 64, 6, 0)
else:
    family, header = socket.AF_INET6, struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64)
raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
raw.sendto(header + source.packed + target.packed + tcp, (str(target), 0))
"""


@contextmanager
def alarmed(cluster: FaultCluster, *immediately: str, finally_: Sequence[str] = ()) -> Iterator[Watch]:
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
    assert all(text in str(caught.value) for text in (*immediately, *finally_))


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_quiet_cluster_violates_nothing(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        wait_until("twenty looks at the tables", lambda: watch.tables.looks >= 20, deadline=20)
        for address in cluster.floating_ips:
            assert watch.holder(address) == cluster.lease_holder(address)
        assert watch.moved() == []


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_second_holder_is_reported_by_kernel_and_by_arp_or_ndp(cluster: FaultCluster) -> None:
    address = cluster.floating_ip("rack-1")
    with alarmed(cluster, f"{address} was on node-01 and node-03") as watch:
        place = cluster.nodes[gateway(watch).other]
        place.add_addresses(NODE_INTERFACE, [ip_interface(address)])
        wait_until("two answers", lambda: watch.lans.answers.double, deadline=SEEN)
        place.run("ip", "address", "delete", str(ip_interface(address)), "dev", NODE_INTERFACE)


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_stranger_who_answers_for_an_address_is_reported(cluster: FaultCluster) -> None:
    address = cluster.floating_ip("rack-1")
    with alarmed(cluster, f"answered for {address} at the same time"):
        cluster.add_guest("rack-1", address, announce=False)
    cluster.remove_guests()


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_route_that_goes_for_a_moment_is_reported(cluster: FaultCluster) -> None:
    vty, address = cluster.routers["router-1"].vty, cluster.floating_ip("rack-1")
    gone = (f"{prefix} from {address}" for prefix in cluster.prefixes())
    with alarmed(cluster, "router-1 missed", *gone):
        vty.configure("router bgp 65002", f"neighbor {address} shutdown")
        wait_until("the routes to go", lambda: address not in _sources(cluster), deadline=SEEN)
        vty.configure("router bgp 65002", f"no neighbor {address} shutdown")


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_lost_ping_is_reported(cluster: FaultCluster) -> None:
    reports = [f" {family} pings, the longest silence" for family in cluster.families]
    with alarmed(cluster, finally_=reports) as watch:
        cluster.cut_off("node-02")
        wait_until("a ping of each stream to be lost", watch.each_lost_some, deadline=SEEN)
        cluster.rejoin("node-02")


@on(DEFAULT, IPV6, routers=("frr",), profiles=("default",))
def test_a_segment_from_an_address_that_the_node_has_not_is_reported(cluster: FaultCluster) -> None:
    with alarmed(cluster, "it does not have the address") as watch:
        addresses = cluster.floating_ip("rack-1"), cluster.peers[0]
        cluster.nodes[gateway(watch).other].run("/usr/bin/python3", "-c", _A_SYN, *map(str, addresses))


def test_segments_of_a_session_are_told_from_those_of_the_time_before_the_address_left_and_came_back() -> None:
    holders = Holders(frozenset({FLOATING}))
    speech = Speech(holders)

    def at(moment: float, node: str, *, present: bool) -> None:
        holders.take([Change(moment, node, FLOATING, present)])

    def says(moment: float, port: int, flags: int = ACK) -> int:
        speech.heard("a", Segment(moment, FLOATING, ROUTER, port, 179, 1, flags, b""))
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
    holders = Holders(frozenset({FLOATING}))
    holders.take([Change(1, "a", FLOATING, present=True)])
    holders.take([Change(2, "b", FLOATING, present=True), Change(2, "a", FLOATING, present=False)])
    assert holders.all_doubles() == []
    holders.take([Change(3, "a", FLOATING, present=True)])
    assert holders.all_doubles()[0].nodes == ("a", "b")
    holders.take([Change(3.5, "b", FLOATING, present=False)])
    assert [each.seconds for each in holders.all_doubles()] == [0.5]
    holders.take([Change(4, "a", FLOATING, present=True), Change(4, "a", FLOATING, present=False)])
    assert holders.of(FLOATING) == (), "a lifetime set anew, then the end: what one kernel says stays in its order"


def _sources(cluster: FaultCluster) -> set[object]:
    view = cluster.view("router-1")
    try:
        return {address for _, address in view.paths()}
    finally:
        view.close()
