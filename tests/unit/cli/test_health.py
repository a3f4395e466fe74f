"""``flatbgp health``: asked by containers and probes, so its exit status is what counts."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flatbgp.lab.waiting import wait_until


@pytest.fixture
def endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def controller(environment: dict[str, str], endpoint: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = (sys.executable, "-m", "flatbgp.cli.main", "controller", "--state-dir", str(tmp_path / "state"))
    process = subprocess.Popen([*command, "--health-bind", endpoint], env=environment, stderr=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


def test_a_role_that_runs_is_healthy_then_ready_and_neither_once_it_is_gone(program, controller, endpoint) -> None:
    wait_until("the controller to work", lambda: program("health", "--role", endpoint).returncode == 0, deadline=30)
    wait_until("it to be ready", lambda: program("health", "--role", endpoint, "--ready").returncode == 0, deadline=30)

    controller.kill()
    controller.wait()
    gone = program("health", "--role", endpoint)

    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr.startswith("error: the role on 127.0.0.1 port ")
    assert "does not answer: Connection refused" in gone.stderr


def test_a_socket_without_a_gobgpd_is_unhealthy(program, tmp_path: Path) -> None:
    done = program("health", "--gobgp", f"unix://{tmp_path}/gobgpd.sock")

    assert done.returncode == 1
    assert "is not there" in done.stderr
    assert "Traceback" not in done.stderr


def test_there_must_be_something_to_ask(program) -> None:
    done = program("health")

    assert done.returncode == 2
    assert "name what to ask" in done.stderr
