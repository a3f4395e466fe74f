"""The example configurations from `kubectl apply` to routes in FRR, on an admin and a user cluster."""

import pytest

from flatbgp.resources.ip import Family
from support.charted import Clusters
from support.cluster import example
from support.kubecluster import KubeCluster
from support.sandbox import Sandbox

EXAMPLES = {
    "single-stack-ipv4": {Family.IPV4},
    "dual-stack-flat": {Family.IPV4, Family.IPV6},
    "ipv4-island-ipv6-flat": {Family.IPV6},
}
"""What each announces."""


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.timeout(240)
def test_s63_an_example_brings_its_sessions_up_and_exactly_its_routes_into_frr(
    sandbox: Sandbox, clusters: Clusters, name: str
) -> None:
    cluster = KubeCluster(sandbox, example(name), clusters.admin, clusters.user)
    cluster.start(deadline=60)
    cluster.await_sessions()
    for family in EXAMPLES[name]:
        cluster.await_routes(family)
        assert cluster.expected_routes(family)
    for family in set(Family) - EXAMPLES[name]:
        assert cluster.routes(family=family) == {}
