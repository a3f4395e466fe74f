"""A store that fails on command: what a network does to one, around a real one."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, TypeVar

from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import Applied, Change, Listing, Store, Unreachable

R = TypeVar("R")


class Fault(Enum):
    """What becomes of a request."""

    NONE = auto()
    REFUSED = auto()  # an error at once, nothing done
    SILENT = auto()  # never an answer, nothing done
    UNANSWERED = auto()  # done, but never an answer


class FaultyStore:
    """One client's view of ``store``; other clients may have another."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._fault = Fault.NONE
        self._changed = asyncio.Event()
        self.lists = 0
        self.rest = 0.0
        """For how many seconds a refusal asks to be left alone."""

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        self._changed.set()
        self._changed = asyncio.Event()

    async def identity(self) -> str:
        return await self._asked(self._store.identity)

    async def get(self, kind: Kind[S, T], name: str, namespace: str = "") -> Resource[S, T] | None:
        return await self._asked(lambda: self._store.get(kind, name, namespace))

    async def list(
        self, kind: Kind[S, T], namespace: str | None = None, selector: Mapping[str, str] | None = None
    ) -> Listing[S, T]:
        self.lists += 1
        return await self._asked(lambda: self._store.list(kind, namespace, selector))

    async def watch(
        self,
        kind: Kind[S, T],
        since: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Sequence[Change[S, T]], None]:
        watch = self._store.watch(kind, since, namespace, selector)
        try:
            while True:
                following = asyncio.ensure_future(anext(watch))
                while not following.done():
                    if self._fault is not Fault.NONE:
                        following.cancel()
                        await asyncio.wait((following,))
                        raise Unreachable("cut off by the test")
                    changed = asyncio.ensure_future(self._changed.wait())
                    try:
                        await asyncio.wait((following, changed), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        changed.cancel()
                yield following.result()
        finally:
            following.cancel()
            await asyncio.wait((following,))
            await watch.aclose()

    async def apply(self, manifests: Sequence[Manifest]) -> Sequence[Applied]:
        return await self._asked(lambda: self._store.apply(manifests))

    async def create(self, kind: Kind[S, T], document: Mapping[str, Any]) -> Resource[S, T]:
        return await self._asked(lambda: self._store.create(kind, document))

    async def patch(
        self,
        kind: Kind[S, T],
        name: str,
        namespace: str,
        patch: Mapping[str, Any],
        *,
        version: str | None = None,
        subresource: str = "",
    ) -> Resource[S, T]:
        return await self._asked(
            lambda: self._store.patch(kind, name, namespace, patch, version=version, subresource=subresource)
        )

    async def delete(self, kind: Kind[S, T], name: str, namespace: str = "", *, version: str | None = None) -> bool:
        return await self._asked(lambda: self._store.delete(kind, name, namespace, version=version))

    async def close(self) -> None:
        await self._store.close()

    async def _asked(self, request: Callable[[], Awaitable[R]]) -> R:
        match self._fault:
            case Fault.REFUSED:
                raise Unreachable("refused by the test", self.rest)
            case Fault.SILENT:
                await asyncio.Event().wait()
            case Fault.UNANSWERED:
                await request()
                await asyncio.Event().wait()
            case Fault.NONE:
                pass
        return await request()
