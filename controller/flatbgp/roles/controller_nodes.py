"""The controller's first loop: Nodes get their pod CIDRs, and pod CIDRs their routes."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from flatbgp.planning.marks import IN_USE_FINALIZER
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.nodes import Given, NodePlan, NodePlanner
from flatbgp.planning.podcidrs import Assignment, CIDRConfig, Outcome
from flatbgp.planning.routes import Route, announcing
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE, BGPAdvertisedRouteSpec
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import encode, encode_spec
from flatbgp.resources.mergepatch import difference
from flatbgp.resources.meta import Key, Meta
from flatbgp.resources.node import NODE
from flatbgp.roles.controller_caches import ControllerCaches
from flatbgp.roles.runtime import Trouble, Wakeup
from flatbgp.roles.runtime_writes import REFUSED_RETRY_SECONDS, Write, Writer
from flatbgp.store.protocol import Store

IN_A_THREAD: Final = 500
"""From so many Nodes on a plan takes milliseconds and is made in a thread: the event loop renews the leader's Lease."""

NOT_ASSIGNED_RETRY_SECONDS: Final = 0.1
"""When to try again to write a Node: it changed, or its store did not answer. Heartbeats of Nodes wake nobody."""

RANGES_SETTLE_SECONDS: Final = 0.5
"""For how long no range may have come, gone or changed before a Node gets a block. The ranges of one file arrive one
after another (kubectl and the mirror write them so), a cluster-wide one often before that of a Node's own pool."""

WRITES_AT_A_TIME: Final = 400
"""After so many writes the plan is made anew, so that what changes meanwhile does not wait for all the rest."""

ROUTES_BESIDE: Final = 75
"""So many routes are written in a round while more Nodes wait for pod CIDRs than one round serves. Thousands of Nodes
that come at once thus get theirs at nearly the rate at which the store takes writes, and the routes follow."""


