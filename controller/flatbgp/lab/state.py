"""What the lab has made on this machine, on disk, so that another call can look at it and end it."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flatbgp.lab.commands import LabError
from flatbgp.lab.processes import ProcessRecord

LAB_DIRECTORY = Path("/run/flatbgp-lab")
"""Short, since the path of a Unix socket has at most 107 bytes; and gone after a reboot, like all that it describes."""

_STATE = "lab.json"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class LabState:
    """A lab that is up, or that was left in the middle of coming up (``ready`` is false).

    ``manifests`` is the file that it was made for; the names of its namespaces begin with ``prefix``.
    """

    manifests: str
    prefix: str
    since: datetime
    processes: tuple[ProcessRecord, ...] = ()
    ready: bool = False


def save(directory: Path, state: LabState) -> None:
    """Write the state so that a reader sees either all of it or what was there before."""
    document = {
        "manifests": state.manifests,
        "prefix": state.prefix,
        "since": state.since.isoformat(),
        "processes": [
            {"name": each.name, "pid": each.pid, "started": each.started, "command": each.command, "log": str(each.log)}
            for each in state.processes
        ],
        "ready": state.ready,
    }
    partial = directory / f"{_STATE}.new"
    partial.write_text(json.dumps(document, indent=2))
    partial.rename(directory / _STATE)


def load(directory: Path) -> LabState | None:
    """Return what is recorded, or ``None`` when no lab is up."""
    try:
        text = (directory / _STATE).read_text()
    except FileNotFoundError:
        return None
    try:
        document = json.loads(text)
        return LabState(
            manifests=document["manifests"],
            prefix=document["prefix"],
            since=datetime.fromisoformat(document["since"]).astimezone(UTC),
            processes=tuple(
                ProcessRecord(each["name"], each["pid"], each["started"], tuple(each["command"]), Path(each["log"]))
                for each in document["processes"]
            ),
            ready=document["ready"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(f"{directory / _STATE} was written by another version of flatbgp ({error!r})") from error


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lab's lock: one call at a time changes it. Raises :class:`LabError` when another one does.

    A directory in which nothing but the lock is left goes at the end.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # FRR's daemons run as the user frr and must be able to pass through.
    directory.chmod(0o755)
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError(f"another 'flatbgp lab' is at work in {directory}: wait for its end, or end it") from None
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                if os.listdir(directory) == [_LOCK]:
                    shutil.rmtree(directory)
    finally:
        os.close(descriptor)
