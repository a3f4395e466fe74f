"""A reader of all Nodes of an API server, measured from inside: what the roles' caches cost, and nothing else.

``kubereader.py STORE WRITES MARK`` lists, prints a line, waits until the Node of the last write has the label
``mark`` = MARK, and prints its figures as JSON.
"""

import asyncio
import json
import random
import resource
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from flatbgp.resources.node import NODE, NodeSpec, NodeStatus
from flatbgp.store.cache import CacheSet, Delta
from flatbgp.store.url import open_store


def _resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@asynccontextmanager
async def _stalls(found: dict[str, float], what: str) -> AsyncIterator[None]:
    """Note how late a timer of this loop was at most, and the most CPU time that the process took between two beats."""
    late, busy = f"longest stall of a loop, {what}, ms (<50)", f"longest use of the CPU without a pause, {what}, ms"
    found |= {late: 0.0, busy: 0.0}

    async def beat() -> None:
        while True:
            begun, used = time.perf_counter(), time.process_time()
            await asyncio.sleep(0.002)
            found[late] = max(found[late], 1000 * (time.perf_counter() - begun - 0.002))
            found[busy] = max(found[busy], 1000 * (time.process_time() - used))

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()


async def _read(url: str, writes: int, mark: str) -> dict[str, float]:
    found: dict[str, float] = {}
    store = open_store(url)
    marked: set[str] = set()
    all_marked = asyncio.Event()

    def count(deltas: Sequence[Delta[NodeSpec, NodeStatus]]) -> None:
        marked.update(delta.key.name for delta in deltas if delta.after and delta.after.meta.labels.get("mark") == mark)
        if len(marked) == writes:
            all_marked.set()

    clock = asyncio.get_running_loop().time
    choice = random.SystemRandom().random
    found["reader before its list: RSS, MB"] = _resident()
    async with CacheSet(store, lambda: None, log=structlog.get_logger(), clock=clock, random=choice) as caches:
        async with _stalls(found, "list of all Nodes"):
            begun, used = time.perf_counter(), time.process_time()
            caches.start(NODE).subscribe(count)
            await caches.wait_synced()
            found["list of all Nodes, s (<3)"] = time.perf_counter() - begun
            found["list of all Nodes, s of CPU"] = time.process_time() - used
        found["reader after its list: RSS, MB"] = _resident()
        print("listed", flush=True)
        async with _stalls(found, f"{writes} of them change"):
            await all_marked.wait()
    await store.close()
    found["reader at most: RSS, MB (<150)"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_read(sys.argv[1], int(sys.argv[2]), sys.argv[3]))))
