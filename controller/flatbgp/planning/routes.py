"""Which prefixes are announced, through which next hop: from the Nodes to BGPAdvertisedRoutes.

The next hop is the node that owns the prefix. Names stay with their prefix, and what is added comes before what is
removed, so that a node whose address changes is never without a route.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from flatbgp.planning.blocks import Block, block_of
from flatbgp.planning.configuration import Configuration
from flatbgp.planning.nodefacts import Node, NodeFacts
from flatbgp.resources.bgpadvertisedroute import BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus
from flatbgp.resources.ip import Family, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.names import further_route_name, route_name
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.resource import Resource

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


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """One prefix of a node; ``prefix`` as integers, since networks are slow to hash and compare."""

    prefix: Block
    spec: BGPAdvertisedRouteSpec
    node: Node


@dataclass(frozen=True, slots=True, eq=False)
class _Of:
    """What one version of a Node gives, and the families that it has pod CIDRs but no address of."""

    facts: NodeFacts
    candidates: tuple[_Candidate, ...]
    without: tuple[Family, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Settled:
    """A candidate whose object in the store is as it should be."""

    candidate: _Candidate
    key: Key
    route: Route


class RoutePlanner:
    """Plans the same as a planner without memory would; what did not change is not computed again."""

    def __init__(self) -> None:
        self._announcing = Announcing()
        self._nodes: dict[str, _Of] = {}
        self._settled: dict[Block, _Settled] = {}

    def plan(self, nodes: Collection[NodeFacts], announce: Announcing, existing: Mapping[Key, Route]) -> RoutePlan:
        """Return what to write so that exactly the routes of these nodes exist.

        A Node that is being deleted has none any more: its pods go, and routers should stop sending at once.
        """
        if announce != self._announcing:
            self._announcing, self._nodes = announce, {}
        owners, duplicates, without = self._owners(nodes)
        taken, unnamed = self._keep_names(owners, existing)
        for candidate in sorted(unnamed, key=_age):
            key = _first_name(candidate)
            if key in taken or _still_needed(existing.get(key), owners):
                key = _further_name(candidate)
            taken[key] = candidate
        return self._difference(taken, existing, without, duplicates)

    def _owners(
        self, nodes: Iterable[NodeFacts]
    ) -> tuple[dict[Block, _Candidate], list[tuple[IPNetwork, str]], list[tuple[str, Family]]]:
        """Return one candidate a prefix: the oldest node's, for a prefix that two nodes have."""
        known, self._nodes = self._nodes, {}
        owners: dict[Block, _Candidate] = {}
        duplicates: list[tuple[IPNetwork, str]] = []
        without: list[tuple[str, Family]] = []
        for facts in nodes:
            name = facts.node.meta.name
            given = known.get(name)
            if given is None or given.facts is not facts:
                given = _given(facts, self._announcing)
            self._nodes[name] = given
            if given.without:
                without += [(name, family) for family in given.without]
            for candidate in given.candidates:
                other = owners.setdefault(candidate.prefix, candidate)
                if other is not candidate:
                    first, second = sorted((other, candidate), key=_age)
                    owners[candidate.prefix] = first
                    duplicates.append((candidate.spec.prefix, second.node.meta.name))
        return owners, sorted(duplicates, key=lambda pair: (str(pair[0]), pair[1])), sorted(without)

    def _keep_names(
        self, owners: Mapping[Block, _Candidate], existing: Mapping[Key, Route]
    ) -> tuple[dict[Key, _Candidate], list[_Candidate]]:
        """Return the candidates that have an object already, by its name, and the others."""
        before, self._settled = self._settled, {}
        taken: dict[Key, _Candidate] = {}
        unnamed: list[_Candidate] = []
        for prefix, candidate in owners.items():
            settled = before.get(prefix)
            if settled is None or settled.candidate is not candidate or existing.get(settled.key) is not settled.route:
                key = _find(candidate, existing)
                if key is None:
                    unnamed.append(candidate)
                    continue
                taken[key] = candidate
                if not _equal(existing[key], candidate):
                    continue
                settled = _Settled(candidate, key, existing[key])
            taken[settled.key] = candidate
            self._settled[prefix] = settled
        return taken, unnamed

    def _difference(
        self,
        taken: Mapping[Key, _Candidate],
        existing: Mapping[Key, Route],
        without: list[tuple[str, Family]],
        duplicates: list[tuple[IPNetwork, str]],
    ) -> RoutePlan:
        settled = {each.key for each in self._settled.values()}
        changed = sorted(taken.keys() - settled)
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


def _given(facts: NodeFacts, announce: Announcing) -> _Of:
    """Return what a node gives."""
    node = facts.node
    if node.spec is None or node.meta.deleting:
        return _Of(facts, (), ())
    found: list[_Candidate] = []
    without: list[Family] = []
    for prefix, block in zip(node.spec.pod_cidrs, facts.pods, strict=True):
        family = Family.of(prefix)
        if family not in announce.families:
            continue
        hop = facts.addresses.get(family)
        if hop is not None:
            spec = BGPAdvertisedRouteSpec(prefix, hop, node.meta.name, announce.metric)
            found.append(_Candidate(block, spec, node))
        elif family not in without:
            without.append(family)
    return _Of(facts, tuple(found), tuple(without))


def _first_name(candidate: _Candidate) -> Key:
    return Key(USER_NAMESPACE, route_name(candidate.spec.next_hop))


def _further_name(candidate: _Candidate) -> Key:
    return Key(USER_NAMESPACE, further_route_name(candidate.spec.next_hop, candidate.spec.prefix))


def _find(candidate: _Candidate, existing: Mapping[Key, Route]) -> Key | None:
    """Return the name under which a candidate's route is already announced, or ``None``."""
    for name in (_first_name, _further_name):
        key = name(candidate)
        if _announces(existing.get(key), candidate):
            return key
    return None


def _still_needed(route: Route | None, owners: Mapping[Block, _Candidate]) -> bool:
    """Return whether an object announces a prefix that is wanted: it must not be taken for another one."""
    return route is not None and route.spec is not None and block_of(route.spec.prefix) in owners


def _announces(route: Route | None, candidate: _Candidate) -> bool:
    return (
        route is not None
        and route.spec is not None
        and route.spec.prefix == candidate.spec.prefix
        and route.spec.next_hop == candidate.spec.next_hop
    )


def _equal(route: Route, candidate: _Candidate) -> bool:
    """Return whether an object that announces the candidate is right in everything else too."""
    return (
        route.spec is not None
        and route.spec.node_name == candidate.spec.node_name
        and route.spec.metric == candidate.spec.metric
    )


def _age(candidate: _Candidate) -> tuple[datetime, str, int]:
    """Return the sort key that decides between nodes, and between the prefixes of one."""
    meta = candidate.node.meta
    prefixes = candidate.node.spec.pod_cidrs if candidate.node.spec else ()
    return meta.creation_timestamp or _FIRST, meta.name, prefixes.index(candidate.spec.prefix)


def after(plan: RoutePlan, existing: Mapping[Key, Route]) -> Mapping[Key, BGPAdvertisedRouteSpec]:
    """Return the routes as they are once the plan is applied."""
    state = {key: route.spec for key, route in existing.items() if route.spec is not None}
    state |= dict(plan.create)
    state |= {route.key: spec for route, spec in plan.replace}
    for route in plan.delete:
        state.pop(route.key, None)
    return state
