"""Which interface an address belongs to, and what LAN evidence is made of."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from flatbgp.planning.gateway.events import HostAddress, Interface, InterfacesSeen, NeighborhoodSeen
from flatbgp.planning.gateway.evidence import Evidence
from flatbgp.planning.gateway.facts import Facts
from flatbgp.planning.gateway.places import Place, find_place

FLOATING = ip_address("10.0.1.100")
GATEWAY = ip_address("10.0.1.253")


def interface(name: str, *addresses: str, carrier: bool = True) -> Interface:
    return Interface(name, "02:00:00:00:00:01", carrier, tuple(HostAddress(ip_interface(each)) for each in addresses))


@pytest.mark.parametrize(
    ("interfaces", "options", "expected"),
    [
        ([interface("eth0", "10.0.1.1/24")], {}, "eth0"),
        ([interface("eth0", "10.0.2.1/24")], {}, None),
        ([interface("eth0", "10.0.1.1/32")], {}, None),
        ([interface("eth0", "10.0.1.1/24", carrier=False)], {}, None),
        ([interface("eth0", "10.0.1.1/24"), interface("eth1", "10.0.1.2/24")], {"node": "10.0.1.2"}, "eth1"),
        ([interface("eth0", "10.0.0.1/16"), interface("eth1", "10.0.1.2/24")], {}, "eth1"),
        ([interface("eth1", "10.0.1.2/24"), interface("eth0", "10.0.1.1/24")], {}, "eth0"),
        ([interface("eth0", "10.0.1.1/24"), interface("eth1", "10.0.1.2/24")], {"preferred": "eth1"}, "eth1"),
        ([interface("eth0", "10.0.1.1/24")], {"preferred": "eth1"}, None),
        ([interface("eth0", "fd00::1/64")], {}, None),
    ],
)
def test_an_address_belongs_where_its_subnet_is(
    interfaces: list[Interface], options: dict[str, Any], expected: str | None
) -> None:
    node = {ip_address(options["node"])} if "node" in options else set()
    place = find_place(FLOATING, interfaces, node, options.get("preferred"))
    assert (place.interface if place else None) == expected


def test_a_floating_ip_never_vouches_for_itself() -> None:
    ours = Interface("eth0", "02:00:00:00:00:01", True, (HostAddress(ip_interface("10.0.1.100/24"), ours=True),))
    assert find_place(FLOATING, [ours], (), None) is None


def world(nodes: int = 1) -> tuple[Facts, Evidence, Place]:
    facts = Facts(None)
    facts.learn(0.0, InterfacesSeen(0.0, (interface("eth0", "10.0.1.1/24"),)))
    others = tuple(ip_address(f"10.0.1.{n}") for n in range(2, 2 + nodes))
    facts.learn(0.0, NeighborhoodSeen((ip_address("10.0.1.254"), ip_address("10.9.9.9")), others))
    place = facts.place(FLOATING)
    assert place is not None
    evidence = Evidence(facts)
    evidence.want(0.0, {place})
    return facts, evidence, place


def test_an_answer_counts_only_if_we_asked_and_packets_of_sessions_always_do() -> None:
    _, evidence, place = world()
    router, stranger = ip_address("10.0.1.254"), ip_address("10.0.1.77")
    evidence.heard(0.0, 0.0, router, "eth0")
    assert not evidence.fresh(0.0, place)
    list(evidence.questions(0.0, 0.0))
    evidence.heard(0.1, 0.1, stranger, "eth0")
    evidence.heard(0.1, 0.1, router, "eth1")
    evidence.heard(0.1, 0.1, ip_address("10.9.9.9"), None)
    assert not evidence.fresh(0.1, place)
    assert evidence.heard(0.1, 0.1, router, "eth0")
    assert evidence.fresh(3.0, place)
    assert not evidence.fresh(3.2, place)
    assert evidence.heard(9.0, 9.0, router, None)
    assert evidence.router_heard(9.0, place)


def test_a_packet_counts_from_its_arrival() -> None:
    _, evidence, place = world()
    list(evidence.questions(0.0, 0.0))
    evidence.heard(10.0, 1.0, ip_address("10.0.1.254"), "eth0")
    assert not evidence.fresh(10.0, place)


def test_questions_come_quicker_while_an_answer_is_overdue_and_not_for_ever() -> None:
    _, evidence, _ = world()
    now, asked = 0.0, []
    while now < 20.0:
        if list(evidence.questions(now, 0.0)):
            asked.append(now)
        now = min(evidence.deadlines())
    assert sum(1 for at in asked if at < 10.0) == pytest.approx(100, abs=3)
    assert sum(1 for at in asked if at >= 10.0) == pytest.approx(20, abs=3)


def test_all_routers_and_at_most_eight_other_nodes_are_asked_and_in_the_end_everybody() -> None:
    _, evidence, _ = world(nodes=30)
    seen = set()
    now = 0.0
    for _ in range(8):
        ((_, targets),) = list(evidence.questions(now, 0.0))
        assert ip_address("10.0.1.254") in targets
        assert len(targets) == 9
        seen |= set(targets)
        now = min(evidence.deadlines())
    assert len(seen) == 31


def test_default_gateways_are_asked_as_well_and_tell_nothing_of_routers() -> None:
    facts, evidence, place = world(nodes=30)
    eth0 = replace(interface("eth0", "10.0.1.1/24"), gateways=(GATEWAY, ip_address("10.0.1.254")))
    facts.learn(0.0, InterfacesSeen(0.0, (eth0,)))
    ((_, targets),) = list(evidence.questions(0.0, 0.0))
    assert targets[:2] == (ip_address("10.0.1.254"), GATEWAY)  # the one that is a peer: once
    assert len(targets) == 10
    assert GATEWAY in evidence.listening()["eth0"]
    evidence.heard(4.0, 4.0, GATEWAY, "eth0")
    assert evidence.fresh(4.0, place)
    assert evidence.router_heard(4.0, place) is False


def test_the_only_node_of_a_subnet_without_peers_asks_its_gateway() -> None:
    facts, evidence, place = world(nodes=0)
    facts.learn(0.0, NeighborhoodSeen((ip_address("10.9.9.9"),), ()))
    facts.learn(0.0, InterfacesSeen(0.0, (replace(interface("eth0", "10.0.1.1/24"), gateways=(GATEWAY,)),)))
    assert list(evidence.questions(0.0, 0.0)) == [(place, (GATEWAY,))]
    evidence.heard(0.1, 0.1, GATEWAY, "eth0")
    assert evidence.fresh(0.1, place)
