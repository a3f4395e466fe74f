"""A kind's objects in memory, kept up to date: list once, watch, resume, list again only when the store says so.

During an outage a cache keeps what it last knew and says since when it may be out of date; what to make of that is the
roles' decision. Everything runs on one event loop.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, Generic, Self, TypeVar

import structlog

from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import Change, ChangeType, Expired, NotServed, Store, StoreError, Unreachable

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0
"""The waits between tries grow from the first to the last; each is cut by up to half at random."""

NOT_SERVED_SECONDS: Final = 60.0
"""How often to look whether a kind that the store does not have has come."""

HEALTHY_SECONDS: Final = 10.0
"""A watch that lasted this long was a good one: the next wait is the first again."""

PORTION: Final = 500
"""How many changes subscribers get at once. A speaker takes 30 to 40 us for a Node whose addresses changed."""

C = TypeVar("C")
Clock = Callable[[], float]
Random = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Delta(Generic[S, T]):
    """How one object changed; ``None`` where there is none."""

    key: Key
    before: Resource[S, T] | None
    after: Resource[S, T] | None


class Link:
    """Whether the store can be reached, as the caches that share it found out; said once when lost, once when back."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._lost: set[object] = set()

    def lost(self, who: object, error: StoreError) -> None:
        """Note that ``who`` got no answer."""
        if not self._lost:
            self._log.warning("the store cannot be read; going on with what was last known", error=str(error))
        self._lost.add(who)

    def left(self, who: object) -> None:
        """Note that ``who`` asks no more: that tells nothing of the store."""
        self._lost.discard(who)

    def back(self, who: object) -> None:
        """Note that ``who`` got an answer."""
        if who in self._lost:
            self._lost.remove(who)
            if not self._lost:
                self._log.info("the store can be read again")


class Cache(Generic[S, T]):
    """The objects of one kind, of one namespace or all, with some labels or any.

    ``clock`` is the caller's monotonic clock, ``random`` returns numbers from 0 to 1. Without ``following`` they are
    listed once and kept as they were, until :meth:`follow` is called. An ``optional`` kind has no objects where the
    store does not know it.
    """

    def __init__(
        self,
        store: Store,
        kind: Kind[S, T],
        *,
        link: Link,
        clock: Clock,
        random: Random,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        following: bool = True,
        optional: bool = False,
    ) -> None:
        self.kind = kind
        self._store = store
        self._link = link
        self._clock = clock
        self._random = random
        self._namespace = namespace
        self._selector = selector
        self._objects: dict[Key, Resource[S, T]] = {}
        self._optional = optional
        self._lent = False
        self._version = ""
        self._subscribers: list[Callable[[Sequence[Delta[S, T]]], None]] = []
        self._listed = asyncio.Event()
        self._followed = asyncio.Event()
        if following:
            self._followed.set()
        self.stale_since: float | None = None
        """Since when the objects may be out of date (time of ``clock``); ``None`` while the watch runs."""

    @property
    def synced(self) -> bool:
        """Whether all objects have been listed once. What came later does not change that."""
        return self._listed.is_set()

    @property
    def items(self) -> Mapping[Key, Resource[S, T]]:
        """The objects as they are now. The mapping never changes: it may be planned from in another thread."""
        self._lent = True
        return MappingProxyType(self._objects)

    def subscribe(self, callback: Callable[[Sequence[Delta[S, T]]], None]) -> None:
        """Call ``callback`` with each batch of changes, after :attr:`items` shows them.

        The batch is empty when only :attr:`synced` or :attr:`stale_since` changed.
        """
        self._subscribers.append(callback)

    async def wait_synced(self) -> None:
        """Return when all objects have been listed once."""
        await self._listed.wait()

    def follow(self) -> None:
        """Keep the objects up to date from now on."""
        self._followed.set()

    async def run(self) -> None:
        """Keep the objects up to date, until cancelled."""
        pause = FIRST_RETRY_SECONDS
        try:
            while True:
                begun, rest = self._clock(), 0.0
                try:
                    await self._follow()
                except Expired:
                    # So that it lists again; a wait comes first, for a store that says so every time.
                    self._version = ""
                except NotServed as error:
                    if self._optional:
                        await self._replace({}, "")
                        await asyncio.sleep(NOT_SERVED_SECONDS)
                        continue
                    self._lose(error)
                except StoreError as error:
                    self._lose(error)
                    rest = error.retry_after if isinstance(error, Unreachable) else 0.0
                if self._clock() - begun > HEALTHY_SECONDS:
                    pause = FIRST_RETRY_SECONDS
                # What the store asks for is the least; a part more, so that not all come back at once.
                share = (1 + self._random()) / 2
                await asyncio.sleep(max(pause * share, rest * (0.5 + share)))
                pause = min(2 * pause, LAST_RETRY_SECONDS)
        finally:
            self._link.left(self)

    async def _follow(self) -> None:
        if not self._version:
            await self._list()
        await self._followed.wait()
        watch = self._store.watch(self.kind, self._version, self._namespace, self._selector)
        async with contextlib.aclosing(watch):
            async for batch in watch:
                for part in _portions(batch):
                    self._take(part)
                    if part is not batch:
                        await asyncio.sleep(0)

    async def _list(self) -> None:
        listing = await self._store.list(self.kind, self._namespace, self._selector)
        await self._replace({resource.key: resource for resource in listing.items}, listing.version)

    async def _replace(self, new: dict[Key, Resource[S, T]], version: str) -> None:
        """Take all objects as they are at a version."""
        old = self._objects
        deltas = [Delta(key, resource, None) for key, resource in old.items() if key not in new]
        deltas += [Delta(key, old.get(key), now) for key, now in new.items() if not _same(old.get(key), now)]
        self._objects, self._lent, self._version = new, False, version
        changed = bool(deltas) or not self.synced
        self._listed.set()
        if self._regain() or changed:
            for part in _portions(deltas):
                self._tell(part)
                if part is not deltas:
                    await asyncio.sleep(0)

    def _take(self, batch: Sequence[Change[S, T]]) -> None:
        deltas = []
        for change in batch:
            self._version = change.version
            if change.resource is None:
                continue
            key = change.resource.key
            after = None if change.type is ChangeType.DELETED else change.resource
            before = self._objects.get(key)
            if before is None and after is None:
                continue
            self._put(key, after)
            deltas.append(Delta(key, before, after))
        if self._regain() or deltas:
            self._tell(deltas)

    def _put(self, key: Key, after: Resource[S, T] | None) -> None:
        if self._lent:  # somebody plans from the mapping: leave it to them
            self._objects, self._lent = dict(self._objects), False
        if after is None:
            del self._objects[key]
        else:
            self._objects[key] = after

    def _lose(self, error: StoreError) -> None:
        self._link.lost(self, error)
        if self.stale_since is None:
            self.stale_since = self._clock()
            self._tell(())

    def _regain(self) -> bool:
        self._link.back(self)
        was_stale, self.stale_since = self.stale_since is not None, None
        return was_stale

    def _tell(self, deltas: Sequence[Delta[S, T]]) -> None:
        for callback in self._subscribers:
            callback(deltas)


