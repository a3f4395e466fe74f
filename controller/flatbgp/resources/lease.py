"""Lease (coordination.k8s.io/v1): who holds a floating IP or leads a role."""

from dataclasses import dataclass
from typing import Annotated

from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.schema import Doc

NAMESPACE = USER_NAMESPACE
FLOATING_IP_LABEL = "flatbgp.io/floating-ip"
"""Label, with the value "true", of the Leases of floating IPs: an idle speaker watches these and no others."""

FLOATING_IPS = {FLOATING_IP_LABEL: "true"}
"""The selector of these Leases."""

ADDRESS_ANNOTATION = "flatbgp.io/address"
SUBNET_ANNOTATION = "flatbgp.io/subnet"
ROUTER_HEARD_ANNOTATION = "flatbgp.io/router-heard"
INSTANCE_ANNOTATION = "flatbgp.io/instance"
WANTED_BY_ANNOTATION = "flatbgp.io/wanted-by"
PROBE_ANNOTATION = "flatbgp.io/probe"


@dataclass(frozen=True, slots=True)
class LeaseSpec:
    """``holder_identity`` empty means free. ``renew_time`` is a token to compare, never a time to count from."""

    holder_identity: Annotated[str, Doc("Who holds it: a node's name, or a role's process; empty if free.")] = ""
    lease_duration_seconds: Annotated[int, Doc("For how long after a renewal it is held.")] = 0
    acquire_time: Annotated[str, Doc("When the holder got it.")] = ""
    renew_time: Annotated[str, Doc("When the holder last renewed it, by the holder's clock.")] = ""
    lease_transitions: Annotated[int, Doc("How often the holder changed.")] = 0


@dataclass(frozen=True, slots=True)
class LeaseStatus:
    """A Lease has none."""


LEASE = Kind(
    name="Lease",
    group="coordination.k8s.io",
    version="v1",
    plural="leases",
    singular="lease",
    namespaced=True,
    spec_type=LeaseSpec,
    status_type=LeaseStatus,
    strict=False,
    columns=(
        Column("HOLDER", ".spec.holderIdentity"),
        Column("AGE", ".metadata.creationTimestamp", type="date"),
    ),
)
