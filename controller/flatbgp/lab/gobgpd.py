"""A gobgpd for each node, as a DaemonSet would run it: an API on a Unix socket, no port open to anybody."""

import re
import shutil
import socket
from functools import lru_cache
from pathlib import Path

from flatbgp.lab.commands import LabError, run
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until

_START_DEADLINE = 20.0


def find_gobgpd() -> str:
    """Return the distribution's gobgpd."""
    found = shutil.which("gobgpd")
    if found is None:
        raise LabError("gobgpd is not installed: 'make setup' as root installs it (Debian package gobgpd)")
    return found


def start_gobgpd(name: str, namespace: Namespace, api: Path, *, binary: str | None = None) -> Process:
    """Start a gobgpd that knows nothing yet and answers on the Unix socket ``api`` when this returns.

    A socket left by a killed gobgpd is removed first: version 3 would refuse to start, version 4 would run on without
    an API. pprof and metrics (since 3.14) are off, since they would open a port.
    """
    program = binary or find_gobgpd()
    api.parent.mkdir(parents=True, exist_ok=True)
    api.unlink(missing_ok=True)
    process = namespace.start(
        name,
        program,
        *("--api-hosts", f"unix://{api}"),
        *("--pprof-disable", "--log-plain"),
        *_without_metrics(program),
        log=api.with_suffix(".log"),
    )

    def ready() -> bool:
        return not process.alive or _answers(api)

    wait_until(f"{name} to open {api}", ready, deadline=_START_DEADLINE)
    if not process.alive:
        raise LabError(f"{name} ended at once: {process.output.strip()[-500:]}")
    return process


@lru_cache
def _without_metrics(program: str) -> tuple[str, ...]:
    """Return what switches the metrics off, where this gobgpd has any (3.14 and newer)."""
    version = re.search(r"version (\d+)\.(\d+)", run((program, "--version")))
    known = version is not None and (int(version[1]), int(version[2])) >= (3, 14)
    return ("--metrics-path=",) if known else ()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True
