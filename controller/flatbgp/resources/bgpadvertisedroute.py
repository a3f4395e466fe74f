"""BGPAdvertisedRoute: one prefix that every session announces, and its next hop."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.forms import HostAddress, ObjectName, PodRange, UInt32
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.schema import CelRule, Doc


@dataclass(frozen=True, slots=True)
class BGPAdvertisedRouteSpec:
    """``next_hop`` is the address of the node that owns the prefix; ``metric`` is set only where a ``med`` is."""

    prefix: Annotated[PodRange, Doc("The announced range: a pod CIDR of the node.")]
    next_hop: Annotated[HostAddress, Doc("The address of the node that owns it, of the same family.")]
    node_name: Annotated[ObjectName, Doc("The node that owns it.")]
    metric: Annotated[UInt32 | None, Doc("The MULTI_EXIT_DISC, where a BGPPeer sets one.")] = None


def _rules(spec: BGPAdvertisedRouteSpec) -> Iterable[Fault]:
    if spec.prefix.version != spec.next_hop.version:
        yield Fault("must be of the prefix's family", "nextHop", shown(str(spec.next_hop)))


@dataclass(frozen=True, slots=True)
class BGPAdvertisedRouteStatus:
    """Nothing: the object is written whole by the controller."""


BGP_ADVERTISED_ROUTE = Kind(
    name="BGPAdvertisedRoute",
    group="networking.gke.io",
    version="v1",
    plural="bgpadvertisedroutes",
    singular="bgpadvertisedroute",
    namespaced=True,
    spec_type=BGPAdvertisedRouteSpec,
    status_type=BGPAdvertisedRouteStatus,
    doc="A route that every session announces: a node's pod range, through that node. Written by the controller.",
    written_by="controller",
    home=USER_NAMESPACE,
    rules=_rules,
    cel_rules=(
        CelRule(
            "spec",
            "!isCIDR(self.prefix) || !isIP(self.nextHop)"
            " || cidr(self.prefix).ip().family() == ip(self.nextHop).family()",
            "must be of the prefix's family",
            "nextHop",
        ),
    ),
    columns=(
        Column("PREFIX", ".spec.prefix"),
        Column("METRIC", ".spec.metric", type="integer"),
        Column("NEXT HOP", ".spec.nextHop", wide=True),
        Column("NODE", ".spec.nodeName", wide=True),
    ),
)
