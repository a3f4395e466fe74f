"""FlatIPMode: which families are announced, and to which BGPPeers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from flatbgp.resources.conditions import Condition
from flatbgp.resources.forms import Count, Selector
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.schema import Doc, KeyedBy


@dataclass(frozen=True, slots=True)
class FlatIPModeSpec:
    """``peer_selector`` is a flat map: a BGPPeer is selected when it has all the pairs as labels."""

    enable_bgp_ipv4: Annotated[bool, Doc("Whether IPv4 pod CIDRs are announced; needs a Cluster with flatIPv4.")] = (
        False
    )
    enable_bgp_ipv6: Annotated[bool, Doc("Whether IPv6 pod CIDRs are announced.")] = False
    peer_selector: Annotated[
        Selector, Doc("A BGPPeer is used when it has all these pairs as labels; empty selects every one.")
    ] = field(default_factory=dict)

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Return whether a BGPPeer with these labels is used."""
        return all(labels.get(key) == value for key, value in self.peer_selector.items())


@dataclass(frozen=True, slots=True)
class FlatIPModeStatus:
    """Counts and conditions, written by the controller."""

    peers: Annotated[Count, Doc("Selected BGPPeers.")] = 0
    sessions: Annotated[Count, Doc("Planned sessions.")] = 0
    established: Annotated[Count, Doc("Sessions that are up.")] = 0
    conditions: Annotated[tuple[Condition, ...], Doc("How it is."), KeyedBy("type")] = ()


_DOC = (
    "Flat mode of a cluster: which families of pod addresses are announced to the routers, and to which BGPPeers."
    " There is one, named default."
)
_AGE = (Column("AGE", ".metadata.creationTimestamp", type="date"),)

ADMIN_FLAT_IP_MODE = Kind(
    name="FlatIPMode",
    group="baremetal.cluster.gke.io",
    version="v1alpha1",
    plural="flatipmodes",
    singular="flatipmode",
    namespaced=True,
    spec_type=FlatIPModeSpec,
    status_type=FlatIPModeStatus,
    fixed_name="default",
    columns=_AGE,
    doc=f"{_DOC} It is written in the cluster namespace of the admin cluster.",
)

FLAT_IP_MODE = Kind(
    name="FlatIPMode",
    group="networking.gke.io",
    version="v1alpha1",
    plural="flatipmodes",
    singular="flatipmode",
    namespaced=False,
    spec_type=FlatIPModeSpec,
    status_type=FlatIPModeStatus,
    fixed_name="default",
    columns=_AGE,
    doc=f"{_DOC} This is the user cluster's; with an admin cluster, the copy of what is written there.",
)
