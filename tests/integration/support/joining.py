"""A node that joins: what proves that controller, speakers and routers really go on after a fault."""

from flatbgp.lab.waiting import wait_until
from support.faultcluster import FaultCluster
from support.objects import node
from support.takeover import Gateway

ROUTE = 15.0
"""Seconds until the routes of a new node are at every router."""

_NAME, _ADDRESSES = "late", ("10.0.1.77", "2001:db8:a00:1::77")


def join(cluster: FaultCluster, through: Gateway) -> None:
    """Let a node join and leave again; its routes reach every router through the gateway's address."""
    cluster.apply(node(_NAME, *_ADDRESSES[: len(cluster.families)]))
    prefixes = wait_until("its pod CIDR", lambda: cluster.pod_cidrs().get(_NAME, ()), deadline=ROUTE)
    for router in through.routers:
        view = cluster.view(router)
        try:
            wait_until(
                f"its routes at {router}",
                view.fresh,
                lambda seen: {(prefix, through.address) for prefix in prefixes} <= seen,
                deadline=ROUTE,
            )
        finally:
            view.close()
    cluster.delete("nodes", _NAME, "")
