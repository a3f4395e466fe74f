"""What an uninstallation waits for, and what it takes away: what the roles wrote, and nothing that a person did.

Pod CIDRs stay in their Nodes, since pods use them. Copies of the mirror stay too: with their source on another cluster
they may be all that is left of somebody's configuration.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flatbgp.planning.holdings import LeaseResource, lease_address
from flatbgp.planning.marks import IN_USE_FINALIZER
from flatbgp.resources.lease import FLOATING_IP_LABEL
from flatbgp.resources.meta import Key, Meta
from flatbgp.resources.resource import Resource
from flatbgp.resources.workload import COMPONENT_LABEL, PodSpec, PodStatus

LEADERS: Final = ("flatbgp-controller", "flatbgp-admin")
"""The Leases by which roles lead."""

ROLES: Final = ("controller", "admin", "speaker")
"""The components that write."""

_OVER: Final = ("Succeeded", "Failed")
"""Phases in which none of a Pod's processes runs any more."""


@dataclass(frozen=True, slots=True)
class LeaseSight:
    """What a Lease looked like when it last changed, and since when it has (seconds of the caller's clock)."""

    token: Any
    since: float


def is_ours(lease: LeaseResource) -> bool:
    """Return whether a role of flatbgp wrote the Lease."""
    meta = lease.meta
    return meta.name in LEADERS or FLOATING_IP_LABEL in meta.labels or lease_address(lease) is not None


def look(leases: Iterable[LeaseResource], before: Mapping[Key, LeaseSight], now: float) -> Mapping[Key, LeaseSight]:
    """Return the sights of our Leases after they were read at ``now``."""
    sights: dict[Key, LeaseSight] = {}
    for lease in filter(is_ours, leases):
        token, known = (lease.meta.uid, lease.spec), before.get(lease.key)
        sights[lease.key] = known if known is not None and known.token == token else LeaseSight(token, now)
    return sights


def still_held(
    leases: Iterable[LeaseResource], sights: Mapping[Key, LeaseSight], now: float
) -> Sequence[LeaseResource]:
    """Return our Leases that somebody holds: they name a holder, and have changed within their duration.

    A holder that cannot renew has taken the address off by then: its lifetime never exceeds the Lease.
    """
    return [
        lease
        for lease in filter(is_ours, leases)
        if lease.spec is not None
        and lease.spec.holder_identity
        and now < sights[lease.key].since + lease.spec.lease_duration_seconds
    ]


def still_running(pods: Iterable[Resource[PodSpec, PodStatus]]) -> Sequence[Resource[PodSpec, PodStatus]]:
    """Return the Pods of roles whose processes may still run."""
    return [
        pod
        for pod in pods
        if pod.meta.labels.get(COMPONENT_LABEL) in ROLES and (pod.status is None or pod.status.phase not in _OVER)
    ]


def without_our_finalizer(meta: Meta) -> Sequence[str] | None:
    """Return the finalizers of others, or ``None`` if ours is not there."""
    if IN_USE_FINALIZER not in meta.finalizers:
        return None
    return [finalizer for finalizer in meta.finalizers if finalizer != IN_USE_FINALIZER]
