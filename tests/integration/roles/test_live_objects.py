"""Objects that people, other programs and kubelets change, and what of it routers see."""

import json
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from flatbgp.lab.network import NODE_INTERFACE, ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from support.binaries import gobgpd
from support.capture import MessageType, start_capture
from support.cluster import Cluster, example
from support.objects import in_user_namespace, mode, node, peer
from support.sandbox import Sandbox

USER_NAMESPACE = "kube-system"

WITHDRAWN_SECONDS = 5.0
"""From the removal of a Node until no router has its routes."""


@pytest.fixture(scope="module")
def running(module_sandbox: Sandbox) -> Cluster:
    cluster = Cluster(module_sandbox, example("dual-stack-flat"), gobgpd_binary=gobgpd("4.8"))
    cluster.start()
    cluster.await_sessions()
    return cluster


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The shared cluster, before and after a test as the example describes it, and with no session reset by it."""
    _await_all_routes(running)
    before = _established(running)
    yield running
    _await_all_routes(running)
    assert _established(running) == before, "a session was reset"


def _await_all_routes(cluster: Cluster) -> None:
    for family in Family:
        cluster.await_routes(family)


def _established(cluster: Cluster) -> dict[tuple[str, IPAddress], int]:
    return {
        (router, address): each.established
        for router in cluster.routers
        for address, each in cluster.sessions(router).items()
    }


def test_s41_a_copy_that_was_edited_by_hand_is_overwritten(cluster: Cluster) -> None:
    original = cluster.objects("bgppeers")["bgppeer2"]

    cluster.apply(in_user_namespace(peer("bgppeer2", "10.0.3.254", med=9)))

    wait_until(
        "the copy to be overwritten",
        lambda: cluster.objects("bgppeers")["bgppeer2"]["spec"],
        lambda spec: spec == original["spec"],
        deadline=10,
        interval=0.3,
    )


@pytest.mark.parametrize("kind", ["bgpsessions", "bgpadvertisedroutes"])
def test_s44_what_was_removed_by_hand_is_made_again(cluster: Cluster, kind: str) -> None:
    before = cluster.objects(kind)
    name = min(before)

    cluster.delete(kind, name)

    wait_until(
        f"{name} to be back",
        lambda: cluster.objects(kind).get(name, before[name]),
        lambda seen: seen["metadata"]["uid"] != before[name]["metadata"]["uid"],
        deadline=20,
        interval=0.3,
    )
    again = wait_until("all of them", lambda: cluster.objects(kind), lambda seen: seen.keys() == before.keys())
    assert again[name]["spec"] == before[name]["spec"]


def test_s46_what_belongs_to_nothing_is_removed(cluster: Cluster) -> None:
    """Left by a node or a peer that went while nobody looked."""
    kinds = ("bgpsessions", "bgpadvertisedroutes")
    for kind in kinds:
        one = next(iter(cluster.objects(kind).values()))
        spec = one["spec"] | {"nodeName": "gone"} | ({"prefix": "222.2.200.0/24"} if "prefix" in one["spec"] else {})
        cluster.apply(
            json.dumps(
                {
                    "apiVersion": one["apiVersion"],
                    "kind": one["kind"],
                    "metadata": {"name": "orphan", "namespace": USER_NAMESPACE},
                    "spec": spec,
                }
            )
        )
    for kind in kinds:
        wait_until(
            f"no orphan among the {kind}",
            lambda kind=kind: "orphan" not in cluster.objects(kind),
            deadline=20,
            interval=0.3,
        )


def test_s49_s50_the_routes_of_a_node_come_and_go_with_its_node_object(cluster: Cluster) -> None:
    before = cluster.routes()
    cluster.apply(node("extra", "10.0.1.77"))
    joined = frozenset([ip_address("10.0.1.77")])
    wait_until("its route", cluster.routes, lambda seen: joined in seen.values(), deadline=10)

    cluster.flatbgp("delete", "node", "extra", "--store", cluster.stores.user)

    for router in cluster.routers:
        wait_until(
            f"{router} to have lost it",
            lambda router=router: cluster.routes(router),
            lambda seen: seen == before,
            deadline=WITHDRAWN_SECONDS,
        )


def test_s51_a_node_with_a_new_address_is_never_without_a_route(cluster: Cluster) -> None:
    machine = next(each for each in cluster.topology.nodes if each.name == "node-02")
    old, six = (str(each.ip) for each in machine.addresses)
    new = "10.0.3.66"
    cidr = next(each for each in cluster.pod_cidrs()["node-02"] if each.version == 4)
    cluster.network.namespace("node-02").add_addresses(NODE_INTERFACE, [ip_interface(f"{new}/24")])
    seen: list[frozenset[IPAddress]] = []

    def next_hops() -> frozenset[IPAddress]:
        found = cluster.routes().get(ip_network(cidr), frozenset())
        seen.append(found)
        return found

    for address in (new, old):
        cluster.apply(node("node-02", address, six))
        wait_until(
            f"the next hop to be {address}",
            next_hops,
            lambda found, address=address: found == frozenset([ip_address(address)]),
            deadline=15,
        )
    assert frozenset() not in seen


def test_s54_only_the_routes_of_a_family_come_and_go_with_its_switch(cluster: Cluster) -> None:
    four = cluster.routes()
    flushes = []

    def six() -> int:
        if cluster.routes() != four:
            flushes.append(cluster.routes())
        return len(cluster.routes(family=Family.IPV6))

    cluster.apply(mode(ipv6=False), admin=True)
    wait_until("no IPv6 route", six, lambda count: count == 0, deadline=15)
    cluster.apply(mode(ipv6=True), admin=True)
    wait_until("all IPv6 routes", six, lambda count: count == len(cluster.topology.nodes), deadline=15)

    assert flushes == []


def test_s55_cordon_and_not_ready_say_nothing_to_routers(cluster: Cluster) -> None:
    machine = next(each for each in cluster.topology.nodes if each.name == "node-02")
    addresses = [str(each.ip) for each in machine.addresses]
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-2"), ROUTER_RACK_INTERFACE, "tcp port 179"
    )

    cluster.apply(node("node-02", *addresses, unschedulable=True, ready=False))

    seen = len(capture.messages())
    wait_until("keepalives of ten more seconds", lambda: len(capture.messages()) >= seen + 4, deadline=40)
    assert {each.type for each in capture.messages()} == {MessageType.KEEPALIVE}
    cluster.apply(node("node-02", *addresses))
