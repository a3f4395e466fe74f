"""A gobgpd for each node, as a DaemonSet would run it: an API on a Unix socket, no port open to anybody."""

import shutil
import socket
from pathlib import Path

from flatbgp.lab.commands import LabError
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
    an API. pprof and metrics are off, since both would open a port.
    """
    api.parent.mkdir(parents=True, exist_ok=True)
    api.unlink(missing_ok=True)
    process = namespace.start(
        name,
        binary or find_gobgpd(),
        "--api-hosts",
        f"unix://{api}",
        "--pprof-disable",
        "--log-plain",
        log=api.with_suffix(".log"),
    )

    def ready() -> bool:
        return not process.alive or _answers(api)

    wait_until(f"{name} to open {api}", ready, deadline=_START_DEADLINE)
    if not process.alive:
        raise LabError(f"{name} ended at once: {process.output.strip()[-500:]}")
    return process


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(path))
        except OSError:
            return False
        return True
