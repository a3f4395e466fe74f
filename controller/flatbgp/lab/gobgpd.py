"""A gobgpd for each node, as a DaemonSet would run it: an API on a Unix socket, no port open to anybody."""

import shutil
from pathlib import Path

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgpd import answers, command, prepare_socket, version_of
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
    """Start a gobgpd that knows nothing yet and answers on the Unix socket ``api`` when this returns."""
    program = binary or find_gobgpd()
    try:
        line = command(program, version_of(program), api, plain_log=True)
        prepare_socket(api)
    except EngineError as error:
        raise LabError(f"{name}: {error}") from error
    process = namespace.start(name, *line, log=api.with_suffix(".log"))
    wait_until(f"{name} to open {api}", lambda: not process.alive or answers(api), deadline=_START_DEADLINE)
    if not process.alive:
        raise LabError(f"{name} ended at once: {process.output.strip()[-500:]}")
    return process
