"""Which pod CIDRs a node gets: the allocation of blocks from ClusterCIDRConfigs.

The rules are those that the Kubernetes community settled on for several cluster CIDRs (KEP-2593, later draft): of the
configs whose selector matches the node, the one with most requirements, then with the fewest free blocks, then with the
smallest blocks, then by selector and CIDR text; configs without a selector come after all others; a config that is
full is passed over. All families of a node come from one config, and a node gets all of them or nothing. Blocks are
kept apart across all configs, from Service ranges, and from the addresses of nodes.

What a node holds is held until its Node object is gone: a Node with a deletionTimestamp still has its pods
(https://github.com/kubernetes/kubernetes/issues/127792).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from flatbgp.planning.blocks import Block, RangeIndex, block_of
from flatbgp.resources.clustercidrconfig import (
    CIDRRange,
    ClusterCIDRConfigSpec,
    ClusterCIDRConfigStatus,
    LabelSelector,
    SelectorOperator,
)
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.resource import Resource

CIDRConfig = Resource[ClusterCIDRConfigSpec, ClusterCIDRConfigStatus]


@dataclass(frozen=True, slots=True)
class Assignment:
    """The pod CIDRs that a node is to get, IPv4 first, and the config they come from."""

    node: str
    config: str
    pod_cidrs: tuple[IPNetwork, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """A node that cannot get pod CIDRs, and why."""

    node: str
    message: str


class Outcome(StrEnum):
    """How a write went: done, certainly not done, or nobody knows (no answer within the deadline)."""

    WRITTEN = "written"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a config is used: ``nodes`` have blocks of it (sorted), ``free`` more could get one."""

    nodes: tuple[str, ...]
    free: int


class _Held(NamedTuple):
    """What a node takes of the address space: its pod CIDRs, and its own addresses."""

    pods: tuple[Block, ...]
    addresses: tuple[Block, ...]


class _Pending(NamedTuple):
    """An assignment that its Node object does not show yet; ``maybe_written`` once a write of it may have happened."""

    assignment: Assignment
    blocks: tuple[Block, ...]
    maybe_written: bool = False


class _Config:
    """A config with its ranges' indexes and the constant part of its place in the order."""

    __slots__ = ("fixed_rank", "name", "ranges", "selector", "terminating", "users")

    def __init__(self, config: CIDRConfig, spec: ClusterCIDRConfigSpec) -> None:
        self.name = config.meta.name
        self.selector = spec.node_selector or LabelSelector()
        self.terminating = config.meta.deleting
        given = [blocks for blocks in (spec.ipv4, spec.ipv6) if blocks is not None]
        self.ranges = tuple(RangeIndex(block_of(blocks.cidr), blocks.per_node_mask_size) for blocks in given)
        self.users: dict[str, int] = {}  # node -> how many of its blocks are ours
        self.fixed_rank = (min(blocks.host_bits for blocks in given), _selector_text(self.selector), _cidr_text(given))

    @property
    def free(self) -> int:
        """For how many nodes there is room."""
        return min(index.free for index in self.ranges)

    def rank(self) -> tuple[bool, int, int, int, str, str]:
        """Return the sort key among the configs that match a node: the lowest gives the block."""
        requirements = self.selector.requirements
        return (not requirements, -requirements, self.free, *self.fixed_rank)


