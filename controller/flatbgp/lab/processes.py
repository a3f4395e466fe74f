"""Programs that the lab leaves running, known by process ID and start time so that no other is ever ended."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flatbgp.lab.commands import LabError

_STOP_DEADLINE = 6.0
"""Seconds from SIGTERM to SIGKILL: the roles promise to end within 5."""

_KILL_DEADLINE = 2.0


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process as it can be found again by another program.

    ``started`` is the start time in clock ticks since boot (field 22 of ``/proc/PID/stat``): a process ID that was
    given to another process in the meantime does not match.
    """

    name: str
    pid: int
    started: int
    command: tuple[str, ...]
    log: Path

    @property
    def alive(self) -> bool:
        """Whether that very process still runs (a zombie does not)."""
        stat = _stat(self.pid)
        return stat is not None and stat.started == self.started and stat.state not in "ZX"


@dataclass(slots=True)
class Process:
    """A process that this program started."""

    record: ProcessRecord
    child: subprocess.Popen[bytes] = field(repr=False)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self.child.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.child.poll() is None

    @property
    def output(self) -> str:
        """All that it has written to its log so far."""
        return self.record.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.alive:
            self.child.send_signal(number)

    def kill(self) -> None:
        """End it without a chance to say anything (SIGKILL), and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.child.wait()

    def stop(self, deadline: float = _STOP_DEADLINE) -> int:
        """Ask it to end (SIGTERM), make it end after ``deadline`` seconds, and return its exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.child.wait(deadline)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.child.wait()


def start(name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a program, its output in ``log``, in a session of its own: Ctrl-C at the terminal is for the lab alone."""
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
            )
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed; 'make setup' as root installs what the lab needs") from None
    stat = _stat(child.pid)
    started = stat.started if stat is not None else 0
    return Process(ProcessRecord(name, child.pid, started, tuple(command), log), child)


def stop_all(records: Iterable[ProcessRecord], deadline: float = _STOP_DEADLINE) -> None:
    """End processes that an earlier program started: SIGTERM to all at once, SIGKILL to what is left."""
    kill_all(_end(records, signal.SIGTERM, deadline))


def kill_all(records: Iterable[ProcessRecord]) -> None:
    """End processes that an earlier program started without a chance to say anything (SIGKILL), all at once."""
    if running := _end(records, signal.SIGKILL, _KILL_DEADLINE):
        raise LabError(f"could not end {', '.join(f'{record.name} (process {record.pid})' for record in running)}")


def _end(records: Iterable[ProcessRecord], number: signal.Signals, patience: float) -> list[ProcessRecord]:
    """Send a signal to processes and return those that still run after ``patience`` seconds."""
    running = [record for record in records if record.alive]
    for record in running:
        _send(record, number)
    end = time.monotonic() + patience
    while (running := [record for record in running if record.alive]) and time.monotonic() < end:
        time.sleep(0.02)
    return running


def kill_pids(pids: Iterable[int]) -> None:
    """End processes of which nothing but the process ID is known (what a namespace still holds)."""
    stop_all(
        [
            ProcessRecord(f"process {pid}", pid, stat.started, (), Path(os.devnull))
            for pid in pids
            if (stat := _stat(pid)) is not None
        ],
        deadline=1.0,
    )


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    started: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name stands in parentheses and may itself hold blanks and parentheses (proc(5)).
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], started=int(fields[19]))


def _send(record: ProcessRecord, number: signal.Signals) -> None:
    try:
        os.kill(record.pid, number)  # the exit status is its parent's to collect: a zombie counts as ended
    except ProcessLookupError:
        return
