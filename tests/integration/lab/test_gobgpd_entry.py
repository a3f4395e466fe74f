"""``flatbgp gobgpd``: what a container runs. One Unix socket, no port, and an end that routers do not notice as one."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.model import Neighbor
from flatbgp.engine.model import Path as Route
from flatbgp.lab import frr, views
from flatbgp.lab.namespaces import Namespace, plug
from flatbgp.lab.processes import Process
from flatbgp.lab.topology import Neighbor as RouterNeighbor
from flatbgp.lab.topology import Router
from flatbgp.lab.waiting import wait_until
from support.sandbox import Sandbox

_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")
_ROUTER, _NODE = ip_interface("10.9.0.254/24"), ip_interface("10.9.0.1/24")
_ROUTE = ip_network("222.2.0.0/24")


def _start(sandbox: Sandbox, host: Namespace, api: Path, program: str) -> Process:
    command = (*_FLATBGP, "gobgpd", "--gobgp", f"unix://{api}", "--program", program)
    process = sandbox.owns(host.start("gobgpd", *command, log=sandbox.directory / "gobgpd.log"))
    wait_until("gobgpd to answer", lambda: _health(api).returncode == 0 or not process.alive, deadline=20)
    assert process.alive, process.output
    return process


def _health(api: Path) -> subprocess.CompletedProcess[str]:
    command = (*_FLATBGP, "health", "--gobgp", f"unix://{api}")
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def _daemons(host: Namespace) -> list[int]:
    return [pid for pid in host.pids() if Path(f"/proc/{pid}/comm").read_text().strip() == "gobgpd"]


@pytest.fixture
def api(sandbox: Sandbox) -> Path:
    return sandbox.directory / "gobgpd.sock"


def test_it_starts_over_a_stale_socket_opens_no_port_and_ends_on_sigterm(
    sandbox: Sandbox, api: Path, gobgpd_binary: str
) -> None:
    host = sandbox.host("node")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(str(api))

    process = _start(sandbox, host, api, gobgpd_binary)

    healthy = _health(api)
    assert healthy.stdout.startswith(f"gobgpd on unix://{api} answers (API v"), healthy
    assert host.run("ss", "-Hltun") == ""
    assert api.stat().st_mode & 0o007 == 0, "others of this machine would have every session's password"
    assert process.stop() == 0
    assert _daemons(host) == []
    assert not api.exists()
    gone = _health(api)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert f"gobgpd on unix://{api} is not there" in gone.stderr


def test_a_daemon_that_ends_by_itself_is_an_error_for_whoever_restarts_containers(
    sandbox: Sandbox, api: Path, gobgpd_binary: str
) -> None:
    host = sandbox.host("node")
    process = _start(sandbox, host, api, gobgpd_binary)
    (daemon,) = _daemons(host)

    os.kill(daemon, signal.SIGSEGV)

    assert process.child.wait(10) == 1
    assert "error: gobgpd ended by itself (" in process.output


def test_no_daemon_outlives_the_process_that_stands_before_it(sandbox: Sandbox, api: Path, gobgpd_binary: str) -> None:
    host = sandbox.host("node")
    process = _start(sandbox, host, api, gobgpd_binary)

    process.kill()

    wait_until("the daemon to be gone", lambda: _daemons(host) == [], deadline=5)


def test_it_refuses_tcp() -> None:
    command = (*_FLATBGP, "gobgpd", "--gobgp", "127.0.0.1:50051")
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)

    assert done.returncode == 2
    assert "never listens on TCP" in done.stderr


def test_a_router_keeps_the_routes_of_a_daemon_that_was_stopped(
    sandbox: Sandbox, api: Path, gobgpd_binary: str
) -> None:
    lan, host, far = sandbox.lan("lan"), sandbox.host("node"), sandbox.host("router")
    for name, place, address in (("node", host, _NODE), ("router", far, _ROUTER)):
        plug(lan, name, place, "eth0")
        place.add_addresses("eth0", [address])
    config = Router("router", 65002, "rack-1", (_ROUTER,), (_ROUTER,), (RouterNeighbor(_NODE.ip, 65001),))
    router = frr.start_router("router", frr.render(config), far, sandbox.directory / "router")
    for each in router.processes:
        sandbox.owns(each)
    sandbox.finally_call(router.vty.close)
    process = _start(sandbox, host, api, gobgpd_binary)

    asyncio.run(_announce(f"unix://{api}"))
    wait_until("the route", lambda: views.routes(router.vty), lambda seen: seen == {_ROUTE: {_NODE.ip}}, deadline=30)
    assert process.stop() == 0

    wait_until("the session to be down", lambda: not views.sessions(router.vty)[_NODE.ip].up, deadline=10)
    (path,) = views.paths(router.vty)
    assert (path.prefix, path.stale) == (_ROUTE, True)
    assert views.sessions(router.vty)[_NODE.ip].received["notifications"] == 0


async def _announce(target: str) -> None:
    engine = GobgpEngine(target)
    try:
        await engine.start(IPv4Address("10.9.0.1"), "test")
        await engine.announce([Route(_ROUTE, ip_address(str(_NODE.ip)))])
        await engine.add_neighbor(Neighbor(address=_ROUTER.ip, local_address=_NODE.ip, local_asn=65001, peer_asn=65002))
    finally:
        await engine.close()
