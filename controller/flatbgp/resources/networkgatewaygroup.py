"""NetworkGatewayGroup: the floating IPs from which sessions are opened, in order of preference."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from flatbgp.resources.conditions import Condition
from flatbgp.resources.forms import HostAddress
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import Doc, KeyedBy, Length, Unique


@dataclass(frozen=True, slots=True)
class NetworkGatewayGroupSpec:
    """``floating_ips`` are reserved host addresses in the nodes' subnets."""

    floating_ips: Annotated[
        tuple[HostAddress, ...],
        Doc("Reserved addresses in the nodes' subnets, from which sessions are opened; in order of preference."),
        Unique(),
        Length(0, 256),
    ]


@dataclass(frozen=True, slots=True)
class FloatingIPStatus:
    """Who holds one address (``node`` empty: nobody), since when, and why it is as it is."""

    address: Annotated[IPAddress, Doc("The floating IP.")]
    node: Annotated[str, Doc("The node that holds it; empty if none does.")] = ""
    since: Annotated[datetime | None, Doc("Since when.")] = None
    reason: Annotated[Reason | None, Doc("Why it is held, or not.")] = None
    message: Annotated[str, Doc("The reason in a sentence.")] = ""


@dataclass(frozen=True, slots=True)
class PrintedFloatingIPs:
    """The floating IPs as lists with commas: an API server prints the first only of several values in a column."""

    addresses: Annotated[str, Doc("The floating IPs.")] = ""
    nodes: Annotated[str, Doc("Their nodes, in the same order.")] = ""
    reasons: Annotated[str, Doc("Their reasons, in the same order.")] = ""


@dataclass(frozen=True, slots=True)
class NetworkGatewayGroupStatus:
    """Written by the controller."""

    floating_ips: Annotated[
        tuple[FloatingIPStatus, ...], Doc("One entry for each floating IP, in the spec's order."), KeyedBy("address")
    ] = ()
    printed: Annotated[PrintedFloatingIPs | None, Doc("The same for tables: lists with commas.")] = None
    conditions: Annotated[tuple[Condition, ...], Doc("How it is with the group as a whole."), KeyedBy("type")] = ()


def printed(entries: Iterable[FloatingIPStatus]) -> PrintedFloatingIPs | None:
    """Return the entries of a status as a table shows them; ``None`` if there are none."""
    rows = [(str(entry.address), entry.node, str(entry.reason or "")) for entry in entries]
    return PrintedFloatingIPs(*(",".join(cells) for cells in zip(*rows, strict=True))) if rows else None


NETWORK_GATEWAY_GROUP = Kind(
    name="NetworkGatewayGroup",
    group="networking.gke.io",
    version="v1",
    plural="networkgatewaygroups",
    singular="networkgatewaygroup",
    namespaced=True,
    spec_type=NetworkGatewayGroupSpec,
    status_type=NetworkGatewayGroupStatus,
    doc="The floating IPs of a cluster, from which BGP sessions are opened. There is one, named default. Each address"
    " is held by one node of its subnet, beside the node's own, and moves to another node when that one fails.",
    fixed_name="default",
    columns=(
        Column("FLOATING IPS", ".status.floatingIPs[*].address", wide=True, printed=".status.printed.addresses"),
        Column("NODES", ".status.floatingIPs[*].node", wide=True, printed=".status.printed.nodes"),
        Column("REASONS", ".status.floatingIPs[*].reason", wide=True, printed=".status.printed.reasons"),
        Column("AGE", ".metadata.creationTimestamp", type="date"),
    ),
)
