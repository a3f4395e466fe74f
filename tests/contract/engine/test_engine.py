"""What every engine does, the one in memory as well as gobgpd 3 and 4."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from engine_network import R1, R2
from engine_rig import MARKER, ROUTER_ID, Rig, eventually, path, paths

from flatbgp.engine.diff import UpdateNeighbor, diff
from flatbgp.engine.model import Exit, ExportAttributes, GracefulRestart, SessionState
from flatbgp.engine.protocol import EngineError, EngineUnavailable, ForeignDaemon
from flatbgp.planning.costs import Cost
from flatbgp.resources.ip import Family
from flatbgp.resources.secrets import Password

pytestmark = [pytest.mark.contract, pytest.mark.asyncio(loop_scope="module")]

FOUR = paths("10.20.0.0/24", "10.20.1.0/24", "10.20.2.128/25", "2001:db8:20::/64")


class TestStart:
    async def test_a_daemon_that_nobody_started_says_so_and_holds_nothing(self, rig: Rig) -> None:
        observed = await rig.engine.observe()

        assert not observed.info.started
        assert (observed.neighbors, observed.paths) == ({}, {})

    async def test_a_started_daemon_has_our_identity_and_marker(self, rig: Rig) -> None:
        await rig.start()

        info = await rig.engine.info()

        assert (info.started, info.router_id, info.marker) == (True, ROUTER_ID, MARKER)

    async def test_a_second_start_is_refused_and_changes_nothing(self, rig: Rig) -> None:
        await rig.start()
        await rig.engine.announce(FOUR)

        with pytest.raises(ForeignDaemon, match="restart it"):
            await rig.engine.start(ROUTER_ID, "somebody-else")

        assert await rig.engine.path_count() == len(FOUR)
        assert (await rig.engine.info()).marker == MARKER

    async def test_nothing_is_changed_in_a_daemon_that_is_not_started(self, rig: Rig) -> None:
        with pytest.raises(EngineError, match="not started"):
            await rig.engine.announce(FOUR)
        with pytest.raises(EngineError, match="not started"):
            await rig.engine.add_neighbor(rig.neighbor())


class TestConvergence:
    async def test_what_was_done_is_what_is_observed(self, rig: Rig) -> None:
        one = rig.neighbor(
            R1,
            hold_time=9,
            keepalive=3,
            connect_retry=11,
            password=Password("correct horse"),
            graceful_restart=GracefulRestart(restart_time=120, deferral_time=5),
            prefix_limit=500,
            export=ExportAttributes((65100 << 16 | 7, 0xFFFFFF01), ((65100, 1, 2), (4_200_000_000, 0, 4)), med=0),
        )
        two = rig.neighbor(R2, multihop=False, graceful_restart=None, local_asn=4_200_000_002)
        two = replace(two, export=ExportAttributes(local_pref=200))
        desired = rig.desired([one, two], FOUR)
        await rig.reach(desired)

        assert diff(desired, await rig.engine.observe()) == ()
        assert diff(desired, await rig.another().observe()) == (), "as the next process sees it"

    async def test_the_next_process_takes_over_what_it_finds(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        successor = rig.another()
        desired = rig.desired([rig.neighbor(R1, prefix_limit=77)], [*FOUR[1:], path("10.21.0.0/24")])
        actions = diff(desired, await successor.observe())
        rig.engine, first = successor, rig.engine
        await rig.reach(desired)
        await first.close()

        assert len(actions) == 3
        assert diff(desired, await successor.observe()) == ()

    @pytest.mark.parametrize(
        "change",
        [
            {"hold_time": 60},
            {"keepalive": 3},
            {"connect_retry": 20},
            {"multihop": False},
            {"password": Password("another")},
            {"password": None},
            {"graceful_restart": None},
            {"graceful_restart": GracefulRestart(restart_time=30)},
            {"prefix_limit": 1},
            {"local_asn": 65101},
            {"peer_asn": 65009},
            {"export": ExportAttributes(communities=(1,))},
            {"export": ExportAttributes(large_communities=((1, 2, 3),))},
            {"export": ExportAttributes(med=0)},
        ],
        ids=",".join,
    )
    async def test_every_change_of_a_neighbour_is_seen_and_made(self, rig: Rig, change: dict[str, Any]) -> None:
        old = rig.neighbor(R1, password=Password("first"))
        new = replace(old, **change)
        await rig.reach(rig.desired([old], FOUR))

        actions = await rig.reach(rig.desired([new], FOUR))

        assert [type(action) for action in actions] == [UpdateNeighbor]
        assert diff(rig.desired([new], FOUR), await rig.another().observe()) == ()

    async def test_another_local_address_is_another_session(self, rig: Rig) -> None:
        old = rig.neighbor(R1)
        new = replace(old, local_address=old.local_address + 4)
        await rig.reach(rig.desired([old]))

        await rig.reach(rig.desired([new]))

        assert (await rig.state(R1)).local_address == new.local_address


class TestValues:
    async def test_values_that_a_daemon_would_choke_on_are_not_sent(self, rig: Rig) -> None:
        await rig.start()

        with pytest.raises(EngineError, match=r"peer ASN 0 .*; hold time 2 .*; .*LOCAL_PREF 0"):
            await rig.engine.add_neighbor(
                rig.neighbor(R1, peer_asn=0, hold_time=2, keepalive=1, export=ExportAttributes(local_pref=0))
            )
        with pytest.raises(EngineError, match=r"10.20.0.0/24 .* next hop 2001:db8::1"):
            await rig.engine.announce([path("10.20.9.0/24"), path("10.20.0.0/24", "2001:db8::1")])

        assert await rig.engine.neighbors() == {}
        assert await rig.engine.path_count() == 0

    async def test_taking_away_what_is_not_there_is_no_error(self, rig: Rig) -> None:
        await rig.start()

        await rig.engine.withdraw(FOUR)
        await rig.engine.remove_neighbor(R1, Exit.REMOVAL)
        await rig.engine.remove_neighbor(R1, Exit.MOVE)

    async def test_changing_a_neighbour_that_is_not_there_is_an_error(self, rig: Rig) -> None:
        await rig.start()

        with pytest.raises(EngineError, match=str(R1)):
            await rig.engine.update_neighbor(rig.neighbor(R1))
        with pytest.raises(EngineError):
            await rig.engine.enable_neighbor(R1)

    async def test_s79_no_password_shows_in_what_is_observed(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1, password=Password("correct horse"))]))

        seen = f"{await rig.engine.observe()!r} {await rig.engine.neighbors()!r}"

        assert "correct horse" not in seen


class TestAvailability:
    async def test_a_frozen_daemon_is_unavailable_and_goes_on_afterwards(self, rig: Rig) -> None:
        await rig.start()
        rig.freeze()
        try:
            with pytest.raises(EngineUnavailable):
                await rig.engine.info()
        finally:
            rig.thaw()

        assert (await rig.engine.info()).marker == MARKER

    async def test_s38_a_restarted_daemon_is_empty_and_its_events_end(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        events = rig.engine.events()
        await anext(events)
        rig.restart()

        with pytest.raises(EngineUnavailable):
            await asyncio.wait_for(_exhaust(events), 5)
        observed = await eventually("it to answer", lambda: _observed_or_none(rig))

        assert not observed.info.started
        assert (observed.neighbors, observed.paths) == ({}, {})
        actions = await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        assert [type(action).__name__ for action in actions] == ["Start", "Announce", "AddNeighbor"]
        assert await rig.engine.path_count() == len(FOUR)


async def _exhaust(events: AsyncIterator[object]) -> None:
    async for _ in events:
        pass


async def _observed_or_none(rig: Rig) -> object:
    try:
        return await rig.engine.observe()
    except EngineUnavailable:
        return None


class TestRoutes:
    async def test_s49_routers_get_exactly_the_announced_paths_of_both_families(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)

        await standing.has_routes(R1, FOUR)
        await standing.has_routes(R2, FOUR)

    async def test_s50_a_withdrawn_path_goes_everywhere_and_no_session_is_touched(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        sessions = standing.session(R1), standing.session(R2)

        await standing.engine.withdraw(FOUR[:1])

        await standing.has_routes(R1, FOUR[1:])
        await standing.has_routes(R2, FOUR[1:])
        assert (standing.session(R1), standing.session(R2)) == sessions

    async def test_s51_a_replaced_next_hop_is_one_update_without_a_gap(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        updates = standing.updates(R1)
        moved = path("10.20.0.0/24", "10.99.0.78")

        await standing.engine.announce([moved])

        await standing.has_routes(R1, [moved, *FOUR[1:]])
        assert standing.updates(R1) == updates + 1

    async def test_announcing_the_same_again_is_no_message(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        updates = standing.updates(R1)

        await standing.engine.announce(FOUR)
        await standing.engine.announce(paths("10.22.0.0/24"))
        await standing.has_routes(R1, [*FOUR, path("10.22.0.0/24")])

        assert standing.updates(R1) == updates + 1

    async def test_state_tells_what_was_negotiated_and_how_many_paths_go_to_the_router(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)

        state = await standing.state(R1)

        assert state.state is SessionState.ESTABLISHED
        assert state.local_address == standing.local
        assert state.hold_time == 30
        assert state.graceful_restart
        assert state.uptime is not None
        assert 0 <= state.uptime < 3600, "seconds, and no moment"
        assert state.families[Family.IPV4].negotiated
        assert state.families[Family.IPV6].negotiated
        assert (state.families[Family.IPV4].advertised, state.families[Family.IPV6].advertised) == (3, 1)

    async def test_s18_changes_that_are_not_on_the_wire_touch_no_session(self, standing: Rig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        before = standing.session(R1), standing.updates(R1)

        for settings in ({"prefix_limit": 4321}, {"connect_retry": 33}, {}):
            await standing.engine.update_neighbor(standing.neighbor(R1, **settings))
        await standing.engine.announce(paths("10.22.0.0/24"))
        await standing.has_routes(R1, [*FOUR, path("10.22.0.0/24")])

        session, updates = before
        assert (standing.session(R1), standing.updates(R1)) == (session, updates + 1)

    async def test_events_wake_and_begin_with_all(self, standing: Rig) -> None:
        seen = []
        async with asyncio.timeout(5):
            async for event in standing.engine.events():
                seen.append(event)
                if event is None:
                    break

        assert seen[-1] is None


class TestSessions:
    async def test_s16_adding_changing_and_removing_a_neighbour_leaves_the_other_alone(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        await rig.up(R1)
        await rig.has_routes(R1, FOUR)
        session = rig.session(R1)

        await rig.reach(rig.desired([rig.neighbor(R1), rig.neighbor(R2)], FOUR))
        await rig.up(R2)
        await rig.has_routes(R2, FOUR)
        slower = rig.neighbor(R2, hold_time=33, keepalive=11)
        actions = await rig.reach(rig.desired([rig.neighbor(R1), slower], FOUR))
        await rig.up(R2)  # s17: the new hold time is agreed within 15 s
        await eventually("the new hold time", lambda: rig.state(R2), lambda s: s.hold_time == 33, deadline=15)
        await rig.has_routes(R2, FOUR)
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))

        assert [(type(action), action.cost) for action in actions] == [(UpdateNeighbor, Cost.SESSION_RESET)]
        await rig.has_routes(R2, [])
        await rig.has_routes(R1, FOUR)
        assert rig.session(R1) == session
        assert set(await rig.engine.neighbors()) == {R1}

    async def test_a_removal_withdraws_and_says_so_before_it_returns(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        await rig.up(R1)
        await rig.has_routes(R1, FOUR)
        ceases = rig.ceases(R1)

        await rig.engine.remove_neighbor(R1, Exit.REMOVAL)
        rig.cut()  # what has not left by now will never

        await eventually("a Cease", lambda: rig.ceases(R1), lambda n: n > ceases, deadline=2)
        await rig.has_routes(R1, [])

    async def test_a_move_says_nothing_at_all(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1)], FOUR))
        await rig.up(R1)
        await rig.has_routes(R1, FOUR)
        heard = rig.ceases(R1), rig.updates(R1)

        rig.cut()
        await rig.engine.remove_neighbor(R1, Exit.MOVE)

        assert await rig.engine.neighbors() == {}
        assert (rig.ceases(R1), rig.updates(R1)) == heard

    async def test_s59_too_many_prefixes_end_the_session_until_it_is_enabled(self, rig: Rig) -> None:
        await rig.reach(rig.desired([rig.neighbor(R1, prefix_limit=3)], FOUR))
        await rig.up(R1)
        rig.flood(R1, 4)

        await eventually("the limit", lambda: rig.state(R1), lambda state: state.prefix_limit_exceeded)
        state = await rig.state(R1)
        await rig.engine.update_neighbor(rig.neighbor(R1, prefix_limit=1000))
        await rig.engine.enable_neighbor(R1)
        await rig.up(R1)

        assert state.state is not SessionState.ESTABLISHED
        assert not (await rig.state(R1)).prefix_limit_exceeded
        await rig.has_routes(R1, FOUR)
