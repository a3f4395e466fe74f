"""Lease (coordination.k8s.io/v1): who holds a floating IP or leads a role."""

from dataclasses import dataclass

from flatbgp.resources.kind import Column, Kind

NAMESPACE = "kube-system"
ADDRESS_ANNOTATION = "flatbgp.io/address"
SUBNET_ANNOTATION = "flatbgp.io/subnet"
ROUTER_HEARD_ANNOTATION = "flatbgp.io/router-heard"
INSTANCE_ANNOTATION = "flatbgp.io/instance"
WANTED_BY_ANNOTATION = "flatbgp.io/wanted-by"
PROBE_ANNOTATION = "flatbgp.io/probe"


@dataclass(frozen=True, slots=True)
class LeaseSpec:
    """``holder_identity`` empty means free. ``renew_time`` is a token to compare, never a time to count from."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0


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
