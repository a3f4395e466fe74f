"""How fast and how large the embedded store is. Prints medians and spreads; ``measure`` gives the raw figures."""

import asyncio
import random
import resource
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.lease import LEASE
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.store.cache import CacheSet
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store

NODES = 5000
WRITES = 300
BULK_RUNS = 5
IDLE_SECONDS = 5.0

Figures = dict[str, list[float]]
"""Name with unit, and the samples."""


def node(number: int, **labels: str) -> Manifest:
    """Return a Node as an operator of the embedded store writes it: addresses, conditions, some labels."""
    name = f"node-{number:05}"
    address = f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": f"rack-{number % 40}", **labels}},
        "spec": {"podCIDRs": [f"100.{number // 256}.{number % 256}.0/24", f"fd00:{number:x}::/64"]},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
        },
    }
    return Manifest(NODE, Key("", name), document)


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    """Have a client of the store."""
    store = open_store(f"sqlite:{path}")
    try:
        yield store
    finally:
        await store.close()


async def single_writes(path: Path, figures: Figures) -> None:
    """Time a write, and a write until a watcher with a connection of its own has it."""
    async with opened(path) as writer, opened(path) as reader:
        await writer.identity()
        watch = reader.watch(NODE, (await reader.list(NODE)).version)
        await anext(watch)
        for number in range(WRITES):
            begun = time.perf_counter()
            await writer.apply([node(number)])
            figures.setdefault("apply of one Node, ms", []).append(1000 * (time.perf_counter() - begun))
            await anext(watch)
            figures.setdefault("apply of one Node until a watcher has it, ms", []).append(
                1000 * (time.perf_counter() - begun)
            )
        await watch.aclose()


async def stalls(figures: Figures, name: str) -> None:
    """Note, until cancelled, by how much a timer of this loop is late."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.002)
        figures.setdefault(name, []).append(1000 * (time.perf_counter() - begun - 0.002))


@asynccontextmanager
async def watching_stalls(figures: Figures, name: str) -> AsyncIterator[None]:
    """Note the stalls of the loop during the block, and keep the longest."""
    samples: Figures = {}
    task = asyncio.create_task(stalls(samples, name))
    try:
        yield
    finally:
        task.cancel()
        figures.setdefault(name, []).append(max(samples[name], default=0.0))


async def bulk(path: Path, figures: Figures) -> None:
    """Time ``apply`` and ``list`` of many Nodes, and what they do to the loop of a client that caches them."""
    async with opened(path) as writer, opened(path) as reader:
        changed = asyncio.Event()
        clock = asyncio.get_running_loop().time
        async with CacheSet(
            reader, changed.set, log=structlog.get_logger(), clock=clock, random=random.random
        ) as caches:
            cache = caches.start(NODE)
            await caches.wait_synced()
            for run in range(BULK_RUNS):
                manifests = [node(number, run=str(run)) for number in range(NODES)]
                async with watching_stalls(figures, f"longest stall of a loop while {NODES} Nodes change, ms"):
                    begun = time.perf_counter()
                    await writer.apply(manifests)
                    figures.setdefault(f"apply of {NODES} Nodes, s", []).append(time.perf_counter() - begun)
                    newest = manifests[-1].key
                    while newest not in cache.items or cache.items[newest].meta.labels.get("run") != str(run):
                        changed.clear()
                        await changed.wait()
        for _ in range(BULK_RUNS):
            async with watching_stalls(figures, f"longest stall of a loop while {NODES} Nodes are listed, ms"):
                begun = time.perf_counter()
                await reader.list(NODE)
                figures.setdefault(f"list of {NODES} Nodes, s", []).append(time.perf_counter() - begun)


async def idle(path: Path, figures: Figures) -> None:
    """Time what caches of an unchanging store cost."""
    async with opened(path) as store:
        clock = asyncio.get_running_loop().time
        async with CacheSet(
            store, lambda: None, log=structlog.get_logger(), clock=clock, random=random.random
        ) as caches:
            for kind in (NODE, LEASE, BGP_PEER, BGP_SESSION, BGP_ADVERTISED_ROUTE):
                caches.start(kind)
            await caches.wait_synced()
            await asyncio.sleep(1)
            begun = time.process_time()
            await asyncio.sleep(IDLE_SECONDS)
            figures["CPU of five idle caches, %"] = [100 * (time.process_time() - begun) / IDLE_SECONDS]


async def measure() -> Figures:
    """Return all figures."""
    figures: Figures = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory(prefix="flatbgp-bench-") as directory:
        path = Path(directory) / "store.db"
        await single_writes(path, figures)
        await bulk(path, figures)
        await idle(path, figures)
        figures["size of the file, MB"] = [path.stat().st_size / 1e6]
    figures["memory at its highest, MB above the start"] = [
        (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    ]
    return figures


def line(name: str, samples: Sequence[float]) -> str:
    """Return a figure as a line: median, 99th percentile and worst of the samples."""
    ordered = sorted(samples)
    high = ordered[min(len(ordered) - 1, round(0.99 * (len(ordered) - 1)))]
    return f"{name:60} p50 {statistics.median(ordered):9.3f}  p99 {high:9.3f}  max {ordered[-1]:9.3f}  n {len(ordered)}"


if __name__ == "__main__":
    for figure, values in asyncio.run(measure()).items():
        print(line(figure, values))