@dataclass(slots=True)
class NodesLoop:
    """Plans and writes; ``planned`` is called with what the statuses tell of it.

    ``clock`` counts seconds. For ``settle_seconds`` from the first step on, the last writes of the leader before us may
    still arrive.
    """

    store: Store
    caches: ControllerCaches
    wakeup: Wakeup
    trouble: Trouble
    log: structlog.stdlib.BoundLogger
    planned: Callable[[NodePlan], None]
    clock: Callable[[], float]
    settle_seconds: float
    _began: float | None = None
    _ranges: Sequence[tuple[str, object]] | None = None
    _ranges_changed: float = 0.0
    _planner: NodePlanner = field(default_factory=NodePlanner)
    _not_assigned: bool = False
    _writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self._writer = Writer(self.trouble, self.log)

    async def step(self) -> float | None:
        """Bring Nodes and routes to where they should be; return when to try refused writes again."""
        if self._began is None:
            self._began = self.clock()
            self.caches.take_appeared()  # what came while another led is that leader's
        given = self._given()
        if len(given.nodes) < IN_A_THREAD:
            plan = self._planner.plan(given)
        else:
            plan = await asyncio.to_thread(self._planner.plan, given)
        self.planned(plan)
        self._tell_others(plan)
        self._not_assigned = False
        self._writer.begin()
        await self._writer.run(*self._phases(plan))
        self._writer.end()
        if self._not_assigned:
            return NOT_ASSIGNED_RETRY_SECONDS
        if given.incomplete:
            return max(0.0, self._ranges_changed + RANGES_SETTLE_SECONDS - self.clock())
        return REFUSED_RETRY_SECONDS if self._writer.refused else None

    def _tell_others(self, plan: NodePlan) -> None:
        """Say what is seen of other allocators."""
        if plan.rival:
            self.trouble.report("another allocator", plan.rival)
        if plan.usage and plan.foreign:
            self.trouble.report(
                "foreign pod CIDRs",
                f"Nodes such as {plan.foreign[0]} have pod CIDRs that no ClusterCIDRConfig accounts for. They are kept "
                "and announced. Is another allocator running (kube-controller-manager --allocate-node-cidrs)?",
            )
        else:
            self.trouble.clear("foreign pod CIDRs")

    def _given(self) -> Given:
        began = self._began if self._began is not None else self.clock()
        configured, routes = self.caches.configured(), self.caches.routes
        ranges = [(config.meta.name, config.spec) for config in configured.ranges]
        if ranges != self._ranges:
            self._ranges, self._ranges_changed = ranges, self.clock()
        return Given(
            nodes=self.caches.nodes.values(),
            configs=configured.ranges,
            routes=routes,
            announcing=announcing(configured.config, configured.facts.flat_ipv4, routes.values()),
            reserved=configured.reserved(),
            mirrored=configured.mirrored,
            appeared=self.caches.take_appeared(),
            settling=self.clock() < began + self.settle_seconds,
            incomplete=self.clock() < self._ranges_changed + RANGES_SETTLE_SECONDS,
        )

    def _phases(self, plan: NodePlan) -> Iterable[Sequence[Write]]:
        """Return what is written together: routes first, which packets wait for, and what comes before what goes."""
        routes = WRITES_AT_A_TIME if len(plan.assign) <= WRITES_AT_A_TIME else ROUTES_BESIDE
        create, replace = plan.routes.create[:routes], plan.routes.replace[:routes]
        added = len(create) == len(plan.routes.create) and len(replace) == len(plan.routes.replace)
        delete = plan.routes.delete[:WRITES_AT_A_TIME] if added else ()
        assign = plan.assign[:WRITES_AT_A_TIME]
        if not added or len(delete) < len(plan.routes.delete) or len(assign) < len(plan.assign):
            self.wakeup.set()
        return (
            [self._create(key, spec) for key, spec in create],
            [self._replace(route, spec) for route, spec in replace],
            [self._delete(route) for route in delete],
            [self._finalizer(config, held=True) for config in plan.hold],
            [self._assign(node, assignment) for node, assignment in assign],
            [self._finalizer(config, held=False) for config in plan.free],
        )

    def _create(self, key: Key, spec: BGPAdvertisedRouteSpec) -> Write:
        document = encode(BGP_ADVERTISED_ROUTE, Meta(key.name, key.namespace), spec)
        what = f"create BGPAdvertisedRoute {key.name} ({spec.prefix} via {spec.next_hop})"
        return Write(what, lambda: self.store.create(BGP_ADVERTISED_ROUTE, document))

    def _replace(self, route: Route, spec: BGPAdvertisedRouteSpec) -> Write:
        stored = route.document.get("spec")
        old = stored if isinstance(stored, dict) else {}
        patch = {"spec": difference(old, encode_spec(BGP_ADVERTISED_ROUTE, spec))}
        return Write(
            f"change BGPAdvertisedRoute {route.meta.name} ({spec.prefix} via {spec.next_hop})",
            lambda: self._patch(BGP_ADVERTISED_ROUTE, route, patch),
        )

    def _delete(self, route: Route) -> Write:
        meta = route.meta
        return Write(
            f"delete BGPAdvertisedRoute {meta.name}",
            lambda: self.store.delete(BGP_ADVERTISED_ROUTE, meta.name, meta.namespace, version=meta.resource_version),
        )

    def _assign(self, node: Node, assignment: Assignment) -> Write:
        texts = [str(network) for network in assignment.pod_cidrs]
        patch = {"spec": {"podCIDRs": texts, "podCIDR": texts[0]}}

        def settle(outcome: Outcome) -> None:
            self._planner.settle(node, outcome)
            self._not_assigned = self._not_assigned or outcome is not Outcome.WRITTEN

        what = f"give Node {node.meta.name} {' and '.join(texts)} of {assignment.config}"
        return Write(what, lambda: self._patch(NODE, node, patch), settle)

    def _finalizer(self, config: CIDRConfig, *, held: bool) -> Write:
        others = [each for each in config.meta.finalizers if each != IN_USE_FINALIZER]
        patch = {"metadata": {"finalizers": [*others, IN_USE_FINALIZER] if held else others or None}}
        what = "hold" if held else "release"
        return Write(
            f"{what} ClusterCIDRConfig {config.meta.name} by its finalizer",
            lambda: self._patch(CLUSTER_CIDR_CONFIG, config, patch),
        )

    async def _patch(self, kind: Any, resource: Any, patch: Any) -> None:
        meta = resource.meta
        await self.store.patch(kind, meta.name, meta.namespace, patch, version=meta.resource_version)
