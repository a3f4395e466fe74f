"""What a BGP engine must be able to do: the boundary between our decisions and somebody's daemon."""

from collections.abc import AsyncIterator, Iterable, Mapping
from ipaddress import IPv4Address
from typing import Protocol

from flatbgp.engine.errors import EngineError, EngineUnavailable, ForeignDaemon
from flatbgp.engine.model import EngineInfo, Exit, Neighbor, NeighborState, Observed, Path
from flatbgp.resources.ip import IPAddress

__all__ = ["Engine", "EngineError", "EngineInfo", "EngineUnavailable", "ForeignDaemon"]


class Engine(Protocol):
    """A BGP daemon. Every call has a deadline and raises :class:`EngineError`; none retries.

    Values that a daemon would choke on are refused before they are sent. Calls that change something are made one at
    a time by one caller; reading calls may overlap them.
    """

    async def info(self) -> EngineInfo:
        """Ask who is there (a cheap call: it is also the heartbeat)."""

    async def start(self, router_id: IPv4Address, marker: str) -> None:
        """Start BGP without a listener, leave the marker, set the static policy.

        Raises :class:`ForeignDaemon` on a daemon that was already started, unless it is a start of ours that was
        interrupted: starting twice would silently drop the table and the policy under running sessions.
        """

    async def observe(self) -> Observed:
        """Return what the daemon has configured. The first call on a filled daemon lists its paths (expensive)."""

    async def neighbors(self) -> Mapping[IPAddress, NeighborState]:
        """Return the state of all neighbours, with counters."""

    async def path_count(self) -> int:
        """Return how many paths the daemon holds (cheap)."""

    async def announce(self, paths: Iterable[Path]) -> None:
        """Add or replace paths on every session, in batches; a replaced path is one update on the wire."""

    async def withdraw(self, paths: Iterable[Path]) -> None:
        """Take paths away on every session; unknown ones are ignored."""

    async def add_neighbor(self, neighbor: Neighbor) -> None:
        """Make sure that it gets every path, then open the session, as a restarting speaker (RFC 4724 R and F bits)."""

    async def update_neighbor(self, new: Neighbor) -> None:
        """Change a neighbour, in place where the daemon can, else by ending and reopening the session."""

    async def remove_neighbor(self, address: IPAddress, how: Exit) -> None:
        """Take a neighbour away, and return when nothing more will leave; a missing one is no error."""

    async def enable_neighbor(self, address: IPAddress) -> None:
        """Try again with a neighbour that exceeded its prefix limit (or was shut down by hand)."""

    def events(self) -> AsyncIterator[IPAddress | None]:
        """Yield the address of a neighbour whose state may have changed (``None``: look at all).

        The iterator ends by raising :class:`EngineUnavailable` when the daemon goes away. Events only wake: the truth
        is :meth:`neighbors`. An engine may put right what it sees here, so the events are to be read all the time.
        """

    async def close(self) -> None:
        """Close the connection; the daemon goes on."""
