"""How long decisions for many nodes take. Prints medians and spreads; ``measure`` gives the raw figures.

The plan of 5,000 nodes, both families, 4 peers: from nothing (a role that starts), again after one node changed (what
happens all day), and with every node new to the allocator.
"""

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, TypeVar

from flatbgp.planning.configured import Configured, configured
from flatbgp.planning.holdings import Holding
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.nodes import Given, NodePlan, NodePlanner
from flatbgp.planning.routes import Route, announcing
from flatbgp.planning.sessions import SessionPlan, plan_sessions
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Key, Meta
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource

NODES = 5000
PEERS = 4
RUNS = 15

Figures = dict[str, list[float]]
"""Name with unit, and the samples."""

R = TypeVar("R")


def _object(kind: Kind[Any, Any], name: str, spec: dict[str, Any], **more: Any) -> Resource[Any, Any]:
    meta = {"name": name, "namespace": "kube-system" if kind.namespaced else "", "labels": {"flatip-peer": "true"}}
    return decode(kind, {"metadata": meta, "spec": spec, **more})


def _node(number: int, *, assigned: bool) -> Node:
    addresses = [f"172.16.{number // 250}.{number % 250 + 1}", f"2001:db8::{number + 1:x}"]
    spec: dict[str, Any] = {}
    if assigned:
        spec = {"podCIDRs": [f"10.{number // 256}.{number % 256}.0/24", f"2001:db8:1::{number:x}00/120"]}
    status = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}
    return _object(NODE, f"node-{number:05}", spec, status=status)


def _configured() -> Configured:
    peers = [
        _object(
            BGP_PEER,
            f"peer-{number}",
            {"localASN": 65001, "peerASN": 65002, "peerIP": f"192.0.2.{number + 1}", "sessions": 2},
        )
        for number in range(PEERS)
    ]
    ranges = {
        "ipv4": {"cidr": "10.0.0.0/8", "perNodeMaskSize": 24},
        "ipv6": {"cidr": "2001:db8:1::/104", "perNodeMaskSize": 120},
    }
    return configured(
        [_object(FLAT_IP_MODE, "default", {"enableBGPIPv4": True, "enableBGPIPv6": True})],
        [_object(NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["192.0.2.100", "192.0.2.101"]})],
        peers,
        [_object(CLUSTER_CIDR_CONFIG, "wide", ranges)],
        [],
    )


def _given(config: Configured, nodes: Sequence[Node], routes: dict[Key, Route]) -> Given:
    return Given(
        nodes=nodes,
        configs=config.ranges,
        routes=routes,
        announcing=announcing(config.config, None, routes.values()),
        reserved=config.reserved(),
    )


def _sessions(config: Configured) -> SessionPlan:
    subnet = ip_network("192.0.2.0/24")
    held = [Holding(ip_address(f"192.0.2.{100 + n}"), f"node-{n:05}", subnet) for n in range(2)]
    return plan_sessions(config.config, held, {}, {})


def _routes(plan: NodePlan) -> dict[Key, Route]:
    return {
        key: Resource(BGP_ADVERTISED_ROUTE, Meta(key.name, key.namespace), spec) for key, spec in plan.routes.create
    }


def _timed(figures: Figures, name: str, work: Callable[[], R]) -> R:
    gc.collect()
    begun = time.perf_counter()
    result = work()
    figures.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
    return result


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    config = _configured()
    nodes = [_node(number, assigned=True) for number in range(NODES)]
    bare = [_node(number, assigned=False) for number in range(NODES)]
    routes = _routes(NodePlanner().plan(_given(config, nodes, {})))
    planner = NodePlanner()
    planner.plan(_given(config, nodes, routes))
    for run in range(RUNS):
        fresh = NodePlanner()
        _timed(figures, "plan from nothing (ms)", lambda fresh=fresh: _whole(config, fresh, nodes, routes))
        nodes[run] = _node(run, assigned=True)
        _timed(figures, "plan after one node changed (ms)", lambda: _whole(config, planner, nodes, routes))
        empty = NodePlanner()
        _timed(figures, "give every node its pod CIDRs (ms)", lambda empty=empty: _whole(config, empty, bare, {}))
    return figures


def _whole(config: Configured, planner: NodePlanner, nodes: Sequence[Node], routes: dict[Key, Route]) -> None:
    planner.plan(_given(config, nodes, routes))
    _sessions(config)


if __name__ == "__main__":
    for name, samples in measure().items():
        ordered = sorted(samples)
        print(f"{name:40} median {statistics.median(ordered):8.1f}   {ordered[0]:.1f} to {ordered[-1]:.1f}")
