"""ClusterCIDRConfig: a range from which nodes get their pod CIDRs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flatbgp.resources.conditions import Condition
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.kind import Column, Kind


@dataclass(frozen=True, slots=True)
class CIDRRange:
    """A range and the mask of the block that each node gets from it. Immutable."""

    cidr: IPNetwork
    per_node_mask_size: int


@dataclass(frozen=True, slots=True)
class SelectorRequirement:
    """One expression of a label selector (metav1.LabelSelectorRequirement)."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """metav1.LabelSelector; empty selects every node, as the fallback of all others."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[SelectorRequirement, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterCIDRConfigSpec:
    """At least one family; with both, the host bits are equal. ``node_selector`` is mutable."""

    ipv4: CIDRRange | None = None
    ipv6: CIDRRange | None = None
    node_selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class ClusterCIDRConfigStatus:
    """Counts of blocks and conditions, written by the controller."""

    allocated: int = 0
    free: int = 0
    conditions: tuple[Condition, ...] = ()


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
)
