"""All that follows from the Nodes: the pod CIDRs that they get, the routes to them, and who uses which range."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from flatbgp.planning.blocks import block_of
from flatbgp.planning.configuration import judge
from flatbgp.planning.marks import IN_USE_FINALIZER
from flatbgp.planning.nodefacts import Node, NodeFacts, NodeTable
from flatbgp.planning.podcidrs import Allocator, Assignment, CIDRConfig, Outcome, Shortage, Usage
from flatbgp.planning.routes import Announcing, Route, RoutePlan, RoutePlanner
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.reasons import Reason

_FIRST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Given:
    """What is known at one moment. ``configs`` have their last good spec; ``reserved`` must not be given to pods.

    ``appeared`` are the pod CIDRs that Nodes without any were seen to get since the plan before; while ``settling``,
    the writes of another leader may still arrive among them. While ``incomplete``, more configs may be on their way and
    nothing is assigned: a node keeps for ever what it gets, and one that selects it would come too late.
    """

    nodes: Collection[Node]
    configs: Sequence[CIDRConfig]
    routes: Mapping[Key, Route]
    announcing: Announcing
    reserved: Sequence[IPNetwork] = ()
    mirrored: bool = False
    appeared: Mapping[str, tuple[IPNetwork, ...]] = field(default_factory=dict)
    settling: bool = False
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What to write, in this order: ``hold`` and ``free`` (finalizers of ranges), ``assign``, ``routes``.

    ``short`` are the nodes that get no pod CIDR; ``foreign`` have one that no range accounts for. ``intruders`` are
    addresses of nodes within a range, each with what it is. ``rival`` says what was seen of another allocator (empty:
    nothing); from then on nothing is assigned.
    """

    assign: tuple[tuple[Node, Assignment], ...] = ()
    short: tuple[Shortage, ...] = ()
    routes: RoutePlan = field(default_factory=RoutePlan)
    hold: tuple[CIDRConfig, ...] = ()
    free: tuple[CIDRConfig, ...] = ()
    usage: Mapping[str, Usage] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()
    intruders: tuple[tuple[IPAddress, str], ...] = ()
    rival: str = ""


