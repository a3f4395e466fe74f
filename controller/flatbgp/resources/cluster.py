"""Cluster: the admin cluster's description of a user cluster, of which only the network part concerns us."""

from dataclasses import dataclass
from typing import Annotated

from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.schema import Doc, Immutable, Length


@dataclass(frozen=True, slots=True)
class CIDRBlocks:
    """A list of ranges."""

    cidr_blocks: Annotated[tuple[IPNetwork, ...], Doc("Ranges in CIDR notation."), Length(0, 64)] = ()


@dataclass(frozen=True, slots=True)
class ClusterNetwork:
    """The network part of a Cluster."""

    advanced_networking: Annotated[bool, Doc("Needed for NetworkGatewayGroup and BGP."), Immutable()] = False
    flat_ipv4: Annotated[
        bool,
        Doc("Whether IPv4 pod addresses are routed (flat) instead of hidden (island)."),
        Immutable(),
    ] = False
    pods: Annotated[CIDRBlocks, Doc("The pod ranges of an island cluster; ignored with flatIPv4.")] = CIDRBlocks()
    services: Annotated[CIDRBlocks, Doc("The service ranges; an IPv6 one makes the cluster dual-stack.")] = CIDRBlocks()


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """The part of the Cluster that we read; all else is kept and ignored."""

    cluster_network: Annotated[ClusterNetwork, Doc("The network part.")] = ClusterNetwork()


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
    columns=(Column("AGE", ".metadata.creationTimestamp", type="date"),),
    doc="A cluster as its owner describes it. flatbgp reads the network part; every other field is kept and ignored.",
)
