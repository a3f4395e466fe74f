"""The Leases as this gateway sees them, and since when, on nothing but its own clock."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flatbgp.planning.gateway.records import LeaseRecord
from flatbgp.resources.ip import IPAddress

_SUPERSEDED = 32
"""How many versions of a Lease are remembered, so that a watch which lags behind brings back none of them."""


@dataclass(slots=True)
class Sighting:
    """A Lease (``None``: it doesn't exist), and since when its holder, instance and renewTime are what they are."""

    record: LeaseRecord | None = None
    unchanged_since: float = 0.0
    superseded: deque[str] = field(default_factory=lambda: deque(maxlen=_SUPERSEDED))

    @property
    def holder(self) -> str:
        """The node that the Lease names, or ""."""
        return self.record.content.holder if self.record is not None else ""


class LeaseBook:
    """All Leases of the group. ``listed_at`` is when they had all been read once: an unknown one doesn't exist."""

    def __init__(self, owner: tuple[str, str], duration: float) -> None:
        self._owner = owner
        self._duration = duration
        self._sightings: dict[IPAddress, Sighting] = {}
        self.listed_at: float | None = None

    def list_done(self, now: float) -> None:
        """Take what is unknown for absent, from now on."""
        if self.listed_at is None:
            self.listed_at = now

    def get(self, address: IPAddress) -> LeaseRecord | None:
        """Return the Lease as last seen."""
        known = self._sightings.get(address)
        return known.record if known is not None else None

    def sighting(self, address: IPAddress) -> Sighting:
        """Return the Lease with its times."""
        known = self._sightings.get(address)
        return known if known is not None else Sighting(unchanged_since=self.listed_at or 0.0)

    def is_echo(self, address: IPAddress, record: LeaseRecord | None) -> bool:
        """Whether the watch shows what was there before what we know already."""
        return record is not None and record.version in self.sighting(address).superseded

    def see(self, now: float, address: IPAddress, record: LeaseRecord | None) -> None:
        """Take over what was read, written, or seen in a watch."""
        known = self._sightings.setdefault(address, Sighting(unchanged_since=now))
        before = known.record
        if before is not None and (record is None or record.version != before.version):
            known.superseded.append(before.version)
        if (before.token if before is not None else None) != (record.token if record is not None else None):
            known.unchanged_since = now
        known.record = record

    def ours(self, address: IPAddress) -> bool:
        """Whether the Lease names this node on this machine."""
        record = self.get(address)
        return record is not None and record.content.owner == self._owner

    def claimable_since(self, address: IPAddress) -> float | None:
        """Return from when on the Lease may be claimed (a time to come, too); ``None`` if it isn't known.

        It is free or absent, or it is our own although we do not hold the address, or nothing of it has changed for
        its whole duration. Another machine under our node's name is a stranger.
        """
        if self.listed_at is None:
            return None
        known = self.sighting(address)
        record = known.record
        if record is None or not record.content.holder or record.content.owner == self._owner:
            return max(known.unchanged_since, self.listed_at)
        return known.unchanged_since + (record.content.duration or self._duration)

    def live_holder(self, now: float, address: IPAddress) -> str:
        """Return the node that holds the address and renews, or ""."""
        known = self.sighting(address)
        if known.record is None or now >= known.unchanged_since + (known.record.content.duration or self._duration):
            return ""
        return known.record.content.holder

    def counts(self, now: float, group: tuple[IPAddress, ...]) -> Mapping[str, int]:
        """Return how many addresses of the group each live holder has."""
        found: dict[str, int] = {}
        for address in group:
            holder = self.live_holder(now, address)
            if holder:
                found[holder] = found.get(holder, 0) + 1
        return found

    def addresses(self) -> Iterator[IPAddress]:
        """Yield the addresses that have (had) a Lease."""
        return iter(self._sightings)
