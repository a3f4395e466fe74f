"""One role beside an API server: a controller that starts on 5,000 Nodes, and a speaker that has nothing to do."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from bench_cluster import resident
from figures import Figures, note
from kubestore import NODES, BareClient, at_once, node

from flatbgp.lab.processes import start
from support.apirelay import Relay
from support.charted import PASSWORDS, USER_CLUSTER, Chart
from support.kubernetes import CONTROLLER, SPEAKER, ApiServer
from support.sandbox import Sandbox

_STARTS = 3
_IDLE_SECONDS = 90.0
_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")
_OBJECTS = "/apis/networking.gke.io/v1"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"

_AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  users: ["{user}"]
- level: None
"""


def _configure(server: ApiServer) -> None:
    """Make the objects of a cluster that works, its floating IP held by another node."""
    group = {"apiVersion": "networking.gke.io/v1", "kind": "NetworkGatewayGroup"}
    meta = {"name": "default", "namespace": "kube-system"}
    path = f"{_OBJECTS}/namespaces/kube-system/networkgatewaygroups"
    server.request("POST", path, {**group, "metadata": meta, "spec": {"floatingIPs": ["10.0.1.100"]}})
    ranges = {
        "apiVersion": "networking.gke.io/v1alpha1",
        "kind": "ClusterCIDRConfig",
        "metadata": {"name": "wide"},
        "spec": {"ipv4": {"cidr": "100.64.0.0/11", "perNodeMaskSize": 24}},
    }
    server.request("POST", "/apis/networking.gke.io/v1alpha1/clustercidrconfigs", ranges)
    mode = {
        "apiVersion": "networking.gke.io/v1alpha1",
        "kind": "FlatIPMode",
        "metadata": {"name": "default"},
        "spec": {"enableBGPIPv4": True, "enableBGPIPv6": False, "peerSelector": {"a": "b"}},
    }
    server.request("POST", "/apis/networking.gke.io/v1alpha1/flatipmodes", mode)


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


async def _held(server: ApiServer) -> None:
    """Renew the floating IP's Lease as its holder does, until cancelled."""
    meta: dict[str, Any] = {
        "name": "floatingip-10-0-1-100",
        "namespace": "kube-system",
        "labels": {"flatbgp.io/floating-ip": "true"},
        "annotations": {"flatbgp.io/address": "10.0.1.100", "flatbgp.io/subnet": "10.0.1.0/24"},
    }
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta}
    spec = {"holderIdentity": "node-01", "leaseDurationSeconds": 5}
    server.request("POST", _LEASES, {**lease, "spec": spec})
    number = 0
    while True:
        number += 1
        moment = f"2026-11-24T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000000Z"
        path = f"{_LEASES}/floatingip-10-0-1-100"
        await asyncio.to_thread(server.merge, path, {"spec": {"renewTime": moment}})
        await asyncio.sleep(1.0)


async def _speaker(server: ApiServer, sandbox: Sandbox, audit: Path, figures: Figures) -> None:
    """Measure a speaker whose node could hold the address and does not."""
    host = sandbox.host("idle")
    host.ip("link add eth0 type bridge", "link set eth0 up", "address add 10.0.1.12/24 dev eth0")
    relay = Relay(server.port)
    relay.open(host.name)
    renewals = asyncio.create_task(_held(server))
    try:
        await asyncio.sleep(1.0)
        options = ("--node", "node-00001", "--gobgp", "unix:///nonexistent", "--instance", "bench")
        options += ("--store", server.url(SPEAKER), "--secret-namespace", PASSWORDS)
        options += ("--state-dir", str(sandbox.directory / "state"))
        command = host.command(*_FLATBGP, "speaker", *options)
        process = sandbox.owns(start("speaker", command, sandbox.directory / "speaker.log"))
        await asyncio.sleep(10.0)
        seen = _lines(audit)
        await asyncio.sleep(_IDLE_SECONDS)
        requests = _lines(audit) - seen
        note(figures, "idle speaker: RSS, MB (<=60)", resident(process.pid))
        note(figures, "idle speaker: requests a minute (<=2)", 60 * requests / _IDLE_SECONDS)
        process.stop()
    finally:
        renewals.cancel()
        await asyncio.wait((renewals,))
        relay.close()


async def _controller(server: ApiServer, figures: Figures) -> None:
    """Measure a controller from the start of its process; the first one gives the podCIDRs, and does not count."""
    script = str(Path(__file__).with_name("kubecontroller.py"))
    for run in range(_STARTS + 1):
        begun = time.monotonic()
        child = await asyncio.create_subprocess_exec(
            sys.executable, script, server.url(CONTROLLER), PASSWORDS, str(begun), stdout=subprocess.PIPE
        )
        if child.stdout is None:
            raise RuntimeError("the controller has no pipe")
        try:
            async with asyncio.timeout(180):
                text = await child.stdout.readline()
        finally:
            with suppress(ProcessLookupError):
                child.terminate()
            await child.wait()
        if run:
            for name, value in json.loads(text).items():
                note(figures, name, value)


async def _measure(server: ApiServer, sandbox: Sandbox, audit: Path) -> Figures:
    figures: Figures = {}
    _configure(server)
    await _speaker(server, sandbox, audit, figures)
    async with aiohttp.ClientSession() as session:
        bare = BareClient(server, session)
        await at_once(lambda number: bare.send("POST", "/api/v1/nodes", node(number)), NODES)
    await _controller(server, figures)
    return figures


def measure() -> Figures:
    """Return the samples of every figure."""
    with tempfile.TemporaryDirectory() as directory, Sandbox() as sandbox:
        place = Path(directory)
        policy, audit = place / "policy.yaml", place / "audit.log"
        policy.write_text(_AUDIT.format(user=SPEAKER.name))
        audit.touch()
        flags = (f"--audit-policy-file={policy}", f"--audit-log-path={audit}", "--audit-log-mode=blocking")
        server = ApiServer(place / "server", flags=flags)
        try:
            server.start()
            Chart(place / "helm").install(server, USER_CLUSTER)
            return asyncio.run(_measure(server, sandbox, audit))
        finally:
            server.close()
