"""BGPAdvertisedRoute: one prefix that every session announces, and its next hop."""

from dataclasses import dataclass

from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.kind import Column, Kind


@dataclass(frozen=True, slots=True)
class BGPAdvertisedRouteSpec:
    """``next_hop`` is the address of the node that owns the prefix; ``metric`` is set only where a ``med`` is."""

    prefix: IPNetwork
    next_hop: IPAddress
    node_name: str
    metric: int | None = None


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
    columns=(
        Column("PREFIX", ".spec.prefix"),
        Column("METRIC", ".spec.metric", type="integer"),
        Column("NEXT HOP", ".spec.nextHop", wide=True),
        Column("NODE", ".spec.nodeName", wide=True),
    ),
)
