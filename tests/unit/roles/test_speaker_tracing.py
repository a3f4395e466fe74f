"""The trace of a speaker's calls: from the start, on a signal, and never in the speaker's way."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from roles_rig import COMMON
from structlog.testing import capture_logs

from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.gobgp.channel import DryChannel
from flatbgp.engine.gobgp.methods import SERVICES
from flatbgp.engine.gobgp.transcript import Transcript
from flatbgp.roles.options import SpeakerOptions
from flatbgp.roles.runtime import RoleFailed
from flatbgp.roles.speaker.tracing import CallTracing

Begin = Callable[..., CallTracing]


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    def made(**changes: Any) -> CallTracing:
        given: dict[str, Any] = COMMON | {
            "node": "node-01",
            "gobgp": "unix:///nowhere",
            "interface": None,
            "instance": None,
            "report_interval": 10.0,
            "trace_rpc": None,
            "trace_limit": 1024 * 1024,
            "state_dir": tmp_path / "state",
        }
        return CallTracing(SpeakerOptions(**(given | changes)), structlog.stdlib.get_logger())

    return made


def engine() -> GobgpEngine:
    return GobgpEngine("unix:///nowhere", DryChannel(SERVICES["v4"]))


def calls(file: Path) -> int:
    return sum(1 for _ in Transcript(file).entries())


async def signalled(tracing: CallTracing, on: bool) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    async with asyncio.timeout(5):
        while tracing.on is not on:  # noqa: ASYNC110 - a signal is handled in its own time
            await asyncio.sleep(0.001)


async def test_nothing_is_written_unless_asked_for(begin: Begin, tmp_path: Path) -> None:
    tracing = begin()
    with tracing.running():
        await tracing.attach(engine()).info()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_option_traces_an_engine_that_comes_sooner_or_later(begin: Begin, tmp_path: Path, when: str) -> None:
    file = tmp_path / "trace"
    tracing, gobgpd = begin(trace_rpc=file), engine()
    if when == "before":
        tracing.attach(gobgpd)
    with tracing.running():
        if when == "after":
            tracing.attach(gobgpd)
        await gobgpd.info()
    await gobgpd.info()
    assert calls(file) == 1


async def test_a_signal_switches_it_on_and_off_in_the_state_directory(begin: Begin, tmp_path: Path) -> None:
    file = tmp_path / "state" / "rpc-trace-node-01.jsonl"
    tracing = begin()
    gobgpd = tracing.attach(engine())
    with tracing.running(), capture_logs() as logs:
        await signalled(tracing, True)
        await gobgpd.info()
        await signalled(tracing, False)
        await gobgpd.info()
        assert calls(file) == 1
        await signalled(tracing, True)
        await gobgpd.info()
    assert calls(file) == 2
    assert str(file) in logs[0]["event"]
    assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL


async def test_the_signal_ends_a_trace_that_the_option_began_and_begins_it_again(begin: Begin, tmp_path: Path) -> None:
    file = tmp_path / "trace"
    tracing = begin(trace_rpc=file)
    gobgpd = tracing.attach(engine())
    with tracing.running():
        await signalled(tracing, False)
        await gobgpd.info()
        await signalled(tracing, True)
        await gobgpd.info()
    assert calls(file) == 1


async def test_a_file_that_cannot_be_written_ends_a_speaker_that_was_told_to_trace(
    begin: Begin, tmp_path: Path
) -> None:
    tracing = begin(trace_rpc=tmp_path / "no" / "trace")
    with pytest.raises(RoleFailed, match=r"--trace-rpc: no trace in .* No such file or directory"), tracing.running():
        pass


async def test_after_a_signal_it_is_only_said(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, and no directory")
    tracing = begin()
    with tracing.running(), capture_logs() as logs:
        tracing.switch()
        assert not tracing.on
    [entry] = logs
    assert entry["log_level"] == "warning"
    assert "Not a directory" in entry["event"]


async def test_a_disk_that_refuses_ends_the_trace_and_the_speaker_goes_on(begin: Begin, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    tracing = begin(trace_rpc=folder / "trace", trace_limit=2048)
    gobgpd = tracing.attach(engine())
    with tracing.running(), capture_logs() as logs:
        (folder / "trace").unlink()
        folder.rmdir()  # the file cannot be put aside when it has become too large
        async with asyncio.timeout(10):
            while tracing.on:
                await gobgpd.info()
                await asyncio.sleep(0)  # no call to nobody ever waits
        await gobgpd.info()
    assert "ends here" in logs[0]["event"]
