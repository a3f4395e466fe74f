"""A controller, measured from inside: ``kubecontroller.py STORE SECRET-NAMESPACE BEGUN`` prints its figures as JSON.

BEGUN is when its process was started, by CLOCK_MONOTONIC. It runs until it is ended.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import structlog

from flatbgp.roles.controller import control
from flatbgp.roles.options import ControllerOptions, LogFormat
from flatbgp.roles.runtime import Runtime
from flatbgp.store.election import LeadershipLost
from flatbgp.store.url import open_store

_BEAT_SECONDS = 0.002
_AFTER_SECONDS = 5.0
"""For how long the loop is watched from when it is ready: statuses and Events are written then."""


def _resident() -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _options(store: str, secret_namespace: str) -> ControllerOptions:
    return ControllerOptions(
        store=store,
        state_dir=Path("/nonexistent"),
        metrics_bind=None,
        health_bind=None,
        lease_duration=5.0,
        renew_interval=1.0,
        secret_namespace=secret_namespace,
        log_format=LogFormat.JSON,
        log_level="error",
        report_interval=10.0,
    )


async def _run(url: str, secret_namespace: str, begun: float) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    late, used = 0.0, 0.0
    runtime, store = Runtime(structlog.get_logger()), open_store(url)
    role = asyncio.create_task(control(runtime, _options(url, secret_namespace), store))
    ready, cpu_ready, end = 0.0, 0.0, time.monotonic() + 120
    try:
        while time.monotonic() < end and not role.done():
            at, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(_BEAT_SECONDS)
            late = max(late, time.perf_counter() - at - _BEAT_SECONDS)
            used = max(used, time.thread_time() - cpu)
            if runtime.ready and not ready:
                ready, cpu_ready = time.monotonic(), time.process_time()
                end = min(end, ready + _AFTER_SECONDS)
        figures = {
            "controller with 5000 Nodes: ready, s (<=3)": ready - begun,
            "of that CPU time, s": cpu_ready,
            "the same: RSS, MB (<=150)": _resident(),
            "the same: longest stall of its loop, ms (<=50)": 1000 * late,
            "of that the loop's own CPU time, ms": 1000 * used,
        }
        print(json.dumps(figures), flush=True)
        await role
    except* LeadershipLost:
        raise SystemExit(1) from None
    finally:
        role.cancel()
        await asyncio.wait((role,))
        await store.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], sys.argv[2], float(sys.argv[3])))
