"""Node (core v1): the owner of pod CIDRs and of the next hop."""

from dataclasses import dataclass

from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.kind import Column, Kind

DRAIN_ANNOTATION = "flatbgp.io/drain"
"""A Node with this annotation set to "true" hands its floating IPs over and claims none."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """``pod_cidrs`` never change once set; IPv4 comes first."""

    pod_cidrs: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An address as the kubelet reports it; ``address`` may be a host name."""

    type: str
    address: str


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The addresses; nothing else of a Node's status concerns us."""

    addresses: tuple[NodeAddress, ...] = ()


NODE = Kind(
    name="Node",
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    namespaced=False,
    spec_type=NodeSpec,
    status_type=NodeStatus,
    short_names=("no",),
    strict=False,
    columns=(
        Column("AGE", ".metadata.creationTimestamp", type="date"),
        Column("POD CIDRS", ".spec.podCIDRs[*]"),
    ),
)
