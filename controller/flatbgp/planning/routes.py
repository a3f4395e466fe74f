"""Which prefixes are announced, through which next hop: from the Nodes to BGPAdvertisedRoutes.

The next hop is the node that owns the prefix. Names stay with their prefix, and what is added comes before what is
removed, so that a node whose address changes is never without a route.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flatbgp.planning.configuration import Configuration
from flatbgp.planning.marks import USER_NAMESPACE
from flatbgp.resources.bgpadvertisedroute import BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.names import further_route_name, route_name
from flatbgp.resources.node import NodeSpec, NodeStatus, address_of
from flatbgp.resources.resource import Resource

Node = Resource[NodeSpec, NodeStatus]
Route = Resource[BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus]

_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Announcing:
    """What is announced of every node: the families, and the metric that the routes show."""

    families: frozenset[Family] = frozenset()
    metric: int | None = None


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """The difference, in the order in which it is to be written, and what could not be announced.

    ``without_address`` are nodes with pod CIDRs of a family but no address of it. ``duplicates`` maps prefixes that two
    nodes have to the nodes that are *not* announced.
    """

    create: tuple[tuple[Key, BGPAdvertisedRouteSpec], ...] = ()
    replace: tuple[tuple[Route, BGPAdvertisedRouteSpec], ...] = ()
    delete: tuple[Route, ...] = ()
    total: int = 0
    without_address: tuple[tuple[str, Family], ...] = ()
    duplicates: tuple[tuple[IPNetwork, str], ...] = ()


def announcing(config: Configuration, flat_ipv4: bool | None, existing: Iterable[Route]) -> Announcing:
    """Return what is announced.

    IPv4 needs a cluster in flat mode. The metric is the lowest ``med`` of the selected peers: what the router that
    likes us best sees. A FlatIPMode that cannot be read (and of which no earlier version is known) changes nothing:
    the families that are announced stay so.
    """
    if config.mode is None:
        return Announcing()
    mode = config.mode.spec
    if mode is None:
        found = [route.spec for route in existing if route.spec is not None]
        metrics = {spec.metric for spec in found}
        metric = next(iter(metrics)) if len(metrics) == 1 else None
        return Announcing(frozenset(Family.of(spec.prefix) for spec in found), metric)
    families = {Family.IPV4} if mode.enable_bgp_ipv4 and flat_ipv4 is not False else set()
    if mode.enable_bgp_ipv6:
        families.add(Family.IPV6)
    meds = [spec.med for peer, spec in config.peers if mode.selects(peer.meta.labels) and spec.med is not None]
    return Announcing(frozenset(families), min(meds, default=None))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One prefix of a node, with what is compared often made once."""

    prefix: str
    spec: BGPAdvertisedRouteSpec
    name: Key
    node: Node


class RoutePlanner:
    """Plans the same as a planner without memory would; what a Node gives is computed once for each of its versions."""

    def __init__(self) -> None:
        self._announcing = Announcing()
        self._nodes: dict[str, tuple[Node, tuple[_Candidate, ...], tuple[Family, ...]]] = {}
        self._same: dict[Key, tuple[Route, _Candidate]] = {}

    def plan(self, nodes: Collection[Node], announce: Announcing, existing: Mapping[Key, Route]) -> RoutePlan:
        """Return what to write so that exactly the routes of these nodes exist.

        A Node that is being deleted has none any more: its pods go, and routers should stop sending at once.
        """
        if announce != self._announcing:
            self._announcing, self._nodes = announce, {}
        owners, duplicates, without = self._owners(nodes)
        taken, unnamed = self._keep_names(owners.values(), existing)
        for candidate in sorted(unnamed, key=_age):
            key = candidate.name
            if key in taken or _still_needed(existing.get(key), owners):
                key = Key(USER_NAMESPACE, further_route_name(candidate.spec.next_hop, candidate.spec.prefix))
            taken[key] = candidate
        return self._difference(taken, existing, without, duplicates)

    def _owners(
        self, nodes: Iterable[Node]
    ) -> tuple[dict[str, _Candidate], list[tuple[IPNetwork, str]], list[tuple[str, Family]]]:
        """Return one candidate a prefix: the oldest node's, for a prefix that two nodes have."""
        known, self._nodes = self._nodes, {}
        owners: dict[str, _Candidate] = {}
        duplicates: list[tuple[IPNetwork, str]] = []
        without: list[tuple[str, Family]] = []
        for node in nodes:
            name = node.meta.name
            entry = known.get(name)
            if entry is None or entry[0] is not node:
                entry = (node, *_candidates(node, self._announcing))
            self._nodes[name] = entry
            without += [(name, family) for family in entry[2]]
            for candidate in entry[1]:
                other = owners.setdefault(candidate.prefix, candidate)
                if other is not candidate:
                    first, second = sorted((other, candidate), key=_age)
                    owners[candidate.prefix] = first
                    duplicates.append((candidate.spec.prefix, second.node.meta.name))
        return owners, sorted(duplicates, key=lambda pair: (str(pair[0]), pair[1])), sorted(without)

    def _keep_names(
        self, candidates: Iterable[_Candidate], existing: Mapping[Key, Route]
    ) -> tuple[dict[Key, _Candidate], list[_Candidate]]:
        """Return the candidates that have an object already, by its name, and the others."""
        same, self._same = self._same, {}
        taken: dict[Key, _Candidate] = {}
        unnamed: list[_Candidate] = []
        for candidate in candidates:
            key = candidate.name
            route = existing.get(key)
            known = same.get(key)
            if route is not None and known is not None and known[0] is route and known[1] is candidate:
                taken[key] = candidate
                self._same[key] = known
                continue
            if not _announces(route, candidate):
                key = Key(USER_NAMESPACE, further_route_name(candidate.spec.next_hop, candidate.spec.prefix))
                route = existing.get(key)
            if route is not None and _announces(route, candidate):
                taken[key] = candidate
                if route.spec == candidate.spec:
                    self._same[key] = route, candidate
            else:
                unnamed.append(candidate)
        return taken, unnamed

    def _difference(
        self,
        taken: Mapping[Key, _Candidate],
        existing: Mapping[Key, Route],
        without: list[tuple[str, Family]],
        duplicates: list[tuple[IPNetwork, str]],
    ) -> RoutePlan:
        changed = sorted(taken.keys() - self._same.keys())
        return RoutePlan(
            create=tuple((key, taken[key].spec) for key in changed if key not in existing),
            replace=tuple(
                (existing[key], taken[key].spec)
                for key in changed
                if key in existing and existing[key].spec != taken[key].spec
            ),
            delete=tuple(existing[key] for key in sorted(existing.keys() - taken.keys())),
            total=len(taken),
            without_address=tuple(without),
            duplicates=tuple(duplicates),
        )


