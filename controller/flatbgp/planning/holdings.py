"""Who holds which floating IP, as seen in the Leases with nothing but our own clock.

A Lease's times are another machine's: a Lease is alive while holder, instance or renewTime change, and it has run out
when none of them did for its whole duration. Times here are seconds of one monotonic clock, passed in.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flatbgp.planning.gateway.records import LeaseRecord, read_lease
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.lease import ADDRESS_ANNOTATION, LeaseSpec, LeaseStatus
from flatbgp.resources.parsing import Malformed, parse_address
from flatbgp.resources.resource import Resource

LeaseResource = Resource[LeaseSpec, LeaseStatus]


@dataclass(frozen=True, slots=True)
class Holding:
    """One floating IP of the group.

    ``node`` is the holder that the Lease names, also when the Lease has run out. ``vacant_for`` is for how long nobody
    has held it (free, or run out; seconds), ``None`` while somebody does. ``subnet`` is what its last holder wrote.
    ``held_before`` is false for an address that nobody has ever held.
    """

    address: IPAddress
    node: str = ""
    subnet: IPNetwork | None = None
    vacant_for: float | None = None
    held_before: bool = True

    @property
    def holder(self) -> str:
        """The node that holds it now, or ""."""
        return self.node if self.vacant_for is None else ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Lease as last seen, since when it has not been renewed, and since when it is free (``None``: it is not)."""

    lease: LeaseRecord
    unchanged_since: float
    free_since: float | None

    def vacant_since(self) -> float:
        """Return from when on nobody holds it, unless it is renewed before."""
        if self.free_since is not None:
            return self.free_since
        return self.unchanged_since + self.lease.content.duration


Sightings = Mapping[IPAddress, Sighting]


def observe(before: Sightings, leases: Iterable[LeaseResource], now: float) -> Sightings:
    """Return the sightings after the Leases were read at ``now``; Leases that are not of a floating IP are left out."""
    seen: dict[IPAddress, Sighting] = {}
    for resource in leases:
        address = lease_address(resource)
        if address is None:
            continue
        lease, known = read_lease(resource), before.get(address)
        if known is not None and known.lease.token == lease.token:
            seen[address] = replace(known, lease=lease)
        else:
            was_free = known.free_since if known is not None else None
            free_since = None if lease.content.holder else now if was_free is None else was_free
            seen[address] = Sighting(lease, unchanged_since=now, free_since=free_since)
    return seen


def after_gap(before: Sightings, now: float) -> Sightings:
    """Return the sightings after a time in which we could not see renewals: every Lease counts from now on again."""
    return {address: replace(sighting, unchanged_since=now) for address, sighting in before.items()}


def holdings(floating_ips: Sequence[IPAddress], sightings: Sightings, now: float, began: float) -> tuple[Holding, ...]:
    """Return the state of each address of the group, in its order; ``began`` is when we began to look at it."""
    return tuple(_holding(address, sightings.get(address), now, began) for address in floating_ips)


def with_own(seen: Iterable[Holding], node: str, held: Collection[IPAddress]) -> tuple[Holding, ...]:
    """Return the holdings with what ``node`` knows better than its watch: which addresses it has itself."""
    return tuple(
        replace(holding, node=node, vacant_for=None, held_before=True) if holding.address in held else holding
        for holding in seen
    )


def _holding(address: IPAddress, sighting: Sighting | None, now: float, began: float) -> Holding:
    if sighting is None:
        return Holding(address, vacant_for=max(0.0, now - began), held_before=False)
    since = sighting.vacant_since()
    return Holding(
        address,
        node=sighting.lease.content.holder,
        subnet=sighting.lease.content.subnet,
        vacant_for=now - since if now >= since else None,
        held_before=sighting.lease.held_before,
    )


def next_vacancy(sightings: Sightings, now: float) -> float | None:
    """Return the seconds until the next Lease runs out if it is not renewed, or ``None``."""
    ends = [end - now for end in (sighting.vacant_since() for sighting in sightings.values()) if end > now]
    return min(ends, default=None)


def lease_address(lease: LeaseResource) -> IPAddress | None:
    """Return the floating IP that a Lease is for, or ``None`` for a Lease of something else."""
    text = lease.meta.annotations.get(ADDRESS_ANNOTATION)
    try:
        return parse_address(text) if text else None
    except Malformed:
        return None
