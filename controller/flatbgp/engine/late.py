"""An engine whose libraries are loaded by its first call.

gRPC and the messages take 15 MB: thousands of speakers never hold an address, and never need them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from ipaddress import IPv4Address

from flatbgp.engine.model import EngineInfo, Exit, Neighbor, NeighborState, Observed, Path
from flatbgp.engine.protocol import Engine
from flatbgp.resources.ip import IPAddress


class LateEngine:
    """Passes every call on to an engine that is made by the first one.

    ``load`` runs once, in a thread, and returns what makes the engine; that runs in the event loop, to which an engine
    belongs (a gRPC channel asks for the loop of its thread).
    """

    def __init__(self, load: Callable[[], Callable[[], Engine]]) -> None:
        self._load = load
        self._engine: Engine | None = None
        self._lock = asyncio.Lock()

    async def _there(self) -> Engine:
        if self._engine is None:
            async with self._lock:
                if self._engine is None:
                    make = await asyncio.to_thread(self._load)
                    self._engine = make()
        return self._engine

    async def info(self) -> EngineInfo:
        """Ask who is there."""
        return await (await self._there()).info()

    async def start(self, router_id: IPv4Address, marker: str) -> None:
        """Start BGP."""
        await (await self._there()).start(router_id, marker)

    async def observe(self) -> Observed:
        """Return what the daemon has configured."""
        return await (await self._there()).observe()

    async def neighbors(self) -> Mapping[IPAddress, NeighborState]:
        """Return the state of all neighbours."""
        return await (await self._there()).neighbors()

    async def path_count(self) -> int:
        """Return how many paths the daemon holds."""
        return await (await self._there()).path_count()

    async def announce(self, paths: Iterable[Path]) -> None:
        """Add or replace paths."""
        await (await self._there()).announce(paths)

    async def withdraw(self, paths: Iterable[Path]) -> None:
        """Take paths away."""
        await (await self._there()).withdraw(paths)

    async def add_neighbor(self, neighbor: Neighbor) -> None:
        """Open a session."""
        await (await self._there()).add_neighbor(neighbor)

    async def update_neighbor(self, new: Neighbor) -> None:
        """Change a neighbour."""
        await (await self._there()).update_neighbor(new)

    async def remove_neighbor(self, address: IPAddress, how: Exit) -> None:
        """Take a neighbour away."""
        await (await self._there()).remove_neighbor(address, how)

    async def enable_neighbor(self, address: IPAddress) -> None:
        """Try again with a neighbour."""
        await (await self._there()).enable_neighbor(address)

    async def events(self) -> AsyncIterator[IPAddress | None]:
        """Yield neighbours whose state may have changed."""
        async for address in (await self._there()).events():
            yield address

    async def close(self) -> None:
        """Close the connection, if there ever was one."""
        if self._engine is not None:
            await self._engine.close()