class CacheSet:
    """The caches of one role: started and stopped one by one, waited for together.

    Use it as ``async with CacheSet(...) as caches``; at the end of the block all caches stop. ``changed`` is called at
    every change of any of them.
    """

    def __init__(
        self,
        store: Store,
        changed: Callable[[], None],
        *,
        log: structlog.stdlib.BoundLogger,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._changed = changed
        self._link = Link(log)
        self._clock = clock
        self._random = random
        self._group = asyncio.TaskGroup()
        self._running: dict[Cache[Any, Any], asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for cache in tuple(self._running):
            self.stop(cache)
        await self._group.__aexit__(kind, error, trace)

    def start(
        self,
        kind: Kind[S, T],
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
        *,
        following: bool = True,
        optional: bool = False,
    ) -> Cache[S, T]:
        """Start a cache and return it."""
        cache = Cache(
            self._store,
            kind,
            link=self._link,
            clock=self._clock,
            random=self._random,
            namespace=namespace,
            selector=selector,
            following=following,
            optional=optional,
        )
        cache.subscribe(lambda _: self._changed())
        self._running[cache] = self._group.create_task(cache.run(), name=f"cache of {kind.full_name}")
        return cache

    def stop(self, cache: Cache[Any, Any]) -> None:
        """Stop a cache; what it holds stays as it is."""
        self._running.pop(cache).cancel()

    @property
    def synced(self) -> bool:
        """Whether all running caches have been listed completely."""
        return all(cache.synced for cache in self._running)

    @property
    def stale_since(self) -> float | None:
        """Since when any of them may be out of date, ``None`` if none is."""
        return min((cache.stale_since for cache in self._running if cache.stale_since is not None), default=None)

    async def wait_synced(self) -> None:
        """Return when all caches that run now have been listed completely."""
        for cache in tuple(self._running):
            await cache.wait_synced()


def _portions(changes: Sequence[C]) -> Iterator[Sequence[C]]:
    """Yield many changes in parts: what subscribers do with thousands at once would keep the loop from all else."""
    if len(changes) <= PORTION:
        yield changes
        return
    for start in range(0, len(changes), PORTION):
        yield changes[start : start + PORTION]


def _same(before: Resource[S, T] | None, now: Resource[S, T]) -> bool:
    return (
        before is not None
        and before.meta.resource_version == now.meta.resource_version
        and before.meta.uid == now.meta.uid
    )
