"""What a trace of all gRPC calls costs: 20,000 routes to a gobgpd without any, and with it switched off and on."""

import asyncio
import gc
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import grpc
from bench_cluster import gobgpd_binary
from engine import MARKER, ROUTER_ID, paths
from figures import Figures, note

from flatbgp.engine.gobgp.adapter import GobgpEngine
from flatbgp.engine.gobgp.tracefile import TraceFile
from flatbgp.engine.model import Path
from flatbgp.lab.gobgpd import start_gobgpd
from support.sandbox import Sandbox, remove_leftovers

RUNS = 15
_LIMIT = 64 * 1024 * 1024


def _without_notes(engine: GobgpEngine, target: str) -> grpc.aio.Channel:
    """Put plain gRPC stubs in place of those that a trace can listen to: what it costs that one could."""
    connection: Any = engine._connection  # noqa: SLF001 - there is no such engine outside of this comparison
    channel = grpc.aio.insecure_channel(target)
    connection._stubs = {codec: codec.stub(channel) for codec in connection._stubs}  # noqa: SLF001 - as above
    return channel


async def _pushed(figures: Figures, name: str, engine: GobgpEngine, wanted: list[Path]) -> float:
    gc.collect()
    begun, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    await engine.announce(wanted)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    note(figures, f"{name}, s", seconds)
    note(figures, f"{name}, own CPU s", after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime)
    return seconds


async def _measure(target: str, directory: FilePath, figures: Figures) -> None:
    engine, plain = GobgpEngine(target), GobgpEngine(target)
    channel = _without_notes(plain, target)
    await engine.start(ROUTER_ID, MARKER)
    routes = [list(paths(next_hop).values()) for next_hop in (1, 2, 3)]
    for each in (plain, engine):
        await each.announce(routes[0])  # the first of all grows the daemon's tables
    times: dict[str, list[float]] = {}
    try:
        for run in range(RUNS):
            # In turn, so that a busy machine is busy for all three; each replaces what the one before announced.
            ways: list[tuple[str, GobgpEngine, Callable[[], TraceFile | None]]] = [
                ("20000 routes without any trace", plain, lambda: None),
                ("20000 routes, trace switched off", engine, lambda: None),
                ("20000 routes, trace switched on", engine, lambda run=run: _trace(engine, directory, run)),  # type: ignore[misc] # bound now
            ]
            for position, (name, pushing, begin) in enumerate(ways):
                trace = begin()
                times.setdefault(name, []).append(
                    await _pushed(figures, name, pushing, routes[(run + position) % len(routes)])
                )
                if trace is not None:
                    engine.trace(None)
                    begun = time.perf_counter()
                    trace.close(60)
                    note(figures, "of a trace, left to write at the end, s", time.perf_counter() - begun)
                    note(figures, "size of a trace, MB", trace.path.stat().st_size / 1e6)
    finally:
        await engine.close()
        await plain.close()
        await channel.close()
    base = statistics.median(times["20000 routes without any trace"])
    for name in ("20000 routes, trace switched off", "20000 routes, trace switched on"):
        note(
            figures,
            f"{name}: more than without, medians, % (on: <=10 %)",
            (statistics.median(times[name]) / base - 1) * 100,
        )


def _trace(engine: GobgpEngine, directory: FilePath, run: int) -> TraceFile:
    file = TraceFile(directory / f"{run}.trace", _LIMIT, {"node": "bench"}, print)
    engine.trace(file.take)
    return file


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    remove_leftovers()
    with Sandbox() as sandbox:
        api = sandbox.directory / "gobgpd.sock"
        sandbox.owns(start_gobgpd("gobgpd", sandbox.host("bench"), api, binary=gobgpd_binary()))
        asyncio.run(_measure(f"unix://{api}", sandbox.directory, figures))
    return figures
