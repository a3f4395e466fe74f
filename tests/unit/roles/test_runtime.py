"""The shell of all roles: signals, exit status, coalescing, retries, logs and the optional port."""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from roles_rig import COMMON
from structlog.testing import capture_logs

from flatbgp.roles.options import Endpoint, RoleOptions
from flatbgp.roles.runtime import RoleFailed, Runtime, Trouble, Wakeup, lead_again, reconcile, run_role
from flatbgp.roles.runtime_http import Sample, Server
from flatbgp.store.election import LeadershipLost
from flatbgp.store.protocol import Unreachable


def options(**changes: object) -> RoleOptions:
    return RoleOptions(**(COMMON | changes))


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_failed_role_ends_with_its_status_and_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    async def role(_: Runtime) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(3600))
            raise RoleFailed("several Clusters: a, b; name one with --cluster-namespace", status=2)

    assert run_role("admin", role, options()) == 2
    lines = capfd.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["event"].startswith("several Clusters")


@pytest.mark.parametrize(("supervised", "status", "led"), [(True, 1, 1), (False, 0, 2)])
def test_s39_who_may_lead_no_more_ends_where_somebody_starts_it_again(
    supervised: bool, status: int, led: int, capfd: pytest.CaptureFixture[str]
) -> None:
    terms = []

    async def lead() -> None:
        terms.append(True)
        if len(terms) == 1:
            raise LeadershipLost("the Lease x could not be renewed in time: no answer")

    async def role(runtime: Runtime) -> None:
        await lead_again(runtime, lead, supervised=supervised)

    assert run_role("controller", role, options()) == status
    assert len(terms) == led
    assert "the Lease x could not be renewed in time: no answer" in capfd.readouterr().err


def test_sigterm_lets_the_role_tidy_up_and_ends_with_status_zero() -> None:
    tidied = []

    async def role(_: Runtime) -> None:
        try:
            asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # awaiting is allowed while tidying up
            tidied.append(True)

    assert run_role("controller", role, options()) == 0
    assert tidied == [True]


def test_a_role_that_hangs_on_sigterm_is_ended_within_five_seconds() -> None:
    program = textwrap.dedent(
        """
        import sys, time
        sys.path.insert(0, sys.argv[1])
        from test_runtime import options
        from flatbgp.roles.runtime import run_role
        async def role(runtime):
            print("up", flush=True)
            time.sleep(60)
        run_role("speaker", role, options())
        """
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 1
        assert "Timeout" in process.stderr.read()  # where it hung


async def test_the_first_change_is_acted_on_at_once_and_what_follows_is_taken_together() -> None:
    wakeup, gate = Wakeup(), asyncio.Semaphore(0)
    steps: asyncio.Queue[None] = asyncio.Queue()

    async def step() -> None:
        steps.put_nowait(None)
        await gate.acquire()

    async with asyncio.timeout(5):
        loop = asyncio.create_task(reconcile(wakeup, step, Trouble(structlog.get_logger()), about="test"))
        await steps.get()
        for _ in range(1000):
            wakeup.set()
        gate.release()
        gate.release()
        await steps.get()
        for _ in range(100):
            await asyncio.sleep(0)
        loop.cancel()
    assert steps.empty()


async def test_a_failing_store_is_logged_once_and_retried_until_it_works() -> None:
    outcomes = iter([Unreachable("disk full"), Unreachable("disk full"), Unreachable("disk full"), None])
    done = asyncio.Event()
    wakeup = Wakeup()

    async def step() -> None:
        outcome = next(outcomes)
        if outcome is None:
            done.set()
            return
        wakeup.set()  # a change ends the wait at once, so that the test needs none
        raise outcome

    with capture_logs() as logs:
        loop = asyncio.create_task(reconcile(wakeup, step, Trouble(structlog.get_logger()), about="test"))
        async with asyncio.timeout(5):
            await done.wait()
            await asyncio.sleep(0)
        loop.cancel()
    assert [entry["event"] for entry in logs] == ["disk full", "works again"]


def test_trouble_is_said_again_only_when_it_changes() -> None:
    with capture_logs() as logs:
        trouble = Trouble(structlog.get_logger())
        for message in ("a", "a", "b", "b"):
            trouble.report("node-01", message)
        trouble.clear("node-01")
        trouble.clear("node-01")
    assert [entry["event"] for entry in logs] == ["a", "b", "works again"]


async def ask(port: int, request: str) -> tuple[str, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition("\r\n\r\n")
    return head.splitlines()[0], body


async def test_the_optional_port_answers_health_readiness_and_metrics(unused_tcp_port: int) -> None:
    runtime = Runtime(structlog.stdlib.get_logger())
    runtime.samples.append(
        lambda: [
            Sample("flatbgp_session_up", "1 while Established", 1, labels=(("peer", "10.0.1.254"),)),
            Sample("flatbgp_session_up", "1 while Established", 0, labels=(("peer", "10.0.3.254"),)),
            Sample("flatbgp_plans", "Plans made", 3, type="counter"),
        ]
    )
    server = Server(lambda: runtime.ready, runtime.samples)
    async with server.listen(Endpoint("127.0.0.1", unused_tcp_port)):
        assert await ask(unused_tcp_port, "GET /healthz") == ("HTTP/1.1 200 OK", "ok\n")
        assert (await ask(unused_tcp_port, "GET /readyz"))[0] == "HTTP/1.1 503 Not Ready"
        runtime.ready = True
        assert (await ask(unused_tcp_port, "GET /readyz"))[0] == "HTTP/1.1 200 OK"
        _, metrics = await ask(unused_tcp_port, "GET /metrics")
        assert (await ask(unused_tcp_port, "POST /metrics"))[0] == "HTTP/1.1 405 Method Not Allowed"
        assert (await ask(unused_tcp_port, "GET /"))[0] == "HTTP/1.1 404 Not Found"
    assert 'flatbgp_session_up{peer="10.0.3.254"} 0.0' in metrics
    assert "flatbgp_plans_total 3.0" in metrics
    assert "process_resident_memory_bytes" in metrics


def test_a_taken_port_is_named_and_ends_the_role(capfd: pytest.CaptureFixture[str]) -> None:
    import socket

    async def role(_: Runtime) -> None:
        await asyncio.Event().wait()

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run_role("controller", role, options(health_bind=Endpoint("127.0.0.1", port))) == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in capfd.readouterr().err
