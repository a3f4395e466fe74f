"""What the tests of stores share: the stores themselves, objects to put there, watches and children that run."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.kind import Kind
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import Change, ChangeType, Store, StoreError, Unreachable
from flatbgp.store.url import open_store

CHILD = Path(__file__).with_name("storechild.py")
NAMESPACE = "kube-system"
SECONDS = 5.0

R = TypeVar("R")


@dataclass
class Backend:
    """A place where objects live, and how to connect to it.

    ``embedded``: it takes a Node's status by ``apply`` and applies all or nothing.
    """

    url: str
    embedded: bool = True
    _opened: list[Store] = field(default_factory=list)

    def connect(self) -> Store:
        """Return a client; of a store in memory there is only one."""
        if self._opened and self.url == "sqlite::memory:":
            return self._opened[0]
        store = open_store(self.url)
        self._opened.append(store)
        return store

    async def close(self) -> None:
        async with AsyncExitStack() as stack:
            for store in self._opened:
                stack.push_async_callback(store.close)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """Have a client, closed at the end."""
    store = open_store(url)
    try:
        yield store
    finally:
        await store.close()


async def until_answered(call: Callable[[], Awaitable[R]], error: type[StoreError] = Unreachable) -> R:
    """Call again as long as it fails like this."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call()
            except error:
                await asyncio.sleep(0.05)  # between two looks, within the deadline


async def until_raised(call: Callable[[], Awaitable[Any]], error: type[StoreError]) -> StoreError:
    """Call again until it fails like this."""
    async with asyncio.timeout(30):
        while True:
            try:
                await call()
            except error as found:
                return found
            await asyncio.sleep(0.05)  # between two looks, within the deadline


def document(kind: Kind[Any, Any], name: str, *, namespace: str = NAMESPACE, **more: Any) -> dict[str, Any]:
    meta = {"name": name, **more.pop("metadata", {})}
    if kind.namespaced:
        meta["namespace"] = namespace
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **more}


def peer(name: str = "router", *, asn: int = 64512, ip: str = "10.0.1.254", **meta: Any) -> dict[str, Any]:
    spec = {"localASN": 64513, "peerASN": asn, "peerIP": ip}
    return document(BGP_PEER, name, metadata=meta, spec=spec)


def node(
    name: str = "node-01", *, address: str = "10.0.1.1", spec: Mapping[str, Any] = {}, **meta: Any
) -> dict[str, Any]:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return document(NODE, name, metadata=meta, spec=dict(spec), status=status)


def secret(name: str = "password", *, text: str = "cGFzc3dvcmQ=", **meta: Any) -> dict[str, Any]:
    return document(SECRET, name, metadata=meta, type="kubernetes.io/basic-auth", data={"password": text})


def manifest(kind: Kind[Any, Any], value: Mapping[str, Any]) -> Manifest:
    meta = value["metadata"]
    return Manifest(kind, Key(meta.get("namespace", ""), meta["name"]), value, "test.yaml", 1)


class Watching:
    """A watch that runs, and what it has told so far."""

    def __init__(self, watch: AsyncGenerator[Sequence[Change[Any, Any]], None]) -> None:
        self._watch = watch
        self.version = ""

    async def batch(self) -> Sequence[Change[Any, Any]]:
        """Return the next batch that says anything."""
        async with asyncio.timeout(SECONDS):
            while True:
                found = await anext(self._watch)
                if found:
                    self.version = found[-1].version
                    return found

    async def until(self, name: str, kind: ChangeType = ChangeType.PUT) -> list[tuple[str, str]]:
        """Return what is told up to a change of one object, as pairs of word and name."""
        told: list[tuple[str, str]] = []
        while True:
            for change in await self.batch():
                if change.resource is not None:
                    told.append((change.type.value, change.resource.meta.name))
                    if told[-1] == (kind.value, name):
                        return told


@asynccontextmanager
async def watching(watch: AsyncGenerator[Sequence[Change[Any, Any]], None]) -> AsyncIterator[Watching]:
    """Have a watch that has begun: its first batch says that the store has answered."""
    try:
        async with asyncio.timeout(SECONDS):
            assert await anext(watch) == []
        yield Watching(watch)
    finally:
        await watch.aclose()


@asynccontextmanager
async def child(*arguments: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program of storechild.py; its standard input ends with the block, and so must it, if it still runs."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, CHILD, *map(str, arguments), stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise


async def line(process: asyncio.subprocess.Process) -> str:
    """Return the next thing that a child says."""
    assert process.stdout is not None
    async with asyncio.timeout(2 * SECONDS):
        return (await process.stdout.readline()).decode().strip()
