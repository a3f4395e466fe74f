"""One connection to the store's file: opened when needed, and checked before each use that the file is still that one.

Everything here blocks and belongs to the one thread that uses the connection.

Durability: WAL with ``synchronous = NORMAL``. A process that is killed loses nothing that was committed, and the file
is never damaged; a machine that loses power may lose the last commits (those since the last checkpoint), which the
roles make again from what they see. ``FULL`` would cost an fsync for each renewal of a Lease.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar
from uuid import uuid4

from flatbgp.store.protocol import Unreachable, WrongStore
from flatbgp.store.sqlite import errors, file, tables
from flatbgp.store.sqlite.worker import Deadline

R = TypeVar("R")
Statements = Callable[[sqlite3.Connection], R]

CHECKPOINT_PAGES: Final = 1000
"""After so many pages (4 MB) a commit moves the -wal file's content into the store's file."""

WAL_BYTES: Final = 8 << 20
"""What is left of a -wal file that had to grow beyond it, for example while a reader held an old state."""

_PROGRESS_STEPS: Final = 50_000
"""Steps of SQLite's machine between two looks at the deadline: about a millisecond."""

_FIRST_PAUSE: Final = 0.001
_LAST_PAUSE: Final = 0.02
"""Seconds between two tries to get a lock: a write takes about a millisecond, a large ``apply`` a second."""


class Learned:
    """Which store the first answer came from, shared by the connections of one client: the file, and its own uuid.

    Only that file is ever used. One that is put in its place may have the -wal file of the first beside it, whose pages
    SQLite would take for its own; and going on with a copy would mean using versions twice.
    """

    def __init__(self) -> None:
        self.identity = ""
        self._inode: file.Inode | None = None
        self._lock = threading.Lock()

    def check_file(self, path: Path, found: file.Inode | None) -> None:
        """Raise :class:`WrongStore` if a file was learned and is not the one that was found."""
        with self._lock:
            if self._inode is None or found == self._inode:
                return
        what = "was deleted or emptied" if found is None else "was replaced by another file"
        raise WrongStore(
            f"sqlite:{path} {what} while it was in use (identity {self.identity}); put it back, or restart this"
            " process to accept what is there now"
        )

    def learn(self, path: Path, inode: file.Inode | None, identity: str) -> None:
        """Remember the store, or raise :class:`WrongStore` if another one is known."""
        with self._lock:
            if not self.identity:
                self.identity, self._inode = identity, inode
            elif identity != self.identity:
                raise WrongStore(
                    f"sqlite:{path} is not the store that was opened: its identity was {self.identity} and is"
                    f" {identity}; restart this process to accept it"
                )


class Database:
    """A connection to the file at ``path``, or to a private database in memory when ``path`` is ``None``."""

    def __init__(self, path: Path | None, learned: Learned) -> None:
        self._path = path or Path(":memory:")
        self._in_memory = path is None
        self._learned = learned
        self._connection: sqlite3.Connection | None = None
        self._inode: file.Inode | None = None
        self._deadline: Deadline | None = None

    def read(self, statements: Statements[R], deadline: Deadline) -> R:
        """Run statements on one state of the store; a store that does not exist yet is an empty one."""
        return self._run(statements, deadline, writing=False)

    def write(self, statements: Statements[R], deadline: Deadline) -> R:
        """Run statements in a transaction that no other writer interleaves; the store is made if it does not exist."""
        return self._run(statements, deadline, writing=True)

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection, self._inode = self._connection, None, None
        if connection is not None:
            # SQLite deletes -wal and -shm with the last connection, unless the file is no longer at its path.
            connection.close()

    def _run(self, statements: Statements[R], deadline: Deadline, *, writing: bool) -> R:
        self._deadline = deadline
        try:
            connection = self._begun(deadline, writing=writing)
            if connection is None:
                with contextlib.closing(_empty()) as connection:
                    return statements(connection)
            return self._finished(connection, statements, deadline, writing=writing)
        except sqlite3.Error as error:
            raise errors.translated(error, self._path, deadline.seconds) from error

    def _begun(self, deadline: Deadline, *, writing: bool) -> sqlite3.Connection | None:
        """Begin a transaction on the store that is there now, waiting for another process' lock if need be.

        SQLite could wait by itself (``busy_timeout``), but then nobody could give it up: a compare-and-swap that its
        caller no longer waits for must not be written seconds later.
        """
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = self._current(writing=writing)
                if connection is not None:
                    connection.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
                    self._learned.learn(self._path, self._inode, tables.identity_of(connection))
            except sqlite3.OperationalError as error:
                self._roll_back()
                if not errors.is_lock(error) or deadline.passed:
                    raise
            except WrongStore:
                self._roll_back()
                raise
            else:
                return connection
            time.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    def _finished(
        self, connection: sqlite3.Connection, statements: Statements[R], deadline: Deadline, *, writing: bool
    ) -> R:
        before = connection.total_changes
        try:
            result = statements(connection)
            if writing and deadline.passed:
                raise Unreachable(f"sqlite:{self._path} took more than {deadline.seconds:.1f} s; nothing is written")
            connection.execute("COMMIT")
        finally:
            self._roll_back()  # nothing is left to roll back after a commit
        if connection.total_changes != before and not self._in_memory:
            # Not confirmed when the file was taken away meanwhile: what is in it then is lost.
            self._learned.check_file(self._path, file.present(self._path, writing=True))
            file.ring(self._path)
        return result

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _current(self, *, writing: bool) -> sqlite3.Connection | None:
        """Return the connection, if its file is still at the path; ``None`` if nothing is there and nothing was yet."""
        if self._in_memory:
            if self._connection is None:
                self._connection = _empty(str(uuid4()))
            return self._connection
        inode = file.present(self._path, writing=writing)
        self._learned.check_file(self._path, inode)
        if inode is None and writing:
            file.make(self._path, str(uuid4()))
            inode = file.present(self._path, writing=True)
        if inode is None:
            if writing:
                raise Unreachable(f"sqlite:{self._path} was deleted as soon as it was made")
            return None
        if inode != self._inode:  # opened before, but nothing was learned from it
            self.close()
        if self._connection is None:
            file.require_local(self._path)
            self._connection = self._open()
            self._inode = inode
            if file.present(self._path, writing=writing) != inode:
                self.close()
                raise Unreachable(f"sqlite:{self._path} was replaced while it was opened; try again")
        return self._connection

    def _open(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0)
        try:
            connection.set_progress_handler(self._is_late, _PROGRESS_STEPS)
            self._require_store(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_store(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (form,) = connection.execute("PRAGMA user_version").fetchone()
        if application != tables.APPLICATION_ID:
            raise WrongStore(f"sqlite:{self._path} is no flatbgp store but another database; name another file")
        if form > tables.FORMAT:
            raise WrongStore(
                f"sqlite:{self._path} has format {form}, made by a newer flatbgp; this one knows format"
                f" {tables.FORMAT}: upgrade it, or name another file"
            )

    def _is_late(self) -> bool:
        return self._deadline is not None and self._deadline.passed


def _empty(identity: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    tables.create(connection, identity)
    return connection
