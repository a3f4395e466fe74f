"""Caches: always the whole truth that the store last told, and word of every change of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from storedocs import NAMESPACE, manifest, node, peer
from storefaults import Fault, FaultyStore
from structlog.testing import capture_logs

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.store.cache import HEALTHY_SECONDS, LAST_RETRY_SECONDS, PORTION, Cache, CacheSet, Delta
from flatbgp.store.protocol import Store
from flatbgp.store.sqlite.store import SqliteStore

pytestmark = pytest.mark.looptime

ROUTER = Key(NAMESPACE, "router")


class Ear:
    """What a subscriber hears, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bool, bool]] = []
        self.calls = 0
        self._changed = asyncio.Event()

    def hear(self, deltas: Sequence[Delta[Any, Any]]) -> None:
        self.calls += 1
        self.heard += [(delta.key.name, delta.before is not None, delta.after is not None) for delta in deltas]
        self._changed.set()

    async def called(self) -> None:
        """Return after the next call."""
        self._changed.clear()
        async with asyncio.timeout(60):
            await self._changed.wait()


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = SqliteStore(None, kept=3)
    yield store
    await store.close()


@pytest.fixture
def faulty(store: Store) -> FaultyStore:
    return FaultyStore(store)


@asynccontextmanager
async def caches(store: Store) -> AsyncIterator[CacheSet]:
    clock = asyncio.get_running_loop().time
    async with CacheSet(store, lambda: None, log=structlog.get_logger(), clock=clock, random=lambda: 0.5) as group:
        yield group


@asynccontextmanager
async def cached(store: Store) -> AsyncIterator[tuple[Cache[Any, Any], Ear]]:
    async with caches(store) as group:
        cache, ear = group.start(BGP_PEER), Ear()
        cache.subscribe(ear.hear)
        await cache.wait_synced()
        yield cache, ear


async def test_all_objects_are_there_once_it_is_synced(store: Store) -> None:
    for name in ("a", "b"):
        await store.create(BGP_PEER, peer(name))
    async with caches(store) as group:
        cache = group.start(BGP_PEER)
        assert not cache.synced
        assert not group.synced
        assert cache.items == {}
        await group.wait_synced()
        assert cache.synced
        assert sorted(key.name for key in cache.items) == ["a", "b"]


async def test_an_empty_kind_is_synced_too_and_says_so(store: Store) -> None:
    async with caches(store) as group:
        cache, ear = group.start(BGP_PEER), Ear()
        cache.subscribe(ear.hear)
        await ear.called()
        assert cache.synced
        assert ear.heard == []


async def test_changes_arrive_with_before_and_after(store: Store) -> None:
    async with cached(store) as (cache, ear):
        made = await store.create(BGP_PEER, peer())
        await ear.called()
        assert cache.items == {ROUTER: made}
        patched = await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}})
        await ear.called()
        assert cache.items == {ROUTER: patched}
        await store.delete(BGP_PEER, "router", NAMESPACE)
        await ear.called()
        assert cache.items == {}
        assert ear.heard == [("router", False, True), ("router", True, True), ("router", True, False)]


async def test_a_snapshot_never_changes(store: Store) -> None:
    async with cached(store) as (cache, ear):
        await store.create(BGP_PEER, peer())
        await ear.called()
        snapshot = cache.items
        await store.delete(BGP_PEER, "router", NAMESPACE)
        await ear.called()
        assert list(snapshot) == [ROUTER]
        assert cache.items == {}
        with pytest.raises(TypeError):
            snapshot[ROUTER] = snapshot[ROUTER]  # type: ignore[index]  # that it cannot is the point


async def test_many_objects_written_at_once_are_one_call(store: Store) -> None:
    async with caches(store) as group:
        cache, ear = group.start(NODE), Ear()
        cache.subscribe(ear.hear)
        await cache.wait_synced()
        calls = ear.calls
        await store.apply([manifest(NODE, node(f"n{number}")) for number in range(500)])
        await ear.called()
        assert len(cache.items) == 500
        assert ear.calls == calls + 1


