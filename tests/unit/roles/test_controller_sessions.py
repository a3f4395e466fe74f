"""What the controller says of BGPSessions whose speaker does not, and which of them it removes."""

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from controller_rig import KS, configure, put_lease, put_peer, put_session
from roles_rig import conditions, eventually, names, put_node

from flatbgp.host.clock import boottime
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.roles.controller_caches import ControllerCaches
from flatbgp.roles.controller_status import StatusLoop
from flatbgp.roles.runtime import Trouble
from flatbgp.store.cache import CacheSet
from flatbgp.store.protocol import Store


class Clock:
    """A monotonic and a wall clock that go only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now - 1000)


@contextlib.asynccontextmanager
async def status_loop(store: Store, clock: Clock) -> AsyncIterator[StatusLoop]:
    log = structlog.stdlib.get_logger()
    async with CacheSet(store, lambda: None, log=log, clock=boottime, random=lambda: 0.5) as group:
        caches = ControllerCaches(group, KS, lambda: None, lambda: None)
        loop = StatusLoop(store, caches, Trouble(log), log, clock, clock.wall, 10.0, lambda _: None)
        await caches.wait_synced()
        yield loop


async def reasons(store: Store) -> list[tuple[str, str]]:
    items = (await store.list(BGP_SESSION)).items
    return [(item.status.state, item.status.reason or "") for item in items if item.status]


async def one_session(store: Store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    await put_lease(store, "10.0.1.100", "node-01", "10.0.1.0/24")
    await put_session(store, "10.0.1.254", "10.0.1.100", "node-01")


async def test_a_speaker_that_misses_three_reports_is_silent_and_one_that_reports_is_not(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 29.9
        pause = await loop.step()
        assert pause == pytest.approx(0.1)
        assert await reasons(store) == [("Established", "")]
        clock.now += 0.2
        await loop.step()
        assert await reasons(store) == [("NotEstablished", "SpeakerSilent")]
        status = (await store.list(BGP_SESSION)).items[0].status
        assert (status.flaps, status.since) == (1, clock.wall().replace(microsecond=0)) or status.flaps == 1
        assert status.last_report == datetime(2026, 1, 1, tzinfo=UTC)  # what the speaker wrote


async def test_reports_are_counted_on_our_own_clock_and_anew_after_each(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        for number in range(1, 8):
            await loop.step()
            clock.now += 10
            report = {"status": {"lastReport": f"2020-01-01T00:00:0{number}Z"}}  # the speaker's clock is years behind
            written = await store.patch(BGP_SESSION, "10.0.1.254-node-01", KS, report, subresource="status")

            async def seen(version: str = written.meta.resource_version) -> bool:
                return loop.caches.sessions[0].meta.resource_version == version

            await eventually(seen)
        await loop.step()
        assert await reasons(store) == [("Established", "")]


async def test_s32_when_nobody_holds_the_address_any_more_the_session_says_no_gateway(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 3601  # the Lease runs out
        await loop.step()
        clock.now += 2
        await loop.step()
        assert await reasons(store) == [("NotEstablished", "NoGateway")]
        peer = await conditions(store, BGP_PEER, "bgppeer1", KS)
        assert peer["Ready"] == ("False", "NoGateway")


async def test_s46_the_session_of_a_former_holder_is_removed_after_the_move(store) -> None:
    await one_session(store)
    await put_node(store, "node-03", "10.0.1.3")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await put_lease(store, "10.0.1.100", "node-03", "10.0.1.0/24", renewed="2")

        async def moved() -> bool:
            return any(lease.spec.holder_identity == "node-03" for lease in loop.caches.leases)

        await eventually(moved)
        await loop.step()
        assert await names(store, BGP_SESSION)  # its speaker may do it
        clock.now += 2
        await loop.step()
        assert not await names(store, BGP_SESSION)


async def test_a_session_that_was_taken_back_is_removed_as_soon_as_the_peer_has_all_that_it_should(store) -> None:
    await one_session(store)
    await put_peer(store, "bgppeer1", "10.0.1.254", sessions=1)
    await put_node(store, "node-02", "10.0.3.2")
    await put_lease(store, "10.0.3.100", "node-02", "10.0.3.0/24")
    await put_session(store, "10.0.1.254", "10.0.3.100", "node-02")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 2
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01"]


async def test_a_session_that_its_speaker_may_have_chosen_stays_as_long_as_it_reports(store) -> None:
    await one_session(store)
    await put_peer(store, "bgppeer1", "10.0.1.254", sessions=1)
    await put_node(store, "node-02", "10.0.3.2")
    await put_lease(store, "10.0.3.100", "node-02", "10.0.3.0/24")
    await put_session(store, "10.0.1.254", "10.0.1.100", "node-01", "NotEstablished")
    await put_session(store, "10.0.1.254", "10.0.3.100", "node-02", "NotEstablished")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 14
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01", "10.0.1.254-node-02"]
        clock.now += 1
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01"]


async def test_s45_a_second_look_at_the_same_state_writes_nothing(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        version = (await store.list(BGP_PEER)).version

        async def seen() -> bool:
            return all(peer.status is not None for peer in loop.caches.configured().peers)

        await eventually(seen)
        clock.now += 5
        await loop.step()
        assert (await store.list(BGP_PEER)).version == version
