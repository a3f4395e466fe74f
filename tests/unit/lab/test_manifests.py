"""From a file's objects to the network that they need."""

import base64
import json
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.manifests import AnyResource, demand_of, divide, node_document, to_text
from flatbgp.lab.topology import Node
from flatbgp.resources import kinds
from flatbgp.resources.codec import decode
from flatbgp.resources.node import NODE


def resource(
    kind: str, name: str, api_version: str = "networking.gke.io/v1", *, namespace: str = "cluster-bm", **fields: Any
) -> AnyResource:
    metadata = {"name": name, "namespace": namespace}
    found = kinds.of(api_version, kind)
    assert found is not None
    return decode(found, {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields})


def peer(name: str = "bgppeer1", **spec: Any) -> AnyResource:
    whole = {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254", **spec}
    return resource("BGPPeer", name, spec=whole)


GROUP = resource("NetworkGatewayGroup", "default", spec={"floatingIPs": ["10.0.1.100", "10.0.3.100"]})


def node(*addresses: tuple[str, str]) -> AnyResource:
    reported = [{"type": kind, "address": address} for kind, address in addresses]
    return resource("Node", "node-01", "v1", namespace="", status={"addresses": reported})


def test_floating_ips_and_peers_are_found() -> None:
    demand = demand_of([GROUP, peer(ebgpMultihop=False)])

    assert demand.floating_ips == (ip_address("10.0.1.100"), ip_address("10.0.3.100"))
    assert [(str(each.address), each.asn, each.node_asn, each.multihop) for each in demand.peerings] == [
        ("10.0.1.254", 65002, 65001, False)
    ]


def test_a_node_counts_with_its_first_usable_internal_ip_of_each_family() -> None:
    given = node(
        ("Hostname", "node-01"),
        ("ExternalIP", "192.0.2.1"),
        ("InternalIP", "fe80::1"),
        ("InternalIP", "2001:db8::7"),
        ("InternalIP", "not-an-address"),
        ("InternalIP", "10.0.1.7"),
        ("InternalIP", "10.0.1.8"),
    )

    (found,) = demand_of([given]).nodes

    assert found.addresses == (ip_address("10.0.1.7"), ip_address("2001:db8::7"))


def test_s5_of_two_peers_with_one_address_the_router_is_that_of_the_one_that_gets_sessions() -> None:
    api = "baremetal.cluster.gke.io/v1alpha1"
    mode = resource("FlatIPMode", "default", api, spec={"peerSelector": {"flat": "yes"}})
    first, second = peer("b", peerASN=65002), peer("a", peerASN=65003)
    chosen = decode(
        second.kind, {**first.document, "metadata": {**first.document["metadata"], "labels": {"flat": "yes"}}}
    )

    assert [each.asn for each in demand_of([first, second]).peerings] == [65003]
    assert [each.asn for each in demand_of([second, chosen, mode]).peerings] == [65002]


def test_the_router_gets_the_password_of_the_secret_that_its_peer_names() -> None:
    data = {"password": base64.b64encode(b"hunter2").decode()}
    secret = resource("Secret", "bgp", "v1", type="kubernetes.io/basic-auth", data=data)

    (peering,) = demand_of([peer(passwordSecretRef={"name": "bgp"}), secret]).peerings

    assert peering.password is not None
    assert peering.password.reveal() == "hunter2"


def test_a_secret_that_the_file_does_not_hold_is_an_error_that_names_it() -> None:
    with pytest.raises(LabError, match="BGPPeer bgppeer1 names the Secret bgp"):
        demand_of([peer(passwordSecretRef={"name": "bgp"})])


def test_an_object_that_breaks_a_rule_is_left_out() -> None:
    assert demand_of([peer(peerIP="10.0.1.300"), GROUP]).peerings == ()


def test_nodes_go_to_the_user_cluster_and_all_else_to_the_admin_cluster() -> None:
    given = node(("InternalIP", "10.0.1.7"))

    division = divide([GROUP, given, peer()])

    assert division.user == (given,)
    assert [each.kind.name for each in division.admin] == ["NetworkGatewayGroup", "BGPPeer"]


def test_what_is_declared_on_the_user_cluster_itself_goes_there() -> None:
    spec = {"floatingIPs": ["10.0.1.100"]}
    group = resource("NetworkGatewayGroup", "default", namespace="kube-system", spec=spec)
    mode = resource("FlatIPMode", "default", "networking.gke.io/v1alpha1", namespace="", spec={})

    division = divide([group, mode])

    assert (division.admin, division.user) == ((), (group, mode))


def test_without_a_cluster_the_namespace_of_all_objects_is_mirrored() -> None:
    cluster = resource("Cluster", "bm", "baremetal.cluster.gke.io/v1", spec={})
    elsewhere = resource("NetworkGatewayGroup", "default", namespace="other", spec={})

    assert divide([GROUP, peer()]).cluster_namespace == GROUP.meta.namespace
    assert divide([GROUP, elsewhere]).cluster_namespace is None
    assert divide([GROUP, cluster]).cluster_namespace is None


def test_a_machine_s_node_object_is_read_back_as_the_same_machine() -> None:
    machine = Node("node-01", "rack-1", (ip_interface("10.0.1.11/24"), ip_interface("2001:db8::11/64")))

    (found,) = demand_of([decode(NODE, node_document(machine))]).nodes

    assert found.name == "node-01"
    assert found.addresses == (ip_address("10.0.1.11"), ip_address("2001:db8::11"))


def test_written_manifests_are_documents_of_one_file() -> None:
    text = to_text([{"a": 1}, {"b": [2]}])

    assert [json.loads(document) for document in text.split("---\n")[1:]] == [{"a": 1}, {"b": [2]}]
