"""NetworkGatewayGroup: the floating IPs from which sessions are opened, in order of preference."""

from dataclasses import dataclass
from datetime import datetime

from flatbgp.resources.conditions import Condition
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.reasons import Reason


@dataclass(frozen=True, slots=True)
class NetworkGatewayGroupSpec:
    """``floating_ips`` are reserved host addresses in the nodes' subnets."""

    floating_ips: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class FloatingIPStatus:
    """Who holds one address (``node`` empty: nobody), since when, and why it is as it is."""

    address: IPAddress
    node: str = ""
    since: datetime | None = None
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class NetworkGatewayGroupStatus:
    """Written by the controller."""

    floating_ips: tuple[FloatingIPStatus, ...] = ()
    conditions: tuple[Condition, ...] = ()


NETWORK_GATEWAY_GROUP = Kind(
    name="NetworkGatewayGroup",
    group="networking.gke.io",
    version="v1",
    plural="networkgatewaygroups",
    singular="networkgatewaygroup",
    namespaced=True,
    spec_type=NetworkGatewayGroupSpec,
    status_type=NetworkGatewayGroupStatus,
    fixed_name="default",
    columns=(
        Column("FLOATING IPS", ".status.floatingIPs[*].address", wide=True),
        Column("NODES", ".status.floatingIPs[*].node", wide=True),
        Column("REASONS", ".status.floatingIPs[*].reason", wide=True),
        Column("AGE", ".metadata.creationTimestamp", type="date"),
    ),
)