async def test_thousands_of_objects_come_in_portions_and_others_have_their_turn_in_between(store: Store) -> None:
    async with caches(store) as group:
        cache, turns = group.start(NODE), [0]
        portions: list[tuple[int, int]] = []
        all_came = asyncio.Event()

        def hear(deltas: Sequence[Delta[Any, Any]]) -> None:
            if deltas:
                portions.append((len(deltas), turns[0]))
            if sum(size for size, _ in portions) == 2 * PORTION + 1:
                all_came.set()

        cache.subscribe(hear)
        await cache.wait_synced()

        async def live() -> None:
            while True:
                turns[0] += 1
                await asyncio.sleep(0)

        await store.apply([manifest(NODE, node(f"n{number}")) for number in range(2 * PORTION + 1)])
        other = asyncio.create_task(live())
        await all_came.wait()
        other.cancel()
        assert max(size for size, _ in portions) <= PORTION
        assert len({turn for _, turn in portions}) == len(portions), "another task ran between any two portions"


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SILENT])
async def test_s36_an_outage_keeps_what_was_known_and_says_since_when(
    store: Store, faulty: FaultyStore, fault: Fault
) -> None:
    made = await store.create(BGP_PEER, peer())
    async with cached(faulty) as (cache, ear):
        await asyncio.sleep(100)
        assert cache.stale_since is None
        faulty.fault = fault
        await ear.called()
        assert cache.stale_since == pytest.approx(asyncio.get_running_loop().time())
        await asyncio.sleep(600)
        assert cache.items == {ROUTER: made}
        assert cache.synced
        assert cache.stale_since == pytest.approx(asyncio.get_running_loop().time() - 600)

        await store.create(BGP_PEER, peer("new"))
        faulty.fault = Fault.NONE
        healed = asyncio.get_running_loop().time()
        await ear.called()
        assert asyncio.get_running_loop().time() - healed <= LAST_RETRY_SECONDS
        assert cache.stale_since is None
        assert sorted(key.name for key in cache.items) == ["new", "router"]


async def test_after_an_outage_the_watch_goes_on_without_a_list(store: Store, faulty: FaultyStore) -> None:
    async with cached(faulty) as (cache, ear):
        assert faulty.lists == 1
        faulty.fault = Fault.REFUSED
        await ear.called()
        await store.create(BGP_PEER, peer())
        faulty.fault = Fault.NONE
        await ear.called()
        assert list(cache.items) == [ROUTER]
        assert faulty.lists == 1


async def test_s47_what_was_forgotten_meanwhile_is_found_by_a_new_list(store: Store, faulty: FaultyStore) -> None:
    for name in ("stays", "changes", "goes"):
        await store.create(BGP_PEER, peer(name))
    async with cached(faulty) as (cache, ear):
        faulty.fault = Fault.REFUSED
        await ear.called()
        await store.patch(BGP_PEER, "changes", NAMESPACE, {"spec": {"med": 1}})
        await store.delete(BGP_PEER, "goes", NAMESPACE)
        for number in range(5):  # more than the store remembers
            await store.create(BGP_PEER, peer(f"brief-{number}"))
            await store.delete(BGP_PEER, f"brief-{number}", NAMESPACE)
        await store.create(BGP_PEER, peer("new"))
        ear.heard.clear()
        faulty.fault = Fault.NONE
        while not ear.heard:
            await ear.called()
        assert sorted(key.name for key in cache.items) == ["changes", "new", "stays"]
        assert sorted(ear.heard) == [("changes", True, True), ("goes", True, False), ("new", False, True)]
        assert faulty.lists == 2


