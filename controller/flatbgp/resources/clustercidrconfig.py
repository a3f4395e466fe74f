"""ClusterCIDRConfig: a range from which nodes get their pod CIDRs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from flatbgp.resources.conditions import Condition
from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.forms import Count, LabelKey, LabelValue, PodRange, Selector
from flatbgp.resources.ip import Family
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.schema import CelRule, Doc, Immutable, KeyedBy, Length, Range

IPV6_SPLIT_LIMIT = 16
"""Largest difference between an IPv6 range's prefix length and its nodes' (upstream's allocator refuses more)."""


@dataclass(frozen=True, slots=True)
class CIDRRange:
    """A range and the prefix length of the block that each node gets from it."""

    cidr: Annotated[PodRange, Doc("The range in CIDR notation.")]
    per_node_mask_size: Annotated[int, Doc("Prefix length of each node's block: 24 gives a /24."), Range(0, 128)]

    @property
    def host_bits(self) -> int:
        """Bits left for the pods of one node."""
        return self.cidr.max_prefixlen - self.per_node_mask_size


class SelectorOperator(StrEnum):
    """How a label is compared (metav1.LabelSelectorOperator)."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class SelectorRequirement:
    """One expression of a label selector (metav1.LabelSelectorRequirement)."""

    key: Annotated[LabelKey, Doc("The label's key.")]
    operator: Annotated[SelectorOperator, Doc("In, NotIn, Exists or DoesNotExist.")]
    values: Annotated[tuple[LabelValue, ...], Doc("The values, for In and NotIn only."), Length(0, 64)] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether the labels meet the expression; NotIn also holds where the label is absent."""
        match self.operator:
            case SelectorOperator.IN:
                return labels.get(self.key) in self.values
            case SelectorOperator.NOT_IN:
                return labels.get(self.key) not in self.values
            case SelectorOperator.EXISTS:
                return self.key in labels
            case SelectorOperator.DOES_NOT_EXIST:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """metav1.LabelSelector; empty selects every node, as the fallback of all others."""

    match_labels: Annotated[Selector, Doc("The node has all these pairs as labels.")] = field(default_factory=dict)
    match_expressions: Annotated[tuple[SelectorRequirement, ...], Doc("The node meets all these."), Length(0, 64)] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether a node with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )

    @property
    def requirements(self) -> int:
        """How many requirements a selected node meets: the more, the more specific."""
        return len(self.match_labels) + len(self.match_expressions)


@dataclass(frozen=True, slots=True)
class ClusterCIDRConfigSpec:
    """At least one family; with both, the host bits are equal. ``node_selector`` is mutable."""

    ipv4: Annotated[CIDRRange | None, Doc("The IPv4 range."), Immutable()] = None
    ipv6: Annotated[CIDRRange | None, Doc("The IPv6 range."), Immutable()] = None
    node_selector: Annotated[
        LabelSelector | None, Doc("Which nodes get blocks of it; without one, every node that no other selects.")
    ] = None


def _rules(spec: ClusterCIDRConfigSpec) -> Iterable[Fault]:
    if spec.ipv4 is None and spec.ipv6 is None:
        yield Fault("has no range: at least one of ipv4 and ipv6 is needed")
    faults: list[Fault] = []
    for name, blocks, family in (("ipv4", spec.ipv4, Family.IPV4), ("ipv6", spec.ipv6, Family.IPV6)):
        if blocks is not None:
            faults.extend(_range_rules(name, blocks, family))
    yield from faults
    if not faults and spec.ipv4 and spec.ipv6 and spec.ipv4.host_bits != spec.ipv6.host_bits:
        equal = 128 - spec.ipv4.host_bits
        yield Fault(
            f"leaves {spec.ipv6.host_bits} host bits, the IPv4 block {spec.ipv4.host_bits}: both must be equal;"
            f" {equal} goes with the IPv4 mask {spec.ipv4.per_node_mask_size}",
            "ipv6.perNodeMaskSize",
            str(spec.ipv6.per_node_mask_size),
        )
    if spec.node_selector is not None:
        for index, requirement in enumerate(spec.node_selector.match_expressions):
            wants_values = requirement.operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)
            if wants_values != bool(requirement.values):
                problem = "needs at least one value" if wants_values else "takes no values"
                yield Fault(f"{requirement.operator} {problem}", f"nodeSelector.matchExpressions[{index}].values")


