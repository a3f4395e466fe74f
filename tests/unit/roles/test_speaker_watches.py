"""What a speaker asks of the store: as good as nothing while it is idle, more while an address is wanted."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
import structlog
from roles_rig import eventually, put, put_node
from structlog.testing import capture_logs

from flatbgp.planning.gateway import events
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.lease import FLOATING_IPS, LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.roles.speaker.caches import Caches
from flatbgp.roles.speaker.ownnode import OwnNode
from flatbgp.store.cache import CacheSet
from flatbgp.store.protocol import Store
from flatbgp.store.sqlite.store import SqliteStore


class Asked:
    """A store that notes which kinds are listed, watched and read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.calls: list[tuple[str, str]] = []

    def __getattr__(self, name: str):
        call = getattr(self._store, name)
        if name not in ("get", "list", "watch"):
            return call

        def noted(kind, *arguments, **more):
            self.calls.append((name, kind.name))
            return call(kind, *arguments, **more)

        return noted


@pytest.fixture
async def store() -> AsyncIterator[Asked]:
    opened = SqliteStore(None)
    yield Asked(opened)
    await opened.close()


@pytest.fixture
async def heard() -> list[events.Event]:
    return []


@pytest.fixture
async def caches(store: Asked, heard: list[events.Event]) -> AsyncIterator[Caches]:
    clock, log = asyncio.get_running_loop().time, structlog.stdlib.get_logger()
    async with CacheSet(store, lambda: None, log=log, clock=clock, random=random.random) as group:
        yield Caches(
            "node-01",
            "kube-system",
            group,
            heard.append,
            changed=lambda: None,
            leases_seen=lambda _news: None,
            routes_changed=lambda: None,
        )


async def test_an_idle_speaker_watches_the_group_and_the_leases_of_floating_ips_and_nothing_else(
    store: Asked, caches: Caches, heard: list[events.Event]
) -> None:
    await put(store, NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100"]})
    note = {"flatbgp.io/address": "10.0.1.100"}
    await put(
        store, LEASE, "floatingip-10-0-1-100", {"holderIdentity": "node-02"}, labels=FLOATING_IPS, annotations=note
    )
    await put(store, LEASE, "kube-scheduler", {"holderIdentity": "somebody"})
    await eventually(lambda: _that(any(isinstance(event, events.LeaseSeen) for event in heard)))
    await eventually(lambda: _that(any(isinstance(event, events.GroupSeen) for event in heard)))
    assert {lease.meta.name for lease in caches.leases} == {"floatingip-10-0-1-100"}
    assert {kind for _, kind in store.calls} == {"Lease", "NetworkGatewayGroup"}


async def test_while_an_address_is_only_wanted_the_rest_is_listed_once_and_watched_from_the_claim_on(
    store: Asked, caches: Caches
) -> None:
    await put_node(store, "node-01", "10.0.1.1")
    caches.watch_everything(wanted=True, following=False)
    await eventually(lambda: _that(caches.complete))
    listed = {"BGPPeer", "FlatIPMode", "Secret", "BGPAdvertisedRoute", "BGPSession", "Node"}
    assert listed <= {kind for call, kind in store.calls if call == "list"}
    assert not listed & {kind for call, kind in store.calls if call == "watch"}
    spec = {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254"}
    await put(store, BGP_PEER, "late", spec)
    assert not caches.configuration().peers
    caches.watch_everything(wanted=True, following=True)
    await eventually(lambda: _that(bool(caches.configuration().peers)))
    assert [call for call in store.calls if call[0] == "list" and call[1] in listed] == [
        call for call in dict.fromkeys(store.calls) if call[0] == "list" and call[1] in listed
    ], "what was listed once is followed from there"


async def test_the_own_node_is_looked_at_only_while_an_address_is_wanted(store: Asked) -> None:
    await put_node(store, "node-01", "10.0.1.1", annotations={"flatbgp.io/drain": "true"})
    seen = []
    own = OwnNode(store, "node-01", seen.append)
    task = asyncio.create_task(own.run())
    try:
        await asyncio.sleep(0)
        assert store.calls == []
        own.want(True)
        await eventually(lambda: _that(bool(seen)))
        own.want(False)
        assert seen[0].meta.annotations == {"flatbgp.io/drain": "true"}
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_missing_node_is_told_of_at_the_start(store: Asked) -> None:
    own = OwnNode(store, "node-01", lambda _: None)
    with capture_logs() as told:
        await own.tell_if_missing(structlog.stdlib.get_logger())
        await put_node(store, "node-01", "10.0.1.1")
        await own.tell_if_missing(structlog.stdlib.get_logger())
    assert [each["event"].split(";")[0] for each in told] == ["there is no Node node-01 yet"]


async def test_what_was_read_of_the_own_node_tells_the_gateway_at_once(
    caches: Caches, heard: list[events.Event]
) -> None:
    caches.own_node_seen(None)
    assert not any(isinstance(event, events.NodeSeen) for event in heard), "nothing is wanted yet"
    caches.watch_everything(wanted=True, following=False)
    caches.own_node_seen(None)
    assert heard[-1] == events.NodeSeen(exists=False)


async def _that(true: bool) -> bool:
    return true
