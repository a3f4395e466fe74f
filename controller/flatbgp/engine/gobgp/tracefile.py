"""A trace of all calls on disk: JSON lines, written by a thread of its own, bounded in size.

A disk that is slow or full costs lines of the trace, never a call: what cannot be written in time is dropped and
counted. The file is kept below half of the limit; then it becomes ``FILE.1``, in place of the one before.
"""

import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import BinaryIO

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp.channel import Note
from flatbgp.engine.gobgp.entries import Scribe

FORMAT = "flatbgp-rpc-trace"
"""In the first line of every file, with the version of the format."""

VERSION = 1
_WAITING_BYTES = 32 * 1024 * 1024  # of messages that wait for the thread
_OVERHEAD = 200  # bytes of a line beside its messages
_LINES = 256  # written at once at most
_BUFFER = 256 * 1024  # bytes
_GATHER = 0.05  # seconds between two looks at what waits: each costs the event loop a switch to this thread and back


def older(path: Path) -> Path:
    """Return where the lines go that are older than those in a trace."""
    return path.with_name(path.name + ".1")


class TraceFile:
    """Takes notes into a file, of which ``limit`` bytes are kept at most; :meth:`close` writes what is left.

    ``about`` goes into the first line. ``failed`` is called once, from the writing thread, if the disk refuses; after
    that nothing is written any more. Raises :class:`EngineError` for a path that cannot be written.
    """

    def __init__(self, path: Path, limit: int, about: Mapping[str, str], failed: Callable[[str], None]) -> None:
        self.path = path
        self._half = limit // 2
        began = datetime.now(UTC).isoformat()
        self._head = _line({"format": FORMAT, "version": VERSION, "began": began, **about})
        self._failed = failed
        self._notes: SimpleQueue[Note | None] = SimpleQueue()
        self._closing = threading.Event()
        self._scribe = Scribe()
        self._taken = 0  # bytes, counted by the event loop
        self._written = 0  # bytes, counted by the thread
        self._dropped = 0  # notes, counted by the event loop
        self._told = 0  # of the dropped ones, counted by the thread
        try:
            self._file = self._open()
        except OSError as error:
            raise EngineError(f"no trace in {path}: {error.strerror or error}; name another file") from error
        self._thread = threading.Thread(target=self._write, name="rpc trace", daemon=True)
        self._thread.start()

    def take(self, note: Note) -> None:
        """Take a note; it is dropped if too much waits already."""
        size = _OVERHEAD + len(note.request or b"") + len(note.answer or b"")
        if self._taken - self._written + size > _WAITING_BYTES:
            self._dropped += 1
            return
        self._taken += size
        self._notes.put(note)

    def close(self, patience: float = 0.5) -> None:
        """Write what has been taken, and close the file; a disk that hangs is waited for ``patience`` seconds."""
        self._closing.set()
        self._notes.put(None)
        self._thread.join(patience)

    def _open(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is no regular file")
        file = os.fdopen(descriptor, "ab", _BUFFER)
        file.write(self._head)
        self._size = found.st_size + len(self._head)
        return file

    def _write(self) -> None:
        ended = False
        while not ended:
            notes = [self._notes.get()]
            if notes[0] is not None:
                self._closing.wait(_GATHER)
            while len(notes) < _LINES:
                try:
                    notes.append(self._notes.get_nowait())
                except Empty:
                    break
            ended = notes[-1] is None or None in notes
            try:
                self._put([note for note in notes if note is not None])
            except OSError as error:
                self._failed(f"the trace in {self.path} ends here: {error.strerror or error}")
                return
        try:
            self._file.close()
        except OSError as error:
            self._failed(f"the trace in {self.path} ends here: {error.strerror or error}")

    def _put(self, notes: list[Note]) -> None:
        for note in notes:
            line = self._scribe.line(note)
            if self._size + len(line) > self._half:
                self._file.close()
                self.path.replace(older(self.path))
                self._file = self._open()
            self._file.write(line)
            self._size += len(line)
            self._written += _OVERHEAD + len(note.request or b"") + len(note.answer or b"")
        if (dropped := self._dropped) != self._told:
            line = _line({"dropped": dropped - self._told})
            self._told = dropped
            self._file.write(line)
            self._size += len(line)
        self._file.flush()


def _line(values: Mapping[str, object]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"
