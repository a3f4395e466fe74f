"""A cluster on Kubernetes over its life: edits, heartbeats, changes of the leader, an API server that is down."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from support.charted import Clusters
from support.cluster import example
from support.kubecluster import KubeCluster
from support.kubernetes import CONTROLLER, MIRROR, SPEAKER, ApiError
from support.objects import in_user_namespace, peer
from support.ping import INTERVAL, start_ping
from support.sandbox import Sandbox

OUTAGE_SECONDS = 60.0


@pytest.fixture(scope="module")
def running(module_sandbox: Sandbox, clusters: Clusters) -> KubeCluster:
    cluster = KubeCluster(module_sandbox, example("single-stack-ipv4"), clusters.admin, clusters.user)
    cluster.start(deadline=60)
    cluster.await_sessions()
    return cluster


@pytest.fixture
def cluster(running: KubeCluster) -> Iterator[KubeCluster]:
    """The shared cluster, before and after a test with exactly its routes, and with no session reset by it."""
    running.await_routes()
    before = _established(running)
    yield running
    running.await_routes()
    assert _established(running) == before, "a session was reset"


def _established(cluster: KubeCluster) -> dict[tuple[str, IPAddress], int]:
    return {
        (router, address): each.established
        for router in cluster.routers
        for address, each in cluster.sessions(router).items()
    }


def _updates(cluster: KubeCluster) -> dict[tuple[str, IPAddress], int]:
    """Return how many UPDATEs each router has received on each session."""
    return {
        (router, address): each.received["updates"]
        for router in cluster.routers
        for address, each in cluster.sessions(router).items()
    }


def test_s80_no_role_may_do_more_than_its_work(cluster: KubeCluster) -> None:
    server = cluster.user_server
    secrets, nodes = "/api/v1/namespaces/kube-system/secrets", "/api/v1/nodes"
    forbidden = [
        *((user, "GET", secrets) for user in (CONTROLLER, SPEAKER, MIRROR)),
        *((user, "DELETE", f"{nodes}/node-01") for user in (CONTROLLER, SPEAKER, MIRROR)),
        *((user, "PATCH", f"{nodes}/node-01") for user in (SPEAKER, MIRROR)),
        *((user, "GET", "/api/v1/pods") for user in (CONTROLLER, SPEAKER, MIRROR)),
        (SPEAKER, "DELETE", "/apis/networking.gke.io/v1/namespaces/kube-system/bgppeers/bgppeer1"),
    ]
    for user, method, path in forbidden:
        with pytest.raises(ApiError, match="forbidden"):
            server.request(method, path, {} if method == "PATCH" else None, user=user)


def test_s89_sessions_and_floating_ips_have_their_history_below_them(cluster: KubeCluster) -> None:
    def told(name: str) -> set[tuple[str, str]]:
        return {(each["reason"], each["type"]) for each in cluster.events(name)}

    for name in cluster.objects("bgpsessions"):
        wait_until(f"an Event of {name}", lambda name=name: told(name), lambda seen: ("Established", "Normal") in seen)
    messages = {each["message"] for each in cluster.events("default") if each["reason"] == "Held"}
    held = {str(address): each for address in ("10.0.1.100", "10.0.3.100") for each in messages if address in each}
    assert set(held) == {"10.0.1.100", "10.0.3.100"}


def test_s41_an_edit_on_the_user_cluster_is_overwritten_and_an_event_says_so(cluster: KubeCluster) -> None:
    original = cluster.objects("bgppeers")["bgppeer2"]["spec"]
    cluster.apply(in_user_namespace(peer("bgppeer2", "10.0.3.254", med=9)))
    wait_until(
        "the copy to be overwritten",
        lambda: cluster.objects("bgppeers")["bgppeer2"]["spec"],
        lambda spec: spec == original,
        deadline=20,
    )
    wait_until(
        "an Event on the copy",
        lambda: {each["reason"] for each in cluster.events("bgppeer2")},
        lambda seen: "Overwritten" in seen,
        deadline=20,
    )


@pytest.mark.parametrize("kind", ["bgpsessions", "bgpadvertisedroutes"])
def test_s44_what_was_removed_by_hand_is_made_again(cluster: KubeCluster, kind: str) -> None:
    before = cluster.objects(kind)
    name = min(before)
    cluster.delete(kind, name)
    wait_until(
        f"{name} to be back",
        lambda: cluster.objects(kind).get(name, before[name]),
        lambda seen: seen["metadata"]["uid"] != before[name]["metadata"]["uid"],
        deadline=30,
    )


def test_s45_s48_heartbeats_of_kubelets_and_reports_of_speakers_change_nothing_else(cluster: KubeCluster) -> None:
    kinds = ("bgppeers", "networkgatewaygroups", "flatipmodes.networking.gke.io", "bgpadvertisedroutes")

    def versions() -> dict[str, str]:
        found = [each for kind in kinds for each in cluster.objects(kind).items()]
        found += cluster.objects("clustercidrconfigs.networking.gke.io").items()
        return {name: each["metadata"]["resourceVersion"] for name, each in found}

    def reports() -> dict[str, Mapping[str, Any]]:
        return {name: each["status"] for name, each in cluster.objects("bgpsessions").items()}

    def complete(seen: Mapping[str, Mapping[str, Any]]) -> bool:
        return all(any(family["advertised"] for family in each.get("families", ())) for each in seen.values())

    wait_until("every session to be reported", reports, complete)
    before, told, updates = versions(), reports(), _updates(cluster)
    for beat in range(100):
        name = f"node-0{beat % 3 + 1}"
        moment = f"2026-11-24T09:{beat // 60:02}:{beat % 60:02}Z"
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": moment}
        cluster.user_server.merge(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [ready]}})
    seen = wait_until(
        "the next report of every session",
        reports,
        lambda seen: all(each["lastReport"] != told[name]["lastReport"] for name, each in seen.items()),
        deadline=40,
    )
    for name, each in seen.items():
        changed = {key for key in each if each[key] != told[name].get(key)}
        assert changed == {"lastReport"}, "a report that tells nothing new writes nothing but its time"
    assert versions() == before
    assert _updates(cluster) == updates


def test_s37_s39_s40_one_controller_leads_and_the_other_takes_over_without_a_word_to_the_routers(
    cluster: KubeCluster,
) -> None:
    first = cluster.roles["controller"]
    cluster.start_controller()
    second = cluster.roles["controller"]
    wait_until("the second to wait", lambda: "waiting for the lead" in second.output, deadline=30)
    updates = _updates(cluster)
    first.kill()
    cluster.join("node-05", ["10.0.1.55"])
    wait_until(
        "the other controller to serve a new node",
        lambda: {str(each) for hops in cluster.routes().values() for each in hops},
        lambda seen: "10.0.1.55" in seen,
        deadline=30,
    )
    cluster.user_server.request("DELETE", "/api/v1/nodes/node-05")
    cluster.await_routes()
    sent = {key: count - updates[key] for key, count in _updates(cluster).items()}
    assert set(sent.values()) == {2}, "one announcement and one withdrawal on each session, and nothing else"


@pytest.mark.timeout(300)
def test_s36_an_api_server_that_is_down_for_a_minute_changes_nothing_and_loses_nothing(
    sandbox: Sandbox, cluster: KubeCluster
) -> None:
    expected = cluster.expected_routes(Family.IPV4)
    pods = {name: addresses[0] for name, addresses in cluster.pods.items()}
    ping = start_ping(sandbox, cluster.network.namespace("node-01"), pods["node-01"], pods["node-02"])
    controller = cluster.roles["controller"]
    cluster.user_server.kill()
    try:
        count = OUTAGE_SECONDS / INTERVAL
        wait_until("a minute of pings", lambda: ping.so_far()[0], lambda sent: sent >= count, deadline=120, interval=1)
        for router in cluster.routers:
            assert cluster.routes(router) == expected
        # Nothing is left of a leader that cannot renew: it would be started again by the kubelet.
        wait_until("the controller to end", lambda: not controller.alive, deadline=5)
        assert controller.stop() == 1
        assert "could not be renewed in time" in controller.output
    finally:
        cluster.user_server.start()
    cluster.revive()
    cluster.join("node-07", ["10.0.1.57"])
    wait_until(
        "a new node to be served",
        lambda: {str(each) for hops in cluster.routes().values() for each in hops},
        lambda seen: "10.0.1.57" in seen,
        deadline=40,
    )
    cluster.user_server.request("DELETE", "/api/v1/nodes/node-07")
    wait_until(
        "reports again",
        lambda: {each["status"]["state"] for each in cluster.objects("bgpsessions").values()},
        lambda seen: seen == {"Established"},
        deadline=40,
    )
    assert ping.stop().lost == ()
