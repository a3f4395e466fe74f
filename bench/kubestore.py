"""The Kubernetes store on a real API server: reading and following 5,000 Nodes, and writes against a bare client's.

A Node here has 8 KB, as a kubelet's has. What a reader takes is measured in a process of its own, whose loop is timed;
the bare client is the transport's own HTTP library with nothing around it, on as many connections.
"""

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from figures import Figures, note

from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store
from support.kubernetes import ApiServer, api_servers

NODES = 5000
AT_ONCE = 16
"""Writes under way at one time, as the roles have them."""

RUNS = 3
WRITES = 1500
_TURN = 100
_READER_SECONDS = 120.0


def node(number: int) -> dict[str, Any]:
    """Return a Node as a kubelet has it, with all that nobody here reads: 8 KB."""
    name = f"node-{number:05}"
    kinds = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable", "Ready")
    images = [
        {"names": [f"registry.example/team/application-{image}@sha256:{image:064x}"], "sizeBytes": 10**8 + image}
        for image in range(35)
    ]
    labels = {f"example.com/label-{index}": f"value-{index}" for index in range(20)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, **labels},
            "annotations": {f"example.com/note-{index}": "x" * 60 for index in range(10)},
        },
        "spec": {"providerID": f"bench://{name}"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}"}
            ],
            "conditions": [
                {"type": kind, "status": "False", "reason": f"KubeletHas{kind}", "message": f"kubelet says {kind}"}
                for kind in kinds
            ],
            "images": images,
        },
    }


async def at_once(call: Callable[[int], Awaitable[Any]], count: int, first: int = 0) -> float:
    """Call for each number, some at a time; return the seconds."""
    numbers = iter(range(first, first + count))

    async def worker() -> None:
        for number in numbers:
            await call(number)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(worker())
    return time.perf_counter() - begun


class BareClient:
    """A client that knows nothing but the URL and the token."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession) -> None:
        config = json.loads(server.kubeconfig().read_text())
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        self._trust = ssl.create_default_context(cafile=str(server.certificate))
        self._server, self._session = server.server, session

    async def send(self, method: str, path: str, body: Mapping[str, Any], kind: str = "application/json") -> None:
        """Send one request and read its answer; whatever is no success raises."""
        headers = {**self._headers, "Content-Type": kind}
        url = self._server + path
        async with self._session.request(
            method, url, data=json.dumps(body), headers=headers, ssl=self._trust
        ) as answer:
            await answer.read()
            answer.raise_for_status()


async def _writes(server: ApiServer, store: Store, figures: Figures) -> None:
    async with aiohttp.ClientSession() as session:
        bare = BareClient(server, session)
        seconds = await at_once(lambda number: bare.send("POST", "/api/v1/nodes", node(number)), NODES)
        note(figures, f"bare client: {NODES} Nodes created, a second", NODES / seconds)
        for run in range(RUNS):
            await _compare(bare, store, str(run), figures)


async def _compare(bare: BareClient, store: Store, run: str, figures: Figures) -> None:
    """Patch by both, in short turns, so that both find the machine equally busy."""

    async def theirs(number: int) -> None:
        patch = {"metadata": {"labels": {"bare": run}}}
        await bare.send("PATCH", f"/api/v1/nodes/node-{number:05}", patch, "application/merge-patch+json")

    async def ours(number: int) -> None:
        await store.patch(NODE, f"node-{number:05}", "", {"metadata": {"labels": {"ours": run}}})

    seconds, used = {theirs: 0.0, ours: 0.0}, {theirs: 0.0, ours: 0.0}
    for start in range(0, WRITES, _TURN):
        for call in (theirs, ours):
            begun = time.process_time()
            seconds[call] += await at_once(call, _TURN, start)
            used[call] += time.process_time() - begun
    for call, name in ((theirs, "bare client"), (ours, "store")):
        note(figures, f"{name}: PATCHes a second", WRITES / seconds[call])
        note(figures, f"{name}: a PATCH, ms of CPU", 1000 * used[call] / WRITES)
    note(figures, "store's PATCHes, % of the bare client's (>80)", 100 * seconds[theirs] / seconds[ours])


async def _read(server: ApiServer, store: Store, figures: Figures) -> None:
    """Measure a reader in a process of its own: it lists all Nodes, says so, and follows what is written then."""
    mark = str(time.time_ns())
    command = (sys.executable, str(Path(__file__).with_name("kubereader.py")), server.url(), str(WRITES), mark)
    reader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    if reader.stdout is None:
        raise RuntimeError("the reader has no pipe")
    try:
        async with asyncio.timeout(_READER_SECONDS):
            await reader.stdout.readline()
            patch = {"metadata": {"labels": {"mark": mark}}}
            await at_once(lambda number: store.patch(NODE, f"node-{number:05}", "", patch), WRITES)
            text = await reader.stdout.readline()
    finally:
        if reader.returncode is None:
            reader.kill()
        await reader.wait()
    for name, value in json.loads(text).items():
        note(figures, name, value)


async def _measure(server: ApiServer) -> Figures:
    figures: Figures = {}
    store = open_store(server.url())
    try:
        await _writes(server, store, figures)
        for _ in range(RUNS):
            await _read(server, store, figures)
    finally:
        await store.close()
    return figures


def measure() -> Figures:
    """Return the samples of every figure."""
    with api_servers() as (server,):
        return asyncio.run(_measure(server))
