"""FlatIPMode: which families are announced, and to which BGPPeers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flatbgp.resources.conditions import Condition
from flatbgp.resources.kind import Column, Kind


@dataclass(frozen=True, slots=True)
class FlatIPModeSpec:
    """``peer_selector`` is a flat map: a BGPPeer is selected when it has all the pairs as labels."""

    enable_bgp_ipv4: bool = False
    enable_bgp_ipv6: bool = False
    peer_selector: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FlatIPModeStatus:
    """Counts and conditions, written by the controller."""

    peers: int = 0
    sessions: int = 0
    established: int = 0
    conditions: tuple[Condition, ...] = ()


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
)