async def test_an_object_made_anew_under_its_name_is_a_change(store: Store, faulty: FaultyStore) -> None:
    old = await store.create(BGP_PEER, peer())
    async with cached(faulty) as (cache, ear):
        faulty.fault = Fault.REFUSED
        await ear.called()
        await store.delete(BGP_PEER, "router", NAMESPACE)
        new = await store.create(BGP_PEER, peer())
        faulty.fault = Fault.NONE
        await ear.called()
        assert cache.items[ROUTER].meta.uid == new.meta.uid != old.meta.uid


async def test_a_store_that_is_away_at_the_start_is_waited_for(store: Store, faulty: FaultyStore) -> None:
    await store.create(BGP_PEER, peer())
    faulty.fault = Fault.REFUSED
    async with caches(faulty) as group:
        cache = group.start(BGP_PEER)
        await asyncio.sleep(60)
        assert not cache.synced
        assert cache.stale_since is not None
        # With growing waits: some tries at first, then one in LAST_RETRY_SECONDS.
        assert 12 < faulty.lists < 25
        faulty.fault = Fault.NONE
        await cache.wait_synced()
        assert list(cache.items) == [ROUTER]


async def test_s47_a_store_that_asks_for_rest_is_left_alone_so_long(store: Store, faulty: FaultyStore) -> None:
    await store.create(BGP_PEER, peer())
    faulty.fault, faulty.rest = Fault.REFUSED, 20.0
    async with caches(faulty) as group:
        cache = group.start(BGP_PEER)
        await asyncio.sleep(19.9)
        assert faulty.lists == 1
        await asyncio.sleep(10.2)  # up to half as much more, so that not all come back at once
        assert faulty.lists == 2
        faulty.fault = Fault.NONE
        await cache.wait_synced()


async def test_waits_begin_anew_after_a_healthy_time(faulty: FaultyStore) -> None:
    async with cached(faulty) as (cache, ear):
        faulty.fault = Fault.REFUSED
        await asyncio.sleep(60)
        faulty.fault = Fault.NONE
        while cache.stale_since is not None:
            await ear.called()
        await asyncio.sleep(HEALTHY_SECONDS + 1)
        faulty.fault = Fault.REFUSED
        await ear.called()
        faulty.fault = Fault.NONE
        lost = asyncio.get_running_loop().time()
        await ear.called()
        assert cache.stale_since is None
        assert asyncio.get_running_loop().time() - lost < 0.5


async def test_many_caches_lose_one_store_once_and_find_it_once(faulty: FaultyStore) -> None:
    with capture_logs() as logs:
        async with caches(faulty) as group:
            for kind in (BGP_PEER, NODE):
                group.start(kind)
            await group.wait_synced()
            await asyncio.sleep(20)
            faulty.fault = Fault.REFUSED
            await asyncio.sleep(100)
            assert group.stale_since == pytest.approx(20)
            faulty.fault = Fault.NONE
            await asyncio.sleep(10)
            assert group.stale_since is None
    assert [entry["log_level"] for entry in logs] == ["warning", "info"]
    assert "by the test" in logs[0]["error"]


async def test_an_end_during_an_outage_is_not_told_as_the_end_of_the_outage(faulty: FaultyStore) -> None:
    faulty.fault = Fault.REFUSED
    with capture_logs() as logs:
        async with caches(faulty) as group:
            group.start(BGP_PEER)
            group.start(NODE)
            await asyncio.sleep(20)
    assert [entry["log_level"] for entry in logs] == ["warning"]


async def test_a_stopped_cache_hears_nothing_more_and_is_not_waited_for(store: Store, faulty: FaultyStore) -> None:
    async with caches(faulty) as group:
        kept, stopped = group.start(BGP_PEER), group.start(NODE)
        await group.wait_synced()
        group.stop(stopped)
        await store.create(NODE, node())
        await store.create(BGP_PEER, peer())
        await asyncio.sleep(1)
        assert stopped.items == {}
        assert list(kept.items) == [ROUTER]
        faulty.fault = Fault.REFUSED
        late = group.start(NODE)
        assert not group.synced
        group.stop(late)
        assert group.synced
