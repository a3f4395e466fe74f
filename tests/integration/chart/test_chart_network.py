"""The chart on a network: its own pods hold floating IPs and sessions, through an upgrade, and let go at the end."""

from collections.abc import Iterator
from typing import Any

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.chartvalues import ONE_CLUSTER
from support.cluster import Cluster, example
from support.helm import CHART, RELEASE, Helm
from support.kubernetes import NAMESPACE, ApiServer, api_servers
from support.releasedcluster import FLOATING, ReleasedCluster
from support.sandbox import Sandbox


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_servers() as (server,):
        for namespace in (NAMESPACE, "cluster-bm"):
            server.create_namespace(namespace)
        yield server


def said(cluster: Cluster) -> dict[str, Any]:
    """Return what the user wrote, as it is now."""
    kinds = ("clusters", "networkgatewaygroups", "bgppeers", "flatipmodes.baremetal.cluster.gke.io")
    kinds += ("clustercidrconfigs.baremetal.cluster.gke.io", "secrets")
    found = {}
    for kind in kinds:
        for name, document in cluster.objects(kind).items():
            if document["metadata"].get("namespace") == "cluster-bm":
                found[f"{kind} {name}"] = (document.get("spec"), document["metadata"]["uid"])
    return found


@pytest.mark.timeout(400)
def test_s82_a_release_holds_its_sessions_through_an_upgrade_and_leaves_no_address_behind(
    helm4: Helm, server: ApiServer, sandbox: Sandbox
) -> None:
    helm = helm4.on(server)
    helm.run("install", RELEASE, CHART, "--namespace", NAMESPACE, values=ONE_CLUSTER)
    cluster = ReleasedCluster(sandbox, example("single-stack-ipv4"), server, server)
    cluster.start(deadline=90)
    cluster.await_sessions(deadline=90)
    cluster.await_routes(Family.IPV4, deadline=30)
    written = said(cluster)
    first = set(cluster.machinery.pods)

    helm.run("upgrade", RELEASE, CHART, "--namespace", NAMESPACE, values=ONE_CLUSTER | {"log": {"level": "debug"}})
    wait_until(
        "all pods to be replaced",
        lambda: {pod.name for pod in list(cluster.machinery.pods.values()) if pod.ready},
        lambda seen: not seen & first and len(seen) == len(first),
        deadline=120,
        interval=0.5,
    )
    cluster.await_sessions(deadline=90)
    cluster.await_routes(Family.IPV4, deadline=30)
    assert set.union(*cluster.floating().values()) == FLOATING

    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert set.union(*cluster.floating().values()) == set()
    for node in cluster.topology.nodes:
        assert "179" not in cluster.network.namespace(node.name).run("ss", "-Htn", "dport", "=", ":179")
    assert said(cluster) == written
    for kind in ("bgpsessions", "bgpadvertisedroutes"):
        assert cluster.objects(kind) == {}
    copies = cluster.objects("clustercidrconfigs.networking.gke.io")
    assert [copy["metadata"].get("finalizers") for copy in copies.values()] == [None]
    leases = cluster.objects("leases")
    assert not [name for name in leases if name.startswith(("floatingip-", "flatbgp-"))]