def _range_rules(name: str, blocks: CIDRRange, family: Family) -> Iterable[Fault]:
    if Family.of(blocks.cidr) is not family:
        other = "ipv6" if name == "ipv4" else "ipv4"
        yield Fault(f"is no {family} range; it belongs under {other}", f"{name}.cidr", shown(str(blocks.cidr)))
        return
    own, mask, bits = blocks.cidr.prefixlen, blocks.per_node_mask_size, blocks.cidr.max_prefixlen
    path = f"{name}.perNodeMaskSize"
    if not own <= mask <= bits:
        yield Fault(f"must be {own} (the mask of {blocks.cidr}) to {bits}", path, str(mask))
    elif family is Family.IPV6 and mask - own > IPV6_SPLIT_LIMIT:
        yield Fault(
            f"splits {blocks.cidr} into 2^{mask - own} blocks; at most 2^{IPV6_SPLIT_LIMIT} are possible:"
            f" use {own} to {own + IPV6_SPLIT_LIMIT}, or a smaller range",
            path,
            str(mask),
        )


def _family_cel_rules(name: str, number: int, bits: int) -> tuple[CelRule, ...]:
    of_family = f"cidr(self.cidr).ip().family() == {number}"
    return (
        CelRule(
            f"spec.{name}",
            f"!isCIDR(self.cidr) || {of_family}",
            f"is no IPv{number} range; it belongs under {'ipv6' if number == 4 else 'ipv4'}",
            "cidr",
        ),
        CelRule(
            f"spec.{name}",
            f"!isCIDR(self.cidr) || !({of_family}) || (cidr(self.cidr).prefixLength() <= self.perNodeMaskSize"
            f" && self.perNodeMaskSize <= {bits})",
            f"must be at least the range's own prefix length, and at most {bits}",
            "perNodeMaskSize",
        ),
    )


_CEL_RULES = (
    CelRule("spec", "has(self.ipv4) || has(self.ipv6)", "has no range: at least one of ipv4 and ipv6 is needed"),
    *_family_cel_rules("ipv4", 4, 32),
    *_family_cel_rules("ipv6", 6, 128),
    CelRule(
        "spec.ipv6",
        "!isCIDR(self.cidr) || cidr(self.cidr).ip().family() != 6"
        f" || self.perNodeMaskSize - cidr(self.cidr).prefixLength() <= {IPV6_SPLIT_LIMIT}",
        f"splits the range into too many blocks; at most 2^{IPV6_SPLIT_LIMIT} are possible, so it may exceed the"
        f" range's own prefix length by {IPV6_SPLIT_LIMIT}",
        "perNodeMaskSize",
    ),
    CelRule(
        "spec",
        "!has(self.ipv4) || !has(self.ipv6) || 32 - self.ipv4.perNodeMaskSize == 128 - self.ipv6.perNodeMaskSize",
        "must leave as many host bits as the IPv4 block: 96 more than ipv4.perNodeMaskSize",
        "ipv6.perNodeMaskSize",
    ),
    CelRule(
        "spec.nodeSelector.matchExpressions[]",
        "(self.operator in ['In', 'NotIn']) == (self.?values.orValue([]).size() > 0)",
        "needs at least one value for In and NotIn, and takes none for Exists and DoesNotExist",
        "values",
    ),
)


@dataclass(frozen=True, slots=True)
class ClusterCIDRConfigStatus:
    """Counts of blocks and conditions, written by the controller."""

    allocated: Annotated[Count, Doc("Blocks that nodes have.")] = 0
    free: Annotated[Count, Doc("Blocks that are left.")] = 0
    conditions: Annotated[tuple[Condition, ...], Doc("How it is."), KeyedBy("type")] = ()


_DOC = (
    "A range of pod addresses, from which every node that it selects gets a block: the most specific selector first,"
    " and one without a selector for the rest. A node keeps its block for as long as it exists."
)
_AGE = (Column("AGE", ".metadata.creationTimestamp", type="date"),)

ADMIN_CLUSTER_CIDR_CONFIG = Kind(
    name="ClusterCIDRConfig",
    group="baremetal.cluster.gke.io",
    version="v1alpha1",
    plural="clustercidrconfigs",
    singular="clustercidrconfig",
    namespaced=True,
    spec_type=ClusterCIDRConfigSpec,
    status_type=ClusterCIDRConfigStatus,
    columns=_AGE,
    doc=f"{_DOC} It is written in the cluster namespace of the admin cluster.",
    rules=_rules,
    cel_rules=_CEL_RULES,
)

CLUSTER_CIDR_CONFIG = Kind(
    name="ClusterCIDRConfig",
    group="networking.gke.io",
    version="v1alpha1",
    plural="clustercidrconfigs",
    singular="clustercidrconfig",
    namespaced=False,
    spec_type=ClusterCIDRConfigSpec,
    status_type=ClusterCIDRConfigStatus,
    short_names=("ccc",),
    columns=_AGE,
    doc=f"{_DOC} This is the user cluster's; with an admin cluster, the copy of what is written there.",
    rules=_rules,
    cel_rules=_CEL_RULES,
)
