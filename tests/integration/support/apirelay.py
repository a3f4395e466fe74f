"""The way from a machine of the lab to an API server, which listens on the loopback of the test's own namespace.

Each machine gets the server's port on a loopback of its own, so one kubeconfig serves everywhere. What arrives there is
passed on byte by byte.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final

from flatbgp.lab.namespaces import Namespace
from support.kubernetes import ADDRESS
from support.netns import inside

_CHUNK: Final = 1 << 16
_BACKLOG: Final = 64
_START_SECONDS: Final = 10.0


class Relay:
    """All ways to one port, in a thread of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"relay to {port}", daemon=True)
        self._servers: dict[str, asyncio.Server] = {}
        self._ways: set[asyncio.Task[None]] = set()
        self._thread.start()

    def open(self, namespace: str) -> None:
        """Let a namespace reach the server."""
        if namespace not in self._servers:
            listener = _listener(namespace, self._port)
            self._run(self._serve(namespace, listener))

    def close(self) -> None:
        """End everything."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        outcome: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        outcome.result(_START_SECONDS)

    async def _serve(self, namespace: str, listener: socket.socket) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._ways.add(task)
            try:
                await self._pass_on(reader, writer)
            except asyncio.CancelledError:
                pass  # closed: the way ends, and not the thread
            finally:
                self._ways.discard(task)
                writer.transport.abort()

        self._servers[namespace] = await asyncio.start_server(connected, sock=listener, limit=_CHUNK)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(ADDRESS, self._port, limit=_CHUNK)
        except OSError:
            return  # the server is down: the connection ends here as it would there
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, back))
                tasks.create_task(_copy(there, writer))
        finally:
            back.transport.abort()

    async def _end(self) -> None:
        for server in self._servers.values():
            server.close()
        tasks = tuple(self._ways)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


def _listener(namespace: str, port: int) -> socket.socket:
    """Return a listening socket inside a namespace; it stays there, whoever accepts from it."""
    with inside(Namespace(namespace)):
        return socket.create_server((ADDRESS, port), backlog=_BACKLOG)
