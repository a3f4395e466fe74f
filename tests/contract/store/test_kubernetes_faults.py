"""The Kubernetes store under faults of the network and of a real API server."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
import structlog
from storedocs import NAMESPACE, SECONDS, manifest, node, opened, peer, until_answered, until_raised

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.store.cache import Cache, CacheSet
from flatbgp.store.kubernetes import listing, paths
from flatbgp.store.kubernetes.access import Location, location
from flatbgp.store.kubernetes.store import KubernetesStore
from flatbgp.store.kubernetes.transport import CALL_SECONDS, Answer, Request, Transport
from flatbgp.store.protocol import Expired, Store, StoreError, Unreachable, WrongStore
from support import definitions
from support.apifaults import granted, throttled
from support.faultyproxy import FaultyProxy
from support.kubernetes import NOBODY, ApiServer

pytestmark = pytest.mark.contract

PEERS = "/apis/networking.gke.io/v1/namespaces/kube-system/bgppeers"


@pytest.fixture
async def store(server: ApiServer, proxy: FaultyProxy) -> AsyncIterator[Store]:
    """The client that suffers: its way is through the proxy."""
    async with opened(server.url(server=proxy.url)) as store:
        yield store


@asynccontextmanager
async def cached(store: Store) -> AsyncIterator[Cache[Any, Any]]:
    """A cache of the BGPPeers that has been filled once."""
    clock = asyncio.get_running_loop().time
    choice = random.Random(7)  # noqa: S311 - repeatable, not secret
    log = structlog.get_logger()
    async with CacheSet(store, lambda: None, log=log, clock=clock, random=choice.random) as caches:
        cache = caches.start(BGP_PEER)
        async with asyncio.timeout(SECONDS):
            await cache.wait_synced()
        yield cache


async def until(what: str, holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Return when a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}"
        await asyncio.sleep(0.02)  # between two looks, within the deadline


def names(cache: Cache[Any, Any]) -> list[str]:
    return sorted(key.name for key in cache.items)


async def test_s47_a_cut_watch_says_so_at_once_and_misses_nothing(
    store: Store, direct: Store, proxy: FaultyProxy
) -> None:
    version = (await store.list(BGP_PEER)).version
    async with aclosing(store.watch(BGP_PEER, version)) as watch:
        assert await anext(watch) == []
        following = asyncio.ensure_future(anext(watch))
        await proxy.cut()
        with pytest.raises(Unreachable, match="cannot be reached"):
            async with asyncio.timeout(SECONDS):
                await following

    async with cached(store) as cache:
        for number in range(5):
            await proxy.cut()
            await direct.create(BGP_PEER, peer(f"p{number}"))
            if number:
                await direct.delete(BGP_PEER, f"p{number - 1}", NAMESPACE)
        await until("the last one", lambda: names(cache) == ["p4"])


async def test_s47_a_compacted_version_is_expired_and_a_cache_lists_again(
    server: ApiServer, store: Store, direct: Store
) -> None:
    await direct.create(BGP_PEER, peer("before"))
    version = (await store.list(BGP_PEER)).version
    async with cached(store) as cache:
        server.kill()
        server.start()
        for med in range(10):
            await until_answered(lambda med=med: direct.patch(BGP_PEER, "before", NAMESPACE, {"spec": {"med": med}}))
        await direct.delete(BGP_PEER, "before", NAMESPACE)
        await direct.create(BGP_PEER, peer("after"))
        server.compact()
        server.kill()  # what it remembered of changes goes with it
        server.start()
        await until("what changed meanwhile", lambda: names(cache) == ["after"])
        assert cache.stale_since is None
    with pytest.raises(Expired, match="list again"):
        async with aclosing(store.watch(BGP_PEER, version)) as watch:
            await anext(watch)


def place(url: str) -> Location:
    return location(url.removeprefix("kubernetes:"))


class _Compacting(Transport):
    """A client whose server forgets everything old after each page."""

    server: ApiServer
    lists = 0

    async def call(self, request: Request, seconds: float = 10.0) -> Answer:
        answer = await super().call(request, seconds)
        if "limit" in request.query:
            self.lists += 1
            self.server.compact()
        return answer


async def test_s47_a_list_whose_pages_are_forgotten_half_way_is_whole_all_the_same(
    server: ApiServer, direct: Store
) -> None:
    await direct.apply([manifest(BGP_PEER, peer(f"p{number:04}")) for number in range(paths.PAGE + 20)])
    transport = _Compacting(place(server.url()))
    transport.server = server
    try:
        found = await listing.read_all(transport, BGP_PEER, None, None)
    finally:
        await transport.close()
    assert [each.meta.name for each in found.items] == [f"p{number:04}" for number in range(paths.PAGE + 20)]
    assert transport.lists >= 1


async def many(call: Callable[[], Awaitable[Any]]) -> None:
    """Call several times at once: one at a time is always let through."""
    for outcome in await asyncio.gather(*(call() for _ in range(16)), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


async def test_s47_a_server_that_asks_for_rest_is_given_it(server: ApiServer, direct: Store) -> None:
    await direct.create(BGP_PEER, peer())
    read = {
        "verbs": ["get", "list", "watch"],
        "apiGroups": ["", BGP_PEER.group],
        "resources": ["namespaces", "bgppeers"],
    }
    with granted(server, NOBODY, [read]):
        async with opened(server.url(NOBODY)) as store:
            await until_answered(lambda: store.list(BGP_PEER), StoreError)  # the right takes a moment to be known
            with throttled(server, NOBODY):
                refusal = await until_raised(lambda: many(lambda: store.list(BGP_PEER)), Unreachable)
                assert isinstance(refusal, Unreachable)
                assert refusal.retry_after >= 1.0
                assert "429" in str(refusal)
            assert await until_answered(lambda: store.get(BGP_PEER, "router", NAMESPACE))


async def test_a_half_open_watch_is_found_out_and_a_quiet_one_is_left_alone(
    server: ApiServer, proxy: FaultyProxy, direct: Store
) -> None:
    store = KubernetesStore(place(server.url(server=proxy.url)), silence=1.0, unheard=1.0)
    try:
        version = (await store.list(BGP_PEER)).version
        async with aclosing(store.watch(BGP_PEER, version)) as watch:
            assert await anext(watch) == []
            following = asyncio.ensure_future(anext(watch))
            opened_before = proxy.opened
            await until("it to be begun anew", lambda: proxy.opened >= opened_before + 3)
            assert not following.done()  # nobody was told: nothing is wrong
            made = await direct.create(BGP_PEER, peer())
            async with asyncio.timeout(SECONDS):
                (change,) = await following
            assert change.resource == made

            following = asyncio.ensure_future(anext(watch))
            proxy.freeze()
            begun = time.monotonic()
            with pytest.raises(Unreachable, match="no answer within 10 s"):
                await following
            assert time.monotonic() - begun < 1.0 + CALL_SECONDS + 2
    finally:
        async with asyncio.timeout(2):  # a process that is told to end must not wait for the dead
            await store.close()
        proxy.thaw()


async def test_a_slow_server_is_waited_for_and_no_longer_than_the_caller_says(
    proxy: FaultyProxy, store: Store, direct: Store
) -> None:
    await direct.create(BGP_PEER, peer())
    await store.identity()
    proxy.delay = 0.3
    begun = time.monotonic()
    assert await store.get(BGP_PEER, "router", NAMESPACE)
    assert time.monotonic() - begun >= 0.3
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await store.get(BGP_PEER, "router", NAMESPACE)
    proxy.delay = 0.0
    async with asyncio.timeout(SECONDS):
        assert await store.get(BGP_PEER, "router", NAMESPACE)


async def test_a_server_that_stands_still_is_unreachable_within_the_deadline(server: ApiServer, direct: Store) -> None:
    await direct.identity()
    server.pause()
    begun = time.monotonic()
    with pytest.raises(Unreachable, match=r"no answer within 10 s"):
        await direct.get(BGP_PEER, "router", NAMESPACE)
    assert CALL_SECONDS <= time.monotonic() - begun < CALL_SECONDS + 2
    server.resume()
    assert await until_answered(lambda: direct.list(BGP_PEER))


async def test_a_write_whose_answer_is_lost_is_unknown_and_done(
    proxy: FaultyProxy, store: Store, direct: Store
) -> None:
    made = await store.create(BGP_PEER, peer())
    proxy.swallow_answers = True
    lost = asyncio.ensure_future(store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 7}}))

    async with aclosing(direct.watch(BGP_PEER, made.meta.resource_version)) as watch, asyncio.timeout(SECONDS):
        async for batch in watch:  # until it is done
            if batch:
                break
    await proxy.cut()
    with pytest.raises(Unreachable):
        await lost
    proxy.swallow_answers = False
    again = await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 7}})
    found = await direct.get(BGP_PEER, "router", NAMESPACE)
    assert found == again
    assert again.meta.generation == 2


async def test_s36_a_server_that_is_down_leaves_a_cache_as_it_was_and_says_so(server: ApiServer, direct: Store) -> None:
    await direct.create(BGP_PEER, peer())
    async with cached(direct) as cache:
        server.kill()
        await until("the loss to be noticed", lambda: cache.stale_since is not None)
        with pytest.raises(Unreachable, match=server.server):
            await direct.get(BGP_PEER, "router", NAMESPACE)
        assert names(cache) == ["router"]
        server.start()
        await until("the server to be seen again", lambda: cache.stale_since is None)
        await direct.create(BGP_PEER, peer("second"))
        await until("the second", lambda: names(cache) == ["router", "second"])


async def test_another_cluster_in_its_place_is_not_touched_until_the_old_one_is_back(
    server: ApiServer, direct: Store
) -> None:
    await direct.create(BGP_PEER, peer())
    identity = await direct.identity()
    async with cached(direct) as cache:
        old = server.replace()
        definitions.install(server)
        await until("the loss to be noticed", lambda: cache.stale_since is not None)
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: direct.get(BGP_PEER, "router", NAMESPACE),
            lambda: direct.list(BGP_PEER),
            lambda: direct.create(BGP_PEER, peer("new")),
            lambda: direct.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}}),
            lambda: direct.delete(BGP_PEER, "router", NAMESPACE),
            lambda: direct.apply([manifest(BGP_PEER, peer("new"))]),
            lambda: anext(direct.watch(BGP_PEER, "1")),
            direct.identity,
        ]
        for call in calls:
            with pytest.raises(WrongStore, match=identity) as error:
                await call()
            assert "restart this process to accept it" in str(error.value)
        assert server.request("GET", PEERS)["items"] == []
        assert names(cache) == ["router"]

        server.restore(old)
        assert await until_answered(lambda: direct.get(BGP_PEER, "router", NAMESPACE))
        await until("the old one to be seen again", lambda: cache.stale_since is None)
        assert await direct.identity() == identity


async def test_a_cluster_that_was_restored_from_a_back_up_is_listed_anew(server: ApiServer, direct: Store) -> None:
    await direct.create(BGP_PEER, peer("kept"))
    state = server.back_up()
    await until_answered(lambda: direct.create(BGP_PEER, peer("lost")))
    for med in range(200):  # further than the restored server counts while it starts
        await direct.patch(BGP_PEER, "lost", NAMESPACE, {"spec": {"med": med}})
    async with cached(direct) as cache:
        assert names(cache) == ["kept", "lost"]
        version = (await direct.list(BGP_PEER)).version
        server.restore(state)
        await until("what the back-up has", lambda: names(cache) == ["kept"])
        assert int((await direct.list(BGP_PEER)).version) < int(version)
        with pytest.raises(Expired, match="list again"):
            async with aclosing(direct.watch(BGP_PEER, version)) as watch:
                await anext(watch)


async def test_hundreds_of_changes_that_come_at_once_are_told_in_portions_and_in_order(direct: Store) -> None:
    version = (await direct.list(NODE)).version
    nodes = [manifest(NODE, node(f"n{number:03}")) for number in range(600)]
    await direct.apply(nodes)
    told: list[str] = []
    async with aclosing(direct.watch(NODE, version)) as watch, asyncio.timeout(SECONDS):
        async for batch in watch:
            assert len(batch) <= 250
            told += [change.resource.meta.name for change in batch if change.resource]
            if len(told) == 600:
                break
    assert told == [each.key.name for each in nodes]
