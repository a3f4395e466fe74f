"""What debugging shows of a real gobgpd: a trace and its replay, the daemon as it is, and grpcurl with our protos."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest
from engine_network import PASSWORD, R1, R2
from engine_rig import MARKER, GobgpRig, by_hand, eventually, paths

from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.gobgp.dry import dry_calls
from flatbgp.engine.gobgp.inspection import Inspector, Snapshot
from flatbgp.engine.gobgp.policycheck import policy_faults
from flatbgp.engine.gobgp.replay import Replayed, replay
from flatbgp.engine.gobgp.script import grpcurl_script
from flatbgp.engine.gobgp.tracefile import TraceFile
from flatbgp.engine.gobgp.transcript import Transcript, prefix_of
from flatbgp.engine.gobgp.words import neighbor_row
from flatbgp.engine.model import ExportAttributes
from flatbgp.engine.protocol import EngineError, EngineUnavailable
from flatbgp.resources.secrets import Password
from support.binaries import grpcurl

pytestmark = [pytest.mark.contract, pytest.mark.asyncio(loop_scope="module")]

FOUR = paths("10.20.0.0/24", "10.20.1.0/24", "2001:db8:20::/64")
PROTOS = FilePath(__file__).parents[3] / "protos"


@asynccontextmanager
async def traced(engine: GobgpEngine, file: FilePath) -> AsyncIterator[None]:
    def failed(message: str) -> None:
        raise AssertionError(message)

    trace = TraceFile(file, 1024 * 1024, {"node": "node-01"}, failed)
    engine.trace(trace.take)
    try:
        yield
    finally:
        engine.trace(None)
        trace.close(30)


async def look(rig: GobgpRig, router: Any = None) -> Snapshot:
    inspector = Inspector(rig.daemon.target)
    try:
        return await inspector.snapshot(router)
    finally:
        await inspector.close()


async def restarted(rig: GobgpRig) -> bool:
    try:
        return not (await rig.engine.info()).started
    except EngineUnavailable:
        return False


async def replayed(file: FilePath, rig: GobgpRig, **options: bool) -> list[Replayed]:
    return [done async for done in replay(Transcript(file).entries(), rig.daemon.target, **options)]


@pytest.fixture
def file(tmp_path_factory: pytest.TempPathFactory) -> FilePath:
    return tmp_path_factory.mktemp("trace") / "trace.jsonl"


class TestTrace:
    async def test_a_life_of_a_daemon_is_traced_with_all_that_it_answered_but_without_the_password(
        self, real: GobgpRig, file: FilePath
    ) -> None:
        neighbor = real.neighbor(R1, password=Password(PASSWORD))
        async with traced(real.engine, file):
            await real.reach(real.desired([neighbor], FOUR))
            await real.engine.neighbors()
            await real.reach(real.desired([], FOUR[:1]))
            with pytest.raises(EngineError, match="doesn't have it"):
                await real.engine.update_neighbor(neighbor)
            with pytest.raises(EngineError):
                await real.engine.enable_neighbor(R2)

        entries = list(Transcript(file).entries())
        assert PASSWORD not in file.read_text()
        ended = [entry for entry in entries if entry.status]
        assert {"StartBgp", "SetPolicies", "AddPathStream", "AddPeer", "ListPeer", "DeletePeer"} <= {
            entry.method.name for entry in ended
        }
        [refused] = [entry for entry in ended if entry.method.name == "EnablePeer"]
        assert refused.status == "UNKNOWN"
        assert str(R2) in refused.details
        states = [entry.answer["peer"] for entry in entries if entry.method.name == "ListPeer" and entry.answer]
        assert states[0]["conf"]["authPassword"] == "***"
        assert all(entry.ms >= 0 for entry in entries)

    async def test_events_are_traced_also_when_it_is_switched_on_in_the_middle(
        self, real: GobgpRig, file: FilePath
    ) -> None:
        await real.start()
        events = real.engine.events()
        await anext(events)

        async def follow() -> None:
            async for _ in events:
                pass

        def seen() -> str:
            entries = Transcript(file).entries()
            return json.dumps([entry.answer for entry in entries if entry.method.name == "WatchEvent"])

        async with traced(real.engine, file):
            following = asyncio.create_task(follow())
            await real.engine.add_neighbor(real.neighbor(R1))
            await eventually("the event", seen, lambda text: "ESTABLISHED" in text)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


class TestReplay:
    async def test_an_empty_daemon_comes_to_what_the_traced_one_had_with_its_sessions_closed(
        self, real: GobgpRig, file: FilePath
    ) -> None:
        export = ExportAttributes(communities=(65100 << 16 | 7,), med=5)
        async with traced(real.engine, file):
            await real.reach(real.desired([real.neighbor(R1, export=export)], FOUR))
        before = await look(real)
        real.restart()

        done = await replayed(file, real)
        after = await look(real)

        assert [each.error for each in done] == [""] * len(done)
        assert [each.remark for each in done if each.remark] == [
            f"{R1} is administratively down, so that no session is opened"
        ]
        assert [prefix_of(path) for path in after.paths or ()] == [path.prefix for path in FOUR]
        assert (after.policies, after.defined_sets) == (before.policies, before.defined_sets)
        assert sorted(map(json.dumps, after.assignments)) == sorted(map(json.dumps, before.assignments))
        [row] = [neighbor_row(peer) for peer in after.neighbors]
        assert (row[0], row[8]) == (str(R1), "DOWN")

    async def test_only_what_came_since_the_last_start_is_replayed(self, real: GobgpRig, file: FilePath) -> None:
        async with traced(real.engine, file):
            await real.reach(real.desired([real.neighbor(R2)], FOUR))
            real.restart()
            await eventually("an empty daemon", lambda: restarted(real))
            await real.reach(real.desired([real.neighbor(R1)], FOUR[:1]))
        real.restart()

        done = await replayed(file, real)

        assert [each.error for each in done] == [""] * len(done)
        after = await look(real)
        assert [neighbor_row(peer)[0] for peer in after.neighbors] == [str(R1)]
        assert [prefix_of(path) for path in after.paths or ()] == [FOUR[0].prefix]

    async def test_sessions_open_when_that_is_asked_for(self, real: GobgpRig, file: FilePath) -> None:
        async with traced(real.engine, file):
            await real.reach(real.desired([real.neighbor(R1)], FOUR))
        real.restart()

        await replayed(file, real, sessions=True)

        await eventually("the session", lambda: real.session(R1))
        await real.has_routes(R1, FOUR)

    async def test_a_daemon_that_runs_is_not_touched_unless_told_to(self, real: GobgpRig, file: FilePath) -> None:
        async with traced(real.engine, file):
            await real.reach(real.desired([real.neighbor(R1)], FOUR))
        before = await look(real)
        with pytest.raises(EngineError, match="has 1 neighbour: nothing is replayed into it"):
            await replayed(file, real)
        assert (await look(real)).policies == before.policies
        assert await real.engine.path_count() == len(FOUR)

        done = await replayed(file, real, in_use=True)

        [refused] = [each for each in done if each.call.method.name == "AddPeer"]
        assert str(R1) in refused.error
        assert done[0].remark == "BGP runs already, so it is not started again"
        assert await real.engine.path_count() == len(FOUR)

    async def test_a_daemon_of_the_other_generation_is_refused(self, real: GobgpRig, file: FilePath) -> None:
        async with traced(real.engine, file):
            await real.start()
        real.daemon.kill()
        real.daemon.start({"v3": "v4", "v4": "v3"}[real.host])
        with pytest.raises(EngineError, match="replay into a daemon of the same generation"):
            await replayed(file, real)

    async def test_a_trace_without_its_beginning_is_refused_by_an_empty_daemon(
        self, real: GobgpRig, file: FilePath
    ) -> None:
        await real.start()
        async with traced(real.engine, file):
            await real.engine.announce(FOUR)
        real.restart()
        with pytest.raises(EngineError, match="the trace begins when BGP ran already"):
            await replayed(file, real)


class TestInspection:
    async def test_an_idle_daemon_is_shown_as_such(self, real: GobgpRig) -> None:
        snapshot = await look(real)
        assert (snapshot.api, snapshot.tables, snapshot.neighbors) == (real.host, None, ())

    async def test_everything_is_shown_but_the_password(self, real: GobgpRig) -> None:
        await real.reach(real.desired([real.neighbor(R1, password=Password(PASSWORD)), real.neighbor(R2)], FOUR))
        await real.up(R2)
        await real.has_routes(R2, FOUR)

        snapshot = await look(real, R2)

        assert PASSWORD not in repr(snapshot)
        rows = {row[0]: row for row in map(neighbor_row, snapshot.neighbors)}
        assert (rows[str(R1)][7], rows[str(R2)][7]) == ("yes", "no")
        assert rows[str(R2)][4] == "ESTABLISHED"
        assert snapshot.tables == {"IPv4": 2, "IPv6": 1}
        assert [prefix_of(path) for path in snapshot.paths or ()] == [path.prefix for path in FOUR]
        assert [prefix_of(path) for path in snapshot.advertised] == [path.prefix for path in FOUR]
        assert {policy["name"] for policy in snapshot.policies} == {"flatbgp-import", "flatbgp-export"}
        assert f"flatbgp-marker:{MARKER}" in {each["name"] for each in snapshot.defined_sets}
        assert {each["direction"].rpartition("_")[2] for each in snapshot.assignments} == {"IMPORT", "EXPORT"}

    async def test_what_a_router_sent_is_shown_though_it_is_refused(self, real: GobgpRig) -> None:
        await real.reach(real.desired([real.neighbor(R1)]))
        await real.up(R1)
        real.flood(R1, 3)

        async def received() -> int:
            return len((await look(real, R1)).received)

        await eventually("the routes", received, lambda count: count >= 3)
        assert (await look(real)).tables == {"IPv4": 0, "IPv6": 0}

    async def test_our_policy_has_no_fault_and_what_somebody_changed_is_named(self, real: GobgpRig) -> None:
        exported = ExportAttributes(communities=(65100 << 16 | 7,), large_communities=((1, 2, 3),), med=5)
        await real.reach(real.desired([real.neighbor(R1, export=exported), real.neighbor(R2)], FOUR))
        assert policy_faults(await look(real), MARKER, [R1, R2]) == ()

        async with by_hand(real.daemon.target) as (connection, codec):
            request = codec.policy.set_policies(MARKER, {R1: exported})
            [policy] = [each for each in request.policies if each.name == "flatbgp-export"]
            policy.statements[0].actions.route_action = codec.policy.enums.accept
            policy.statements.add(name="mine").actions.route_action = codec.policy.enums.accept
            await connection.call(codec, "SetPolicies", request)
            [imports, _] = codec.policy.assignments()
            imports.assignment.default_action = codec.policy.enums.accept
            await connection.call(codec, "SetPolicyAssignment", imports)

        assigned = "global import: flatbgp-import; everything else"
        changed = f"flatbgp-withheld:{R1} of the policy flatbgp-export"
        assert policy_faults(await look(real), MARKER, [R1, R2]) == (
            f"The defined set flatbgp-withheld:{R2} is missing",
            f"The defined set flatbgp-neighbor:{R2} is missing",
            f"The statement {changed} has other conditions, or another verdict",
            f"The policy flatbgp-export lacks the statement flatbgp-withheld:{R2}",
            f"The policy flatbgp-export lacks the statement flatbgp-export:{R2}",
            "The policy flatbgp-export has the statement mine, which flatbgp did not make",
            f"The policy is assigned as '{assigned}: accept', and should be '{assigned}: reject'",
        )

    async def test_events_begin_with_the_state_of_all(self, real: GobgpRig) -> None:
        await real.reach(real.desired([real.neighbor(R1)]))
        inspector = Inspector(real.daemon.target)
        try:
            event: Mapping[str, Any] = await anext(aiter(inspector.events()))
        finally:
            await inspector.close()
        assert event["peer"]["conf"]["neighborAddress"] == str(R1)


def _ended(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


class TestGrpcurl:
    async def test_the_script_fills_a_daemon_as_the_adapter_does(self, real: GobgpRig, file: FilePath) -> None:
        program, script = FilePath(grpcurl()), file.with_suffix(".sh")
        calls = await dry_calls(real.desired([real.neighbor(R1)], FOUR), real.host)
        script.write_text(grpcurl_script(calls, real.host, "For a test."))
        environment = {"PATH": f"{program.parent}:/usr/bin:/bin", "PROTOS": str(PROTOS)}
        command = ("sh", str(script), str(real.daemon.socket))

        done = await asyncio.to_thread(_ended, command, environment)

        assert (done.returncode, done.stderr) == (0, "")
        await real.up(R1)
        await real.has_routes(R1, FOUR)
        assert (await real.engine.info()).marker == MARKER
        observed = await real.engine.observe()
        assert set(observed.paths) == {path.prefix for path in FOUR}
