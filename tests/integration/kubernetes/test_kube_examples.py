"""The example configurations from `kubectl apply` to routes in FRR, on an admin and a user cluster."""

import pytest

from flatbgp.resources.ip import Family
from support.cluster import example
from support.kubecluster import KubeCluster
from support.sandbox import Sandbox


@pytest.mark.parametrize("name", ["single-stack-ipv4", "dual-stack-flat", "ipv4-island-ipv6-flat"])
@pytest.mark.timeout(240)
def test_s63_an_example_brings_its_sessions_up_and_exactly_its_routes_into_frr(
    sandbox: Sandbox, clusters, name
) -> None:
    cluster = KubeCluster(sandbox, example(name), clusters.admin, clusters.user)
    cluster.start(deadline=60)
    cluster.await_sessions()
    for family in Family:
        cluster.await_routes(family)
