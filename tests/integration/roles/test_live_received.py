"""What routers announce to the nodes: counted, and used for nothing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import pytest

from flatbgp.lab.vty import Vty
from flatbgp.lab.waiting import wait_until
from support.binaries import gobgp, gobgpd
from support.cluster import Cluster, example
from support.objects import peer
from support.sandbox import Sandbox
from support.sessions import await_reason, await_up, established

PEER_1 = "10.0.1.254"
RACK_1, RACK_3 = ip_address("10.0.1.100"), ip_address("10.0.3.100")
BGP = "router bgp 65002"


@pytest.fixture(scope="module")
def cluster(module_sandbox: Sandbox) -> Cluster:
    place = Cluster(module_sandbox, example("single-stack-ipv4"), gobgpd_binary=gobgpd("4.8"))
    place.start()
    place.await_sessions()
    place.await_routes()
    return place


def test_s57_s58_what_a_router_announces_goes_nowhere(cluster: Cluster) -> None:
    own = min(cluster.pod_cidrs()["node-01"])
    announced = ("0.0.0.0/0", "203.0.113.9/32", str(own))
    other = cluster.routes("router-2")
    holders = {each["spec"]["nodeName"] for each in cluster.objects("bgpsessions").values()}
    before = {router: established(cluster, router) for router in cluster.routers}

    def received() -> set[int]:
        found = cluster.objects("bgpsessions").values()
        status = [each["status"] for each in found if each["spec"]["peerIP"] == PEER_1]
        families = [family for each in status for family in each.get("families", ())]
        return {each["received"] for each in families if each["family"] == "IPv4"}

    def advertised(vty: Vty) -> list[dict[str, Any]]:
        show = "show bgp ipv4 unicast neighbors {} advertised-routes json"
        return [vty.json(show.format(each)) for each in (RACK_1, RACK_3)]

    with _announced(cluster, *announced) as vty:
        wait_until(
            "the router to have sent them",
            lambda: advertised(vty),
            lambda seen: all(set(announced) <= set(each["advertisedRoutes"]) for each in seen),
            deadline=10,
        )
        wait_until(
            "the nodes to count them",
            received,
            lambda seen: min(seen, default=0) >= len(announced),
            deadline=40,
            interval=0.5,
        )
        assert cluster.routes("router-2") == other
        for node in sorted(holders):
            namespace = cluster.network.namespace(node)
            rib = namespace.run(gobgp("4.8"), "--target", f"unix://{cluster.api(node)}", "-j", "global", "rib")
            assert set(json.loads(rib)) == {str(each) for each in other}
            assert "203.0.113.9" not in namespace.run("ip", "route", "show", "table", "all")
    assert {router: established(cluster, router) for router in cluster.routers} == before


@contextmanager
def _announced(cluster: Cluster, *prefixes: str) -> Iterator[Vty]:
    """Let router-1 announce prefixes to the nodes for a while."""
    vty = cluster.routers["router-1"].vty

    def say(word: str) -> None:
        lines = [f"{word}network {prefix}" for prefix in prefixes]
        vty.configure(BGP, "no bgp network import-check", "address-family ipv4 unicast", *lines, "exit-address-family")

    say("")
    try:
        yield vty
    finally:
        say("no ")


def test_s59_too_many_prefixes_close_the_session_with_that_reason(cluster: Cluster) -> None:
    others = established(cluster, "router-2")
    cluster.apply(peer("bgppeer1", PEER_1, prefixLimit=1), admin=True)

    with _announced(cluster, "198.51.100.0/25", "198.51.100.128/25"):
        message = await_reason(cluster, "MaxPrefixes", PEER_1)
        assert "prefixLimit" in message
    before = established(cluster, "router-1")
    cluster.apply(peer("bgppeer1", PEER_1), admin=True)
    await_up(cluster, "router-1", before)
    assert established(cluster, "router-2") == others
