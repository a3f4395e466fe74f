"""The store's file: how it comes to be, who may use it, and whether it is still the one that was opened.

A store appears at once and whole: it is made under another name and then renamed, so that no process ever meets half a
store, and of two that make one at the same time the second finds the first's.

SQLite's locks are POSIX locks, which a process loses on a file as soon as it closes *any* descriptor of it. So nothing
here opens the store's file while a connection may be open: all is learned by ``stat``.
"""

import contextlib
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from flatbgp.store.protocol import Unreachable, WrongStore
from flatbgp.store.sqlite import tables

MODE: Final = 0o660
"""For the file and, as SQLite copies it, for -wal and -shm: several users of one group can share a store."""

SIDECARS: Final = ("-wal", "-shm")

_LOCK_SECONDS: Final = 2.0
"""Making a store takes some milliseconds; who holds the lock for longer is stopped or no flatbgp."""

_NETWORK_FILESYSTEMS: Final = frozenset(
    {
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "nfs",
        "nfs4",
    }
    | {"ocfs2", "smb3", "smbfs"}
)


class Inode(NamedTuple):
    """What tells a file from another of the same path."""

    device: int
    number: int


def present(path: Path, *, writing: bool) -> Inode | None:
    """Return which file is at the path, or ``None``; raise :class:`Unreachable` when it is closed to us.

    An empty file is none: it is what ``mktemp`` leaves for a store to be made in. The permission bits count for root
    too: a store with mode 000 was taken out of service by somebody.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreachable(f"sqlite:{path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise WrongStore(f"sqlite:{path} is no file; name a file, which is created when it does not exist yet")
    if not found.st_size:
        return None
    mode = stat.S_IMODE(found.st_mode)
    wanted = 0o222 if writing else 0o444
    if not mode & wanted:
        verb = "write" if writing else "read"
        raise Unreachable(f"sqlite:{path}: its mode {mode:04o} lets nobody {verb}; chmod 660 opens it again")
    return Inode(found.st_dev, found.st_ino)


def make(path: Path, identity: str) -> None:
    """Make an empty store at the path, unless another process does at this moment."""
    require_local(path)
    with _locked_directory(path) as directory:
        if path.exists() and path.stat().st_size:
            return
        # A store that was deleted while a process had it open leaves these: they must not get under the new one.
        for suffix in SIDECARS:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        # One name for all: the lock keeps other makers away, and a killed one leaves nothing that stays.
        draft = path.with_name(f".{path.name}.new")
        try:
            _write(draft, identity)
            draft.rename(path)
        finally:
            for leftover in (draft, *(Path(f"{draft}{suffix}") for suffix in SIDECARS)):
                leftover.unlink(missing_ok=True)
        os.fsync(directory)


def _write(draft: Path, identity: str) -> None:
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, MODE)  # whatever the umask: the group may, others may not
    finally:
        os.close(descriptor)
    with contextlib.closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        tables.create(connection, identity)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


@contextlib.contextmanager
def _locked_directory(path: Path) -> Iterator[int]:
    """Hold the directory's lock, so that one process at a time makes a store there; it goes with the process."""
    try:
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Unreachable(f"sqlite:{path}: there is no directory {path.parent}; create it first") from error
    except OSError as error:
        raise Unreachable(f"sqlite:{path}: {path.parent}: {error.strerror}") from error
    try:
        _lock(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > end:
                raise Unreachable(
                    f"sqlite:{path}: another process holds a lock on {path.parent} for more than {_LOCK_SECONDS:.0f} s"
                ) from error
            time.sleep(0.01)
        else:
            return


def require_local(path: Path) -> None:
    """Raise :class:`Unreachable` for a path on a network filesystem."""
    kind = filesystem_of(path.parent)
    if kind in _NETWORK_FILESYSTEMS:
        raise Unreachable(
            f"sqlite:{path} lies on a network filesystem ({kind}); its processes share memory and locks, which need a"
            " local disk: choose a path on one"
        )


def filesystem_of(directory: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the filesystem that a directory is on, or "" if it cannot be told.

    The last mount of the longest matching mount point counts (proc(5), mountinfo).
    """
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
        wanted = directory.resolve()
    except OSError:
        return ""
    best, found = -1, ""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = Path(fields.split()[4].encode().decode("unicode_escape"))
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), rest.split()[0]
    return found


def ring(path: Path) -> None:
    """Tell watchers in other processes of a commit: a touch, which they see as a change of attributes.

    A write to the -wal file would come too early: SQLite publishes a commit by shared memory, after the last write.
    """
    with contextlib.suppress(OSError):  # the store may be gone by now; whoever looks at it next will say so
        os.utime(path)