def _candidates(node: Node, announce: Announcing) -> tuple[tuple[_Candidate, ...], tuple[Family, ...]]:
    """Return what a node gives, and the families that it has pod CIDRs but no address of."""
    if node.spec is None or node.meta.deleting:
        return (), ()
    found: list[_Candidate] = []
    without: list[Family] = []
    hops: dict[Family, IPAddress | None] = {}
    for prefix in node.spec.pod_cidrs:
        family = Family.of(prefix)
        if family not in announce.families:
            continue
        if family not in hops:
            hops[family] = address_of(node.status, family)
            if hops[family] is None:
                without.append(family)
        hop = hops[family]
        if hop is not None:
            spec = BGPAdvertisedRouteSpec(prefix, hop, node.meta.name, announce.metric)
            found.append(_Candidate(str(prefix), spec, Key(USER_NAMESPACE, route_name(hop)), node))
    return tuple(found), tuple(without)


def _still_needed(route: Route | None, owners: Mapping[str, _Candidate]) -> bool:
    """Return whether an object announces a prefix that is wanted: it must not be taken for another one."""
    return route is not None and route.spec is not None and str(route.spec.prefix) in owners


def _announces(route: Route | None, candidate: _Candidate) -> bool:
    return (
        route is not None
        and route.spec is not None
        and route.spec.prefix == candidate.spec.prefix
        and route.spec.next_hop == candidate.spec.next_hop
    )


def _age(candidate: _Candidate) -> tuple[datetime, str, int]:
    """Return the sort key that decides between nodes, and between the prefixes of one."""
    meta = candidate.node.meta
    prefixes = candidate.node.spec.pod_cidrs if candidate.node.spec else ()
    return meta.creation_timestamp or _FIRST, meta.name, prefixes.index(candidate.spec.prefix)


def plan_routes(nodes: Collection[Node], announce: Announcing, existing: Mapping[Key, Route]) -> RoutePlan:
    """Plan once, from nothing."""
    return RoutePlanner().plan(nodes, announce, existing)


def next_hops(routes: Iterable[Route]) -> Mapping[IPNetwork, IPAddress]:
    """Return what the engine has to announce.

    While a node's address changes, a prefix has two objects for a moment: the newer one counts.
    """
    chosen: dict[IPNetwork, Route] = {}
    for route in routes:
        if route.spec is None or route.meta.deleting:
            continue
        other = chosen.setdefault(route.spec.prefix, route)
        if other is not route and _newer(route, other):
            chosen[route.spec.prefix] = route
    return {prefix: route.spec.next_hop for prefix, route in chosen.items() if route.spec is not None}


def _newer(one: Route, other: Route) -> bool:
    return (one.meta.creation_timestamp or _FIRST, one.meta.name) > (
        other.meta.creation_timestamp or _FIRST,
        other.meta.name,
    )


def after(plan: RoutePlan, existing: Mapping[Key, Route]) -> Mapping[Key, BGPAdvertisedRouteSpec]:
    """Return the routes as they are once the plan is applied."""
    state = {key: route.spec for key, route in existing.items() if route.spec is not None}
    state |= dict(plan.create)
    state |= {route.key: spec for route, spec in plan.replace}
    for route in plan.delete:
        state.pop(route.key, None)
    return state
