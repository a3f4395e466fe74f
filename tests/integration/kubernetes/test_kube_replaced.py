"""An API server that comes back as something else: empty, or another cluster. Nothing of it is taken for an order."""

from collections.abc import Iterator

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.charted import ADMIN_CLUSTER, USER_CLUSTER, Chart, Clusters
from support.cluster import example
from support.kubecluster import KubeCluster
from support.kubernetes import api_servers
from support.ping import INTERVAL, start_ping
from support.sandbox import Sandbox

WHILE_SECONDS = 15.0
"""Three Leases of a floating IP, and half of what routers keep stale routes for."""


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Chart, Clusters]]:
    """Two clusters of the test's own: it breaks them."""
    chart = Chart(tmp_path_factory.mktemp("helm"))
    with api_servers(2) as (admin, user):
        chart.install(admin, ADMIN_CLUSTER)
        chart.install(user, USER_CLUSTER)
        yield chart, Clusters(admin, user)


def _started(sandbox: Sandbox, clusters: Clusters) -> KubeCluster:
    cluster = KubeCluster(sandbox, example("single-stack-ipv4"), clusters.admin, clusters.user)
    cluster.start(deadline=60)
    cluster.await_sessions()
    cluster.await_routes()
    return cluster


@pytest.mark.timeout(360)
def test_s36_a_user_cluster_that_comes_back_empty_or_as_another_one_moves_and_deletes_nothing(
    sandbox: Sandbox, own: tuple[Chart, Clusters]
) -> None:
    chart, clusters = own
    cluster = _started(sandbox, clusters)
    expected = cluster.expected_routes(Family.IPV4)
    pods = {name: addresses[0] for name, addresses in cluster.pods.items()}
    before = {router: cluster.sessions(router) for router in cluster.routers}
    ping = start_ping(sandbox, cluster.network.namespace("node-01"), pods["node-01"], pods["node-02"])

    def pass_by() -> None:
        end = ping.so_far()[0] + WHILE_SECONDS / INTERVAL
        wait_until("some time", lambda: ping.so_far()[0], lambda sent: sent >= end, deadline=90, interval=0.5)

    clusters.user.replace()
    pass_by()
    controller = cluster.roles["controller"]
    wait_until("the controller to end", lambda: not controller.alive, deadline=30)
    cluster.start_controller()  # as a kubelet would: it knows nothing of the old cluster
    chart.install(clusters.user, USER_CLUSTER)
    group = {
        "apiVersion": "networking.gke.io/v1",
        "kind": "NetworkGatewayGroup",
        "metadata": {"name": "default", "namespace": "kube-system"},
        "spec": {"floatingIPs": ["10.0.1.99"]},
    }
    path = "/apis/networking.gke.io/v1/namespaces/kube-system/networkgatewaygroups"
    clusters.user.request("POST", path, group)
    pass_by()
    for router in cluster.routers:
        assert cluster.routes(router) == expected
        assert {key: each.established for key, each in cluster.sessions(router).items()} == {
            key: each.established for key, each in before[router].items()
        }
    assert ping.stop().lost == ()
    for node in cluster.topology.nodes:
        assert "10.0.1.99" not in cluster.network.namespace(node.name).run("ip", "address")


@pytest.mark.timeout(360)
def test_s36_an_admin_cluster_that_comes_back_empty_takes_nothing_from_the_user_cluster(
    sandbox: Sandbox, own: tuple[Chart, Clusters]
) -> None:
    chart, clusters = own
    cluster = _started(sandbox, clusters)
    copies = cluster.objects("bgppeers")
    clusters.admin.replace()
    chart.install(clusters.admin, ADMIN_CLUSTER)
    mirror = cluster.roles["admin"]
    wait_until(
        "the mirror to notice", lambda: mirror.output, lambda text: "the store cannot be read" in text, deadline=60
    )
    assert cluster.objects("bgppeers").keys() == copies.keys()
    mirror.stop()
    cluster.start_admin()
    again = cluster.roles["admin"]
    wait_until("a new mirror to refuse", lambda: not again.alive, deadline=60)
    assert again.stop() == 1
    assert "was it made anew" in again.output
    assert cluster.objects("bgppeers").keys() == copies.keys()
    cluster.await_routes()
