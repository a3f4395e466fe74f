"""Cluster: the admin cluster's description of a user cluster, of which only the network part concerns us."""

from dataclasses import dataclass

from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.kind import Kind


@dataclass(frozen=True, slots=True)
class CIDRBlocks:
    """A list of ranges."""

    cidr_blocks: tuple[IPNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterNetwork:
    """``advanced_networking`` and ``flat_ipv4`` are immutable after creation.

    ``pods`` is ignored with ``flat_ipv4``; an IPv6 block among ``services`` makes the cluster dual-stack.
    """

    advanced_networking: bool = False
    flat_ipv4: bool = False
    pods: CIDRBlocks = CIDRBlocks()
    services: CIDRBlocks = CIDRBlocks()


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The part of the Cluster that we read; all else is kept and ignored."""

    cluster_network: ClusterNetwork = ClusterNetwork()


@dataclass(frozen=True, slots=True)
class ClusterStatus:
    """Nothing that we read or write."""


CLUSTER = Kind(
    name="Cluster",
    group="baremetal.cluster.gke.io",
    version="v1",
    plural="clusters",
    singular="cluster",
    namespaced=True,
    spec_type=ClusterSpec,
    status_type=ClusterStatus,
    strict=False,
)
