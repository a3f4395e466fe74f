"""What a BGP engine must be able to do: the boundary between our decisions and somebody's daemon."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from flatbgp.engine.model import Exit, Neighbor, NeighborState, Path
from flatbgp.resources.ip import IPAddress, IPNetwork


class EngineError(Exception):
    """The daemon refused or could not do something; the text says what, on what, and what to do."""


class EngineUnavailable(EngineError):
    """The daemon does not answer (not there yet, restarting, frozen)."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The daemon at the other end: API generation ("v3" or "v4"), and its identity when it was started.

    ``marker`` is the one found in the daemon (``None``: none of ours), so that a daemon which somebody else started,
    or that was restarted in between, is told from the one we filled.
    """

    api: str
    started: bool
    router_id: IPv4Address | None = None
    asn: int | None = None
    marker: str | None = None


class Engine(Protocol):
    """A BGP daemon. Every call has a deadline and raises :class:`EngineError`; none retries."""

    async def info(self) -> EngineInfo:
        """Ask who is there (a cheap call: it is also the heartbeat)."""

    async def start(self, router_id: IPv4Address, marker: str) -> None:
        """Start BGP without a listener, leave the marker, set the static policy. Refused when already started."""

    async def neighbors(self) -> Mapping[IPAddress, NeighborState]:
        """Return all neighbours, with counters; passwords are never read."""

    async def paths(self) -> Mapping[IPNetwork, Path]:
        """Return all local paths: expensive, only to take over a daemon that was filled by an earlier process."""

    async def path_count(self) -> int:
        """Return how many local paths the daemon holds (cheap)."""

    async def announce(self, paths: Iterable[Path]) -> None:
        """Add or replace paths, in batches; a replaced path is one update on the wire."""

    async def withdraw(self, paths: Iterable[Path]) -> None:
        """Take paths away on every session; unknown ones are ignored."""

    async def add_neighbor(self, neighbor: Neighbor) -> None:
        """Set its export policy, then open the session, as a restarting speaker (RFC 4724 R and F bits)."""

    async def update_neighbor(self, old: Neighbor, new: Neighbor) -> None:
        """Change a neighbour in place; whether that resets the session is the diff's to say."""

    async def remove_neighbor(self, address: IPAddress, exit: Exit) -> None:
        """Take a neighbour away; a missing one is no error."""

    async def stop_gracefully(self) -> None:
        """End BGP without a Cease where the daemon can (v4); otherwise do nothing."""

    def events(self) -> AsyncIterator[IPAddress | None]:
        """Yield the address of a neighbour whose state may have changed (``None``: look at all).

        The iterator ends by raising :class:`EngineUnavailable` when the daemon goes away. Events only wake: the truth
        is :meth:`neighbors`.
        """

    async def close(self) -> None:
        """Close the connection; the daemon goes on."""
