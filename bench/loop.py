"""The longest stall of a speaker's loop while thousands of Nodes and their routes change.

The speaker runs in this process, on a host and a BGP daemon in memory, over an embedded store that another process
writes to. A timer beside it notes by how much it is late, and how much CPU time the loop's thread used meanwhile: the
second is what the speaker itself does, whatever else the machine is busy with.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path as FilePath
from typing import Any

import structlog
from figures import Figures, note

from flatbgp.engine.fake import FakeEngine
from flatbgp.engine.model import Path
from flatbgp.host.fake import FakeHost, FakeLan, Station
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.roles.options import LogFormat, SpeakerOptions
from flatbgp.roles.runtime import Runtime
from flatbgp.roles.speaker.memory import Memory
from flatbgp.roles.speaker.speaker import Speaker
from flatbgp.store.url import open_store

NODES = 5000
RUNS = 3
_AT_ONCE = 500
_BEAT_SECONDS = 0.002
_QUIET_SECONDS = 2.0
_DEADLINE_SECONDS = 60.0
_ROUTERS = tuple(ip_address(f"10.0.1.{number}") for number in (251, 252, 253, 254))
_LABELS = {"flatip-peer": "true"}


def _manifest(kind: Kind[Any, Any], name: str, spec: dict[str, Any], **more: Any) -> Manifest:
    namespace = "kube-system" if kind.namespaced else ""
    metadata = {"name": name, "labels": _LABELS} | ({"namespace": namespace} if namespace else {})
    document = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec} | more
    return Manifest(kind, Key(namespace, name), document)


def _node(name: str, addresses: tuple[str, str], pods: tuple[str, ...] = ()) -> Manifest:
    spec = {"podCIDRs": list(pods)} if pods else {}
    return _manifest(
        NODE, name, spec, status={"addresses": [{"type": "InternalIP", "address": each} for each in addresses]}
    )


def _configuration() -> list[Manifest]:
    mode = {"enableBGPIPv4": True, "enableBGPIPv6": True, "peerSelector": _LABELS}
    return [
        *(
            _manifest(BGP_PEER, f"peer-{router}", {"localASN": 65001, "peerASN": 65002, "peerIP": str(router)})
            for router in _ROUTERS
        ),
        _manifest(FLAT_IP_MODE, "default", mode),
        _manifest(NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100"]}),
        _node("node-01", ("10.0.1.11", "2001:db8::11")),
    ]


def _addresses(number: int, run: int) -> tuple[str, str]:
    return f"172.{16 + run}.{number // 250}.{number % 250 + 1}", f"2001:db8:{run + 1}::{number + 1:x}"


def _pods(number: int) -> tuple[str, str]:
    return f"100.{64 + number // 256}.{number % 256}.0/24", f"fd00:{number:x}::/64"


def _nodes(run: int) -> list[Manifest]:
    """Return all Nodes; each run gives them other addresses."""
    return [_node(f"bench-{number:05}", _addresses(number, run), _pods(number)) for number in range(NODES)]


def _routes(run: int) -> list[Manifest]:
    """Return the routes of all Nodes."""
    return [
        _manifest(
            BGP_ADVERTISED_ROUTE,
            f"route-{number:05}-{family}",
            {"prefix": prefix, "nextHop": hop, "nodeName": f"bench-{number:05}"},
        )
        for number in range(NODES)
        for family, (prefix, hop) in enumerate(zip(_pods(number), _addresses(number, run), strict=True))
    ]


_CHANGES = {"Nodes": _nodes, "routes": _routes}


async def _write(url: str, manifests: list[Manifest]) -> None:
    """Write in portions: on a busy machine one transaction for all is an outage to everybody else who writes."""
    store = open_store(url)
    try:
        for start in range(0, len(manifests), _AT_ONCE):
            await store.apply(manifests[start : start + _AT_ONCE])
    finally:
        await store.close()


async def _write_elsewhere(url: str, what: str, run: int) -> None:
    """Write in a process of its own: in this one it would hold the interpreter's lock."""
    child = await asyncio.create_subprocess_exec(sys.executable, __file__, url, what, str(run))
    if await child.wait() != 0:
        raise subprocess.CalledProcessError(child.returncode or 0, "the writer")


@asynccontextmanager
async def _watched(figures: Figures, what: str) -> AsyncIterator[None]:
    """Note the longest stall of the loop during the block."""
    late, used = [0.0], [0.0]

    async def beat() -> None:
        while True:
            begun, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_BEAT_SECONDS)
            late.append(1000 * (time.perf_counter() - begun - _BEAT_SECONDS))
            used.append(1000 * (time.thread_time() - cpu))

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        note(figures, f"longest stall of a speaker's loop, {what}, ms (<=50)", max(late))
        note(figures, f"of that the loop's own CPU time, {what}, ms", max(used))


async def _until_settled(engine: FakeEngine, run: int) -> None:
    """Wait until the daemon in memory has the last route of a run."""
    prefix, hop = ip_network(_pods(NODES - 1)[0]), ip_address(_addresses(NODES - 1, run)[0])
    wanted = Path(prefix, hop)
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while (await engine.observe()).paths.get(prefix) != wanted:  # noqa: ASYNC110 - a daemon sends no event for it
            await asyncio.sleep(0.1)


async def _measure(url: str, directory: FilePath, figures: Figures) -> None:
    await _write(url, _configuration())
    options = SpeakerOptions(
        store=url,
        state_dir=directory,
        metrics_bind=None,
        health_bind=None,
        lease_duration=5.0,
        renew_interval=1.0,
        secret_namespace="kube-system",  # noqa: S106 - a namespace
        log_format=LogFormat.JSON,
        log_level="info",
        node="node-01",
        gobgp="unix:///nowhere",
        interface=None,
        instance="bench",
        report_interval=10.0,
        trace_rpc=None,
        trace_limit=0,
    )
    store, engine, lan = open_store(url), FakeEngine(), FakeLan()
    lan.attach(Station("02:00:00:00:00:fe", set(_ROUTERS)))  # a claimant first makes sure that it hears somebody
    host = FakeHost(lan, "02:00:00:00:00:01", ["10.0.1.11/24", "2001:db8::11/64"])
    runtime = Runtime(structlog.stdlib.get_logger())
    speaker = Speaker(options, runtime, store, host, engine, Memory.of(directory, url, "node-01"), "bench")
    work = asyncio.create_task(speaker.run())
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while sum(call.startswith("add ") for call in engine.calls) < len(_ROUTERS):  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        for run in range(RUNS + 1):
            samples = figures if run else {}  # the first run creates what the others change
            async with _watched(samples, f"{NODES} Nodes change"):
                await _write_elsewhere(url, "Nodes", run)
                await asyncio.sleep(_QUIET_SECONDS)
            async with _watched(samples, f"{2 * NODES} routes change"):
                await _write_elsewhere(url, "routes", run)
                await _until_settled(engine, run)
                await asyncio.sleep(_QUIET_SECONDS)
    finally:
        if work.done():
            work.result()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await host.close()
        await store.close()


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with tempfile.TemporaryDirectory(prefix="flatbgp-bench-") as directory:
        asyncio.run(_measure(f"sqlite:{directory}/store.db", FilePath(directory), figures))
    return figures


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1], _CHANGES[sys.argv[2]](int(sys.argv[3]))))