class NodePlanner:
    """Plans from what is known now; it remembers only to be fast, which writes are under way, and a rival.

    Two allocators that do not know each other give one block to two nodes sooner or later. Once pod CIDRs of another
    one have appeared nothing more is assigned for as long as this planner lives: a person must decide which one stays.

    Not safe for two threads at once.
    """

    def __init__(self) -> None:
        self._allocator = Allocator()
        self._routes = RoutePlanner()
        self._table = NodeTable()
        self._seen: dict[str, NodeFacts] = {}
        self._configured: tuple[list[CIDRConfig], tuple[IPNetwork, ...]] = ([], ())
        self._rival = ""
        self._short: list[Shortage] = []
        self._assigned: dict[str, tuple[IPNetwork, ...]] = {}  # node -> what it was last to get, written or not
        self._written: dict[str, str] = {}  # node -> the version of it that the write was made on

    def plan(self, given: Given) -> NodePlan:
        """Return what to write. What is to be assigned counts as taken from now on: see :meth:`settle`."""
        configs = [config for config in given.configs if judged_usable(config, mirrored=given.mirrored)]
        self._configure(configs, given.reserved)
        nodes = self._table.read(given.nodes)
        self._look_for_rival(given)
        self._follow(nodes)
        assign: list[tuple[Node, Assignment]] = []
        short: list[Shortage] = []
        told = {shortage.node: shortage for shortage in self._short}
        for node in sorted(filter(_wants, given.nodes), key=_age):
            if given.incomplete:
                short += [told[node.meta.name]] if node.meta.name in told else []
                continue
            if self._written.get(node.meta.name) == node.meta.resource_version:
                continue  # written; the Node as it is now has not come back yet
            if self._rival:
                short.append(Shortage(node.meta.name, "another allocator of pod CIDRs is at work"))
                continue
            outcome = self._allocator.assign(node.meta.name, node.meta.labels)
            if isinstance(outcome, Assignment):
                assign.append((node, outcome))
                self._assigned[node.meta.name] = outcome.pod_cidrs
            else:
                short.append(outcome)
        self._short = short
        usage = self._allocator.usage()
        return NodePlan(
            assign=tuple(assign),
            short=tuple(short),
            routes=self._routes.plan(nodes.values(), given.announcing, given.routes),
            hold=tuple(config for config in configs if _lacks_hold(config, usage)),
            free=tuple(config for config in configs if _needs_no_hold(config, usage)),
            usage=usage,
            foreign=self._allocator.foreign(),
            intruders=tuple(
                (block.network().network_address, f"address of Node {name}")
                for name, block in self._allocator.intruders()
            ),
            rival=self._rival,
        )

    def settle(self, node: Node, outcome: Outcome) -> None:
        """Note how the write of a node's assignment went."""
        self._allocator.settle(node.meta.name, outcome)
        if outcome is Outcome.WRITTEN:
            self._written[node.meta.name] = node.meta.resource_version

    def _configure(self, configs: list[CIDRConfig], reserved: Iterable[IPNetwork]) -> None:
        wanted = tuple(reserved)
        known, before = self._configured
        if (
            len(known) != len(configs)
            or any(a is not b for a, b in zip(known, configs, strict=True))
            or before != wanted
        ):
            self._configured = configs, wanted
            self._allocator.configure(configs, wanted)

    def _look_for_rival(self, given: Given) -> None:
        for name, cidrs in sorted(given.appeared.items()):
            if self._rival or self._assigned.get(name) == cidrs:
                continue
            if given.settling and self._allocator.accounts_for(tuple(map(block_of, cidrs))):
                continue
            self._rival = (
                f"Node {name} got {' and '.join(map(str, cidrs))} from another allocator of pod CIDRs, so this one "
                "gives none: stop one of the two (kube-controller-manager runs one with --allocate-node-cidrs), "
                "then restart the controller."
            )

    def _follow(self, nodes: dict[str, NodeFacts]) -> None:
        """Bring the allocator to these nodes."""
        for name, facts in nodes.items():
            known = self._seen.get(name)
            if known is facts:
                continue
            if known is not None and known.node.meta.uid != facts.node.meta.uid:
                self._forget(name)  # deleted and made again between two looks
            blocks = tuple(block_of(address) for address in facts.addresses.values())
            self._allocator.put_node(name, facts.pods, blocks)
        for name in self._seen.keys() - nodes.keys():
            self._forget(name)
        self._seen = nodes

    def _forget(self, name: str) -> None:
        self._allocator.drop_node(name)
        self._assigned.pop(name, None)
        self._written.pop(name, None)


def judged_usable(config: CIDRConfig, *, mirrored: bool) -> bool:
    """Return whether nodes can have blocks of a config: it has a (last good) spec and is not beside a mirror."""
    verdict = judge(config, mirrored=mirrored)
    return config.spec is not None and (verdict is None or verdict.reason is Reason.INVALID)


def _wants(node: Node) -> bool:
    return node.spec is not None and not node.spec.pod_cidrs and not node.meta.deleting


def _age(node: Node) -> tuple[datetime, str]:
    return node.meta.creation_timestamp or _FIRST, node.meta.name


def _lacks_hold(config: CIDRConfig, usage: Mapping[str, Usage]) -> bool:
    used = bool(usage[config.meta.name].nodes)
    return used and not config.meta.deleting and IN_USE_FINALIZER not in config.meta.finalizers


def _needs_no_hold(config: CIDRConfig, usage: Mapping[str, Usage]) -> bool:
    return not usage[config.meta.name].nodes and IN_USE_FINALIZER in config.meta.finalizers