class Allocator:
    """An index of all blocks that are taken: the same for the same nodes and configs, in whatever order they came.

    :meth:`assign` takes the blocks at once, so that several nodes can be placed before any is written. The caller
    writes them, conditional on the version of the Node that it saw, and then says with :meth:`settle` how that went.
    """

    def __init__(self) -> None:
        self._configs: tuple[_Config, ...] = ()
        self._ranges: dict[tuple[int, int], dict[int, list[tuple[RangeIndex, _Config]]]] = {}
        self._reserved: tuple[Block, ...] = ()
        self._nodes: dict[str, _Held] = {}
        self._pending: dict[str, _Pending] = {}
        self._foreign: set[str] = set()
        self._intruders: dict[str, tuple[Block, ...]] = {}

    def configure(self, configs: Iterable[CIDRConfig], reserved: Iterable[IPNetwork]) -> None:
        """Set the configs (those without a valid spec are left out) and the ranges that no block may touch."""
        ordered = sorted(configs, key=lambda config: config.meta.name)
        self._configs = tuple(_Config(config, config.spec) for config in ordered if config.spec is not None)
        self._ranges, self._foreign, self._intruders = {}, set(), {}
        for config in self._configs:
            for index in config.ranges:
                level = self._ranges.setdefault((index.cidr.version, index.cidr.length), {})
                level.setdefault(index.cidr.base, []).append((index, config))
        self._reserved = tuple(sorted({block_of(network) for network in reserved}))
        for block in self._reserved:
            self._take(block)
        for name, held in self._nodes.items():
            self._hold(name, held)
        for name, pending in self._pending.items():
            self._hold(name, _Held(pending.blocks, ()))

    def put_node(self, name: str, pod_cidrs: tuple[Block, ...], addresses: tuple[Block, ...]) -> None:
        """Note what a Node object says; podCIDRs on it settle a pending assignment, whatever they are."""
        held = _Held(pod_cidrs, addresses)
        known = self._nodes.get(name)
        if known != held:
            if known is not None:
                self._let_go(name, known)
            self._nodes[name] = held
            self._hold(name, held)
        if pod_cidrs:
            self._release(name)

    def drop_node(self, name: str) -> None:
        """Note that a Node object is gone: its blocks are free, and nothing can be written to it any more."""
        known = self._nodes.pop(name, None)
        if known is not None:
            self._let_go(name, known)
        self._release(name)

    def assign(self, name: str, labels: Mapping[str, str]) -> Assignment | Shortage:
        """Return what a node without podCIDRs gets, and take it; the same again while the outcome is unknown."""
        pending = self._pending.get(name)
        if pending is not None:
            return pending.assignment
        matching = [config for config in self._configs if config.selector.matches(labels)]
        for config in sorted((config for config in matching if not config.terminating), key=_Config.rank):
            lowest = [index.lowest_free() for index in config.ranges]
            if None in lowest:
                continue
            blocks = tuple(
                index.block(place) for index, place in zip(config.ranges, lowest, strict=True) if place is not None
            )
            assignment = Assignment(name, config.name, tuple(block.network() for block in blocks))
            self._pending[name] = _Pending(assignment, blocks)
            self._hold(name, _Held(blocks, ()))
            return assignment
        return Shortage(name, _shortage(matching))

    def accounts_for(self, pod_cidrs: tuple[Block, ...]) -> bool:
        """Return whether each block has the place and size of one of a config."""
        return all(self._owners(block) for block in pod_cidrs)

    def settle(self, name: str, outcome: Outcome) -> None:
        """Note how a write of what :meth:`assign` gave went.

        After a failure the blocks are free again, unless an earlier write of them succeeded or has an unknown outcome:
        that one may be what the store refused this one for. Then they stay with the node until its Node object shows
        podCIDRs or is gone, and :meth:`assign` gives the same ones again.
        """
        pending = self._pending.get(name)
        if pending is None:
            return
        if outcome is not Outcome.FAILED:
            self._pending[name] = pending._replace(maybe_written=True)
        elif not pending.maybe_written:
            self._release(name)

    def intruders(self) -> tuple[tuple[str, Block], ...]:
        """Return the addresses of nodes that lie within a config's range, sorted by node."""
        return tuple((name, block) for name in sorted(self._intruders) for block in self._intruders[name])

    def usage(self) -> Mapping[str, Usage]:
        """Return how much of each config is used; blocks whose write is under way count."""
        return {config.name: Usage(tuple(sorted(config.users)), config.free) for config in self._configs}

    def foreign(self) -> tuple[str, ...]:
        """Return the nodes with a pod CIDR that no config accounts for (somebody else gave it), sorted."""
        return tuple(sorted(self._foreign))

    def _release(self, name: str) -> None:
        pending = self._pending.pop(name, None)
        if pending is not None:
            self._let_go(name, _Held(pending.blocks, ()))

    def _hold(self, name: str, held: _Held) -> None:
        for block in held.pods:
            found = self._overlapping(block)
            owned = False
            for index, config in found:
                index.add(block)
                if index.mask == block.length and index.cidr.length <= block.length:
                    config.users[name] = config.users.get(name, 0) + 1
                    owned = True
            if not owned:
                self._foreign.add(name)
        inside = [block for block in held.addresses if self._take(block)]
        if inside:
            self._intruders[name] = tuple(inside)

    def _let_go(self, name: str, held: _Held) -> None:
        self._foreign.discard(name)
        if held.addresses:
            self._intruders.pop(name, None)
        for block in (*held.pods, *held.addresses):
            for index, _ in self._overlapping(block):
                index.remove(block)
        for block in held.pods:
            for config in self._owners(block):
                config.users[name] -= 1
                if not config.users[name]:
                    del config.users[name]

    def _take(self, block: Block) -> bool:
        """Count a block as taken; return whether it lies in, or around, a range."""
        found = self._overlapping(block)
        for index, _ in found:
            index.add(block)
        return bool(found)

    def _owners(self, block: Block) -> list[_Config]:
        """Return the configs that a block can have come from: it lies in their range and has their size."""
        return [
            config
            for index, config in self._overlapping(block)
            if index.mask == block.length and index.cidr.length <= block.length
        ]

    def _overlapping(self, block: Block) -> list[tuple[RangeIndex, _Config]]:
        """Return the ranges that a block touches."""
        found: list[tuple[RangeIndex, _Config]] = []
        for (version, length), level in self._ranges.items():
            if version != block.version:
                continue
            if length <= block.length:
                shift = block.bits - length
                found += level.get(block.base >> shift << shift, ())
            else:
                shift = block.bits - block.length
                for base, entries in level.items():
                    if base >> shift == block.base >> shift:
                        found += entries
        return found


def _shortage(matching: Iterable[_Config]) -> str:
    reasons = [
        f"{config.name} is terminating" if config.terminating else f"{config.name} has no free block"
        for config in matching
    ]
    return "; ".join(reasons) + "." if reasons else "No ClusterCIDRConfig selects this node."


def _selector_text(selector: LabelSelector) -> str:
    """Return a selector as kubectl writes it, its requirements sorted."""
    words = [f"{key}={value}" for key, value in selector.match_labels.items()]
    for requirement in selector.match_expressions:
        values = ",".join(sorted(requirement.values))
        match requirement.operator:
            case SelectorOperator.IN:
                words.append(f"{requirement.key} in ({values})")
            case SelectorOperator.NOT_IN:
                words.append(f"{requirement.key} notin ({values})")
            case SelectorOperator.EXISTS:
                words.append(requirement.key)
            case SelectorOperator.DOES_NOT_EXIST:
                words.append(f"!{requirement.key}")
    return ",".join(sorted(words))


def _cidr_text(ranges: Iterable[CIDRRange]) -> str:
    return ",".join(str(blocks.cidr) for blocks in ranges)
