"""What network the lab makes of a set of addresses."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.topology import Demand, NodeAddresses, Peering, Topology, derive
from flatbgp.resources.secrets import Password

GUIDE = Demand(
    floating_ips=(ip_address("10.0.1.100"), ip_address("10.0.3.100")),
    peerings=(
        Peering(ip_address("10.0.1.254"), asn=65002, node_asn=65001),
        Peering(ip_address("10.0.3.254"), asn=65002, node_asn=65001),
    ),
)


def addresses(topology: Topology, version: int) -> dict[str, str]:
    machines = (*topology.routers, *topology.nodes)
    return {each.name: str(address.ip) for each in machines for address in each.addresses if address.version == version}


def test_the_guide_has_two_racks_with_a_router_each_and_three_nodes() -> None:
    topology = derive(GUIDE)

    assert [(rack.name, rack.subnets[0]) for rack in topology.racks] == [
        ("rack-1", ip_network("10.0.1.0/24")),
        ("rack-2", ip_network("10.0.3.0/24")),
    ]
    assert addresses(topology, 4) == {
        "router-1": "10.0.1.254",
        "router-2": "10.0.3.254",
        "node-01": "10.0.1.11",
        "node-02": "10.0.3.12",
        "node-03": "10.0.1.13",
    }
    assert [(node.name, node.rack) for node in topology.nodes] == [
        ("node-01", "rack-1"),
        ("node-02", "rack-2"),
        ("node-03", "rack-1"),
    ]
    assert [rack.gateways[0] for rack in topology.racks] == [ip_address("10.0.1.254"), ip_address("10.0.3.254")]


def test_every_machine_has_an_ipv6_address_that_reads_like_its_ipv4_one() -> None:
    assert addresses(derive(GUIDE), 6) == {
        "router-1": "2001:db8:a00:1::254",
        "router-2": "2001:db8:a00:3::254",
        "node-01": "2001:db8:a00:1::11",
        "node-02": "2001:db8:a00:3::12",
        "node-03": "2001:db8:a00:1::13",
    }


def test_each_router_has_a_session_for_every_floating_ip_and_one_with_the_other_router() -> None:
    first, second = derive(GUIDE).routers

    assert [(str(each.address), each.asn, each.multihop) for each in first.neighbors] == [
        ("10.0.1.100", 65001, True),
        ("10.0.3.100", 65001, True),
        (str(second.router_id), 65002, False),
    ]
    assert first.router_id != second.router_id


def test_without_mesh_routers_know_only_what_nodes_tell_them() -> None:
    demand = Demand(GUIDE.floating_ips, GUIDE.peerings, mesh=False)

    assert all(each.asn == 65001 for router in derive(demand).routers for each in router.neighbors)


def test_given_nodes_keep_their_addresses_and_fall_into_the_racks_of_their_subnets() -> None:
    given = (
        NodeAddresses("b", (ip_address("10.0.3.7"), ip_address("2001:db8:3::7"))),
        NodeAddresses("a", (ip_address("10.0.1.7"), ip_address("2001:db8:1::7"))),
        NodeAddresses("only-ipv4", (ip_address("10.0.1.8"),)),
    )

    topology = derive(Demand(GUIDE.floating_ips, GUIDE.peerings, given))

    assert [(node.name, node.rack, node.addresses) for node in topology.nodes] == [
        ("b", "rack-2", (ip_interface("10.0.3.7/24"), ip_interface("2001:db8:3::7/64"))),
        ("a", "rack-1", (ip_interface("10.0.1.7/24"), ip_interface("2001:db8:1::7/64"))),
        ("only-ipv4", "rack-1", (ip_interface("10.0.1.8/24"),)),
    ]
    assert [rack.subnets[1] for rack in topology.racks] == [
        ip_network("2001:db8:1::/64"),
        ip_network("2001:db8:3::/64"),
    ]


def test_a_node_of_a_third_subnet_gets_a_rack_and_a_router_of_its_own() -> None:
    given = (NodeAddresses("far", (ip_address("10.0.9.7"),)),)

    topology = derive(Demand(GUIDE.floating_ips, GUIDE.peerings, given))

    assert topology.nodes[0].rack == "rack-3"
    assert topology.rack("rack-3").gateways[0] == ip_address("10.0.9.254")
    assert [router.name for router in topology.routers_of("rack-3")] == ["router-3"]
    assert all(each.asn == 65002 for each in topology.routers_of("rack-3")[0].neighbors)


def test_a_node_without_address_is_refused_by_name() -> None:
    with pytest.raises(LabError, match="Node lost has no InternalIP"):
        derive(Demand(GUIDE.floating_ips, GUIDE.peerings, (NodeAddresses("lost", ()),)))


def test_two_peers_of_one_subnet_are_two_routers_of_one_rack() -> None:
    peerings = (
        Peering(ip_address("10.0.1.253"), asn=65002, node_asn=65001),
        Peering(ip_address("10.0.1.254"), asn=65003, node_asn=65001),
    )

    topology = derive(Demand((ip_address("10.0.1.100"),), peerings))

    assert [(router.name, router.asn, str(router.addresses[0])) for router in topology.routers] == [
        ("router-1", 65002, "10.0.1.253/24"),
        ("router-2", 65003, "10.0.1.254/24"),
    ]
    assert len({each for router in topology.routers for each in router.addresses}) == 4
    assert topology.racks[0].gateways[0] == ip_address("10.0.1.253")


def test_ipv4_and_ipv6_peers_of_one_rack_are_one_router_with_sessions_of_both_families() -> None:
    demand = Demand(
        (ip_address("10.0.1.100"), ip_address("2001:db8:1::100")),
        (
            Peering(ip_address("10.0.1.254"), asn=65002, node_asn=65001),
            Peering(ip_address("2001:db8:1::254"), asn=65002, node_asn=65001),
        ),
    )

    (router,) = derive(demand).routers

    assert [str(each) for each in router.addresses] == ["10.0.1.254/24", "2001:db8:1::254/64"]
    assert [str(each.address) for each in router.neighbors] == ["10.0.1.100", "2001:db8:1::100"]


def test_ipv4_and_ipv6_peers_of_two_ases_are_two_routers_and_take_no_address_of_another_machine() -> None:
    demand = Demand(
        (ip_address("10.0.1.253"), ip_address("2001:db8:1::100")),
        (
            Peering(ip_address("10.0.1.254"), asn=65002, node_asn=65001),
            Peering(ip_address("2001:db8:1::254"), asn=65003, node_asn=65001),
        ),
        (NodeAddresses("one", (ip_address("10.0.1.11"), ip_address("2001:db8:1::11"))),),
    )

    routers = derive(demand).routers

    assert [(each.asn, *map(str, each.addresses)) for each in routers] == [
        (65002, "10.0.1.254/24", "2001:db8:1::253/64"),
        (65003, "10.0.1.252/24", "2001:db8:1::254/64"),
    ]
    assert [[str(each.address) for each in router.neighbors[:1]] for router in routers] == [
        ["10.0.1.253"],
        ["2001:db8:1::100"],
    ]


def test_an_ipv6_only_network_works() -> None:
    demand = Demand(
        (ip_address("2001:db8:1::100"),), (Peering(ip_address("2001:db8:1::1"), asn=65002, node_asn=65001),)
    )

    topology = derive(demand)

    assert topology.racks[0].subnets == (ip_network("2001:db8:1::/64"),)
    assert topology.racks[0].gateways == (ip_address("2001:db8:1::1"),)
    assert [str(node.addresses[0]) for node in topology.nodes] == ["2001:db8:1::11/64", "2001:db8:1::12/64"]
    assert isinstance(topology.routers[0].router_id, IPv4Address)


def test_invented_addresses_avoid_those_that_the_manifests_use() -> None:
    demand = Demand(
        (ip_address("10.0.1.11"), ip_address("10.0.1.13")),
        (Peering(ip_address("10.0.1.12"), asn=65002, node_asn=65001),),
    )

    topology = derive(demand)

    taken = {*demand.floating_ips, demand.peerings[0].address}
    own = [node.addresses[0].ip for node in topology.nodes]
    assert len(set(own)) == len(own) == 2
    assert not taken & set(own)


def test_ibgp_and_direct_sessions_are_not_multihop() -> None:
    peerings = (
        Peering(ip_address("10.0.1.254"), asn=65001, node_asn=65001),
        Peering(ip_address("10.0.3.254"), asn=65002, node_asn=65001, multihop=False),
    )

    routers = derive(Demand(GUIDE.floating_ips, peerings)).routers

    assert not any(each.multihop for router in routers for each in router.neighbors)


def test_of_two_peers_with_one_address_the_first_configures_the_router() -> None:
    peerings = (GUIDE.peerings[0], Peering(ip_address("10.0.1.254"), asn=65009, node_asn=65008))

    (router, *_) = derive(Demand(GUIDE.floating_ips, peerings)).routers

    assert router.asn == 65002
    assert router.neighbors[0].asn == 65001


def test_a_spare_node_takes_free_addresses_of_its_rack() -> None:
    topology = derive(GUIDE)

    spare = topology.spare_node("node-04", "rack-2")

    assert spare.addresses[0] == ip_interface("10.0.3.14/24")
    assert spare.addresses[1].ip == IPv6Address("2001:db8:a00:3::14")


@pytest.mark.parametrize(
    ("demand", "problem"),
    [
        (Demand((), GUIDE.peerings), "no floating IP"),
        (Demand(GUIDE.floating_ips, ()), "no BGPPeer"),
    ],
)
def test_what_names_no_network_is_refused(demand: Demand, problem: str) -> None:
    with pytest.raises(LabError, match=problem):
        derive(demand)


def test_s79_passwords_do_not_print() -> None:
    peering = Peering(ip_address("10.0.1.254"), 65002, 65001, Password("hunter2"))
    demand = Demand(GUIDE.floating_ips, (peering,))

    assert "hunter2" not in repr(demand)
    assert "hunter2" not in repr(derive(demand))


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ({"control": "10.0.1.11"}, "Node control has the name of a part of the lab"),
        ({"rack-2": "10.0.1.11"}, "Node rack-2 has the name of a part of the lab"),
        ({"router-1": "10.0.1.11"}, "Node router-1 has the name of a part of the lab"),
        ({"one": "10.0.1.11", "two": "10.0.1.11"}, r"Node two and Node one have the same address 10\.0\.1\.11"),
        ({"one": "10.0.3.254"}, r"Node one and router-2 have the same address 10\.0\.3\.254"),
    ],
)
def test_nodes_that_cannot_be_beside_the_rest_are_named(nodes: dict[str, str], problem: str) -> None:
    given = tuple(NodeAddresses(name, (ip_address(address),)) for name, address in nodes.items())
    with pytest.raises(LabError, match=problem):
        derive(replace(GUIDE, nodes=given))
