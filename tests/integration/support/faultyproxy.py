"""A way to a server that fails on command: what a network, or an overloaded machine, does to TCP connections.

It passes bytes on and understands none of them, so TLS goes through it. It runs in the loop of the test that uses it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

ADDRESS: Final = "127.0.0.1"

_CHUNK: Final = 1 << 16


class FaultyProxy:
    """One listening port that leads to another. All faults concern the connections there are and those to come."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.opened = 0
        self.delay = 0.0
        """For how long everything that comes from the server is held back, in seconds."""
        self.swallow_answers = False
        """Whether what comes from the server is thrown away: requests are carried out, and nobody learns of it."""
        self._target = target
        self._passing = asyncio.Event()
        self._passing.set()
        self._ways: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """What a kubeconfig names."""
        return f"https://{ADDRESS}:{self.port}"

    def freeze(self) -> None:
        """Let nothing through any more; no connection ends by it, as when a machine or a NAT entry is gone."""
        self._passing.clear()

    def thaw(self) -> None:
        """Let everything through again, what was held back first."""
        self._passing.set()

    async def cut(self) -> None:
        """Break all connections."""
        ways = tuple(self._ways)
        for way in ways:
            way.cancel()
        if ways:
            await asyncio.wait(ways)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes on one connection."""
        way = asyncio.current_task()
        assert way is not None
        self.opened += 1
        self._ways.add(way)
        try:
            there, back = await asyncio.open_connection(ADDRESS, self._target, limit=_CHUNK)
            try:
                await asyncio.gather(self._copy(reader, back, answers=False), self._copy(there, writer, answers=True))
            finally:
                back.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # the server is down, or the way was cut: it ends here as it would there
        finally:
            self._ways.discard(way)
            writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(_CHUNK):
            if answers:
                await asyncio.sleep(self.delay)
                if self.swallow_answers:
                    continue
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError("one end hung up")


@asynccontextmanager
async def faulty_proxy(target: int) -> AsyncIterator[FaultyProxy]:
    """Run a proxy to a port of this machine for the length of the block."""
    proxy = FaultyProxy(target)
    server = await asyncio.start_server(proxy.serve, ADDRESS, 0, limit=_CHUNK)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.cut()
        await server.wait_closed()
