"""How the speaker keeps a daemon: an engine in memory, and a router that refuses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, ip_address, ip_network

import pytest
import structlog
from roles_rig import eventually

from flatbgp.engine.fake import FakeEngine
from flatbgp.engine.model import Desired, Exit, Neighbor, Path
from flatbgp.host.model import SessionMessage
from flatbgp.host.packets.bgp import Notification
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.roles.runtime import Trouble
from flatbgp.roles.speaker.daemon import COLLISION_RETRIES, Daemon, Wanted
from flatbgp.roles.speaker.wire import collision

LOCAL, PEER, OTHER = (ip_address(text) for text in ("10.0.1.100", "10.0.1.254", "10.0.3.254"))


@asynccontextmanager
async def running(engine: FakeEngine, changed: Callable[[], None] = lambda: None) -> AsyncIterator[Daemon]:
    """Keep two sessions from LOCAL while the block runs."""
    log = structlog.stdlib.get_logger()

    async def silence(_address: object) -> None:
        raise AssertionError("the address stays on this node: nothing of it may be silenced")

    daemon = Daemon(
        engine,
        asyncio.get_running_loop().time,
        Trouble(log),
        log,
        alive=lambda _at: None,
        changed=changed,
        opened=lambda _peer: None,
        silence=silence,
        emptied=lambda: None,
    )
    neighbors = {peer: Neighbor(peer, LOCAL, 65001, 65002) for peer in (PEER, OTHER)}
    task = asyncio.create_task(daemon.run())
    daemon.want(Wanted(Desired(IPv4Address("10.0.1.11"), "marker", neighbors), frozenset({LOCAL})))
    try:
        await eventually(lambda: opened(engine, OTHER, 1), "both sessions to be configured")
        yield daemon
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def opened(engine: FakeEngine, peer: object, times: int) -> bool:
    """Return whether a session was configured that often."""
    return sum(call.startswith("add ") and str(peer) in call for call in engine.calls) == times


async def test_s30_a_session_that_collides_with_its_own_past_is_opened_anew_and_no_other_is_touched() -> None:
    engine = FakeEngine()
    async with running(engine) as daemon:
        daemon.collided(PEER)
        await eventually(lambda: opened(engine, PEER, 2), "the session to be configured again")
        assert await opened(engine, OTHER, 1)
        assert engine.heard.get(PEER, []) == [], "nothing was said on a session that never came up"


async def test_a_router_that_goes_on_refusing_is_left_to_the_daemons_own_patience() -> None:
    engine = FakeEngine()
    async with running(engine) as daemon:
        for times in range(COLLISION_RETRIES):
            daemon.collided(PEER)
            await eventually(lambda times=times: opened(engine, PEER, times + 2))
        daemon.collided(PEER)
        # A session that may still be opened anew shows that the loop has been round since.
        daemon.collided(OTHER)
        await eventually(lambda: opened(engine, OTHER, 2))
        assert await opened(engine, PEER, COLLISION_RETRIES + 1)


async def test_a_session_that_is_up_survives_a_collision_of_a_second_connection() -> None:
    engine = FakeEngine()
    async with running(engine) as daemon:
        engine.establish(PEER)
        daemon.collided(PEER)
        daemon.collided(OTHER)
        await eventually(lambda: opened(engine, OTHER, 2))
        assert await opened(engine, PEER, 1)
        assert "cease" not in engine.heard[PEER]


async def test_whoever_looks_sees_what_is_new_and_is_not_told_of_it_as_well() -> None:
    engine, told = FakeEngine(), asyncio.Event()
    async with running(engine, told.set) as daemon:
        engine.establish(PEER)
        async with asyncio.timeout(5):
            await told.wait()
        told.clear()
        engine.receive(PEER, Family.IPV4, 3)  # a counter: no event
        before = daemon.neighbors[PEER]
        await daemon.look()
        assert daemon.neighbors[PEER].families[Family.IPV4].received == 3 != before.families[Family.IPV4].received
        assert not told.is_set()


async def test_a_recalled_plan_ends_no_session_from_a_held_address_that_it_does_not_name() -> None:
    engine = FakeEngine()
    route = Path(ip_network("222.2.0.0/24"), ip_address("10.0.1.11"))
    async with running(engine) as daemon:
        engine.establish(PEER)
        only = Desired(
            IPv4Address("10.0.1.11"),
            "marker",
            {OTHER: Neighbor(OTHER, LOCAL, 65001, 65002)},
            {route.prefix: route},
        )

        daemon.want(Wanted(only, frozenset({LOCAL}), recalled=True))
        await eventually(lambda: announced(engine, route), "the plan to be made")
        assert engine.heard[PEER] == ["open", "end-of-rib", f"announce {route.prefix} via {route.next_hop}"]

        daemon.want(Wanted(only, frozenset({LOCAL})))
        await eventually(lambda: ended(engine, PEER), "a session that is not planned to be ended")


async def announced(engine: FakeEngine, route: Path) -> bool:
    return (await engine.observe()).paths.get(route.prefix) == route


async def ended(engine: FakeEngine, peer: IPAddress) -> bool:
    return engine.heard[peer][-1] == "cease"


@pytest.mark.parametrize(
    ("sent", "code", "subcode", "is_one"), [(False, 6, 7, True), (True, 6, 7, False), (False, 6, 4, False)]
)
def test_only_the_routers_own_word_is_a_collision(sent: bool, code: int, subcode: int, is_one: bool) -> None:
    assert collision(SessionMessage(1.0, LOCAL, PEER, sent, Notification(code, subcode))) is is_one


async def test_a_daemon_that_is_not_needed_is_left_alone_until_it_is_and_emptied_before_it_is_left_again() -> None:
    engine, emptied = FakeEngine(), asyncio.Event()
    log = structlog.stdlib.get_logger()

    async def silence(_address: object) -> None:
        return

    daemon = Daemon(
        engine,
        asyncio.get_running_loop().time,
        Trouble(log),
        log,
        alive=lambda _at: None,
        changed=lambda: None,
        opened=lambda _peer: None,
        silence=silence,
        emptied=emptied.set,
        needed=False,
    )
    identity = IPv4Address("10.0.1.11")
    task = asyncio.create_task(daemon.run())
    try:
        daemon.want(Wanted(Desired(identity, "marker")))
        await daemon.look()
        assert engine.calls == []
        daemon.need(True)
        daemon.want(
            Wanted(Desired(identity, "marker", {PEER: Neighbor(PEER, LOCAL, 65001, 65002)}), frozenset({LOCAL}))
        )
        await eventually(lambda: opened(engine, PEER, 1), "the session to be configured")
        daemon.want(Wanted(Desired(identity, "marker")))
        daemon.need(False)
        async with asyncio.timeout(5):
            await emptied.wait()
        assert not await engine.neighbors()
        before = list(engine.calls)
        await daemon.leave(LOCAL, Exit.MOVE)
        assert engine.calls == before, "nothing is asked of a daemon that is empty and not needed"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
