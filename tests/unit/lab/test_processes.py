"""Ending exactly the processes that the lab started."""

import os
import signal
from dataclasses import replace
from pathlib import Path

from flatbgp.lab.processes import Process, kill_pids, start, stop_all
from flatbgp.lab.waiting import wait_until


def sleeper(tmp_path: Path, script: str = "exec sleep 60") -> Process:
    return start("sleeper", ("sh", "-c", script), tmp_path / "log")


def test_a_process_is_ended_by_its_record_alone(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    assert process.record.alive

    stop_all([process.record])

    assert not process.record.alive
    process.stop()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    process = sleeper(tmp_path, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    wait_until("the trap to be set", lambda: "ready" in process.output)

    stop_all([process.record], deadline=0.2)

    assert not process.record.alive
    assert process.child.wait(5) == -signal.SIGKILL


def test_a_process_id_that_now_belongs_to_another_process_is_left_alone(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    stranger = replace(process.record, started=process.record.started - 1)

    stop_all([stranger])

    assert not stranger.alive
    assert process.alive
    process.kill()


def test_a_zombie_counts_as_ended(tmp_path: Path) -> None:
    process = sleeper(tmp_path, "exit 3")

    wait_until("it to end", lambda: not process.record.alive)

    assert process.child.wait(5) == 3


def test_processes_known_by_id_alone_are_ended_and_missing_ones_are_no_error(tmp_path: Path) -> None:
    process = sleeper(tmp_path)
    gone = sleeper(tmp_path, "exit 0")
    gone.child.wait(5)

    kill_pids([process.pid, gone.pid])

    assert not process.record.alive
    process.stop()


def test_output_and_exit_status_are_kept(tmp_path: Path) -> None:
    process = start("talker", ("sh", "-c", 'echo "$WORD"; exit 7'), tmp_path / "log", {"WORD": "hello"})

    assert process.child.wait(5) == 7
    assert process.output == "hello\n"
    assert process.stop() == 7


def test_a_process_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    process = sleeper(tmp_path)

    assert os.getsid(process.pid) == process.pid
    process.kill()
