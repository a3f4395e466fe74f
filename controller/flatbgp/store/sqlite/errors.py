"""From SQLite's errors to ours: what failed, why, and what to do."""

import contextlib
import os
import sqlite3
from pathlib import Path

from flatbgp.store.protocol import StoreError, Unreachable, WrongStore
from flatbgp.store.sqlite.file import SIDECARS

_RESULT = 0xFF
"""The part of an extended result code that is the code itself."""


def translated(error: sqlite3.Error, path: Path, waited: float) -> StoreError:
    """Return what to raise for an error of SQLite; ``waited`` is how long a lock was waited for, in seconds."""
    name, where = f"sqlite:{path}", path.parent
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _RESULT
    match code:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            holder = lock_holder(path)
            by = f" by {holder}" if holder else ""
            return Unreachable(f"{name} is locked{by} for more than {waited:.1f} s; end what holds it")
        case sqlite3.SQLITE_INTERRUPT:
            return Unreachable(f"{name} did not answer within {waited:.1f} s")
        case sqlite3.SQLITE_FULL:
            return Unreachable(f"{name}: the disk of {where} is full; nothing was written: free some space there")
        case sqlite3.SQLITE_NOTADB:
            return WrongStore(f"{name} is no flatbgp store but something else; name another file")
        case sqlite3.SQLITE_CORRUPT:
            return WrongStore(f"{name} is damaged ({error}); restore a copy, or move it away to begin anew")
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH | sqlite3.SQLITE_READONLY:
            return Unreachable(
                f"{name} cannot be written by user {os.geteuid()}, or its -wal and -shm beside it cannot; all users of"
                f" a store must be of the group of its file and be allowed to write to {where}"
            )
        case sqlite3.SQLITE_IOERR if _is_full(where):
            return Unreachable(f"{name}: the disk of {where} is full; nothing was written: free some space there")
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_PROTOCOL:
            kind = getattr(error, "sqlite_errorname", "SQLITE_IOERR")
            return Unreachable(f"{name}: the disk of {where} failed ({kind}); see the kernel's messages (dmesg)")
        case _:
            return StoreError(f"{name}: {error}")


def is_lock(error: sqlite3.Error) -> bool:
    """Say whether another process' lock is in the way, so that trying again may help."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _RESULT
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def lock_holder(path: Path) -> str:
    """Return which other process holds a write lock on the store, as "process 123 (name)"; "" if nobody can be seen.

    Processes of another PID namespace show as 0 or -1 in /proc/locks and are not named.
    """
    inodes = set()
    for suffix in ("", *SIDECARS):
        with contextlib.suppress(OSError):
            inodes.add(os.stat(f"{path}{suffix}").st_ino)
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        # "1: POSIX  ADVISORY  WRITE 4711 fe:00:1234 120 120"
        fields = line.split()
        if len(fields) < 6 or fields[1] == "->" or fields[3] != "WRITE":
            continue
        process, inode = int(fields[4]), int(fields[5].rpartition(":")[2])
        if inode in inodes and process > 0 and process != os.getpid():
            with contextlib.suppress(OSError):
                name = Path(f"/proc/{process}/comm").read_text().strip()
                return f"process {process} ({name})"
    return ""


def _is_full(directory: Path) -> bool:
    try:
        free = os.statvfs(directory)
    except OSError:
        return False
    return free.f_bavail == 0 or (free.f_files > 0 and free.f_favail == 0)
