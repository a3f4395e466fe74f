"""The tables of the embedded store, and the statements on them. Each function runs inside a caller's transaction.

``objects`` holds the last state of every object under the store-wide counter of its last write (resourceVersion), so
a watcher that asks for everything above a version gets each changed object once, however often it changed: renewals
and heartbeats cost no log. What leaves no state behind is kept in ``departures``: deletions, and changes of labels,
which end an object for watchers with a selector. Only departures are ever forgotten (:data:`KEPT_DEPARTURES`), and
``kinds`` remembers up to which version, so that a watcher which was away for longer is told to list again.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from flatbgp.resources.meta import Key

APPLICATION_ID: Final = 0x666C6267
"""Marks the file as a flatbgp store ("flbg" in ASCII), for us and for file(1)."""

FORMAT: Final = 1
"""The format of the tables, kept as ``user_version``; a newer one is refused."""

KEPT_DEPARTURES: Final = 10_000
"""Deletions and changes of labels that a watcher may have missed and still go on without listing again."""

SCHEMA: Final = (
    """
    CREATE TABLE store (
        identity TEXT NOT NULL,
        version INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE kinds (
        kind TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        forgotten INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE objects (
        kind TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        document BLOB NOT NULL,
        marks BLOB,
        PRIMARY KEY (kind, namespace, name)
    )
    """,
    "CREATE INDEX objects_by_version ON objects (kind, version)",
    """
    CREATE TABLE departures (
        number INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        version INTEGER NOT NULL,
        namespace TEXT NOT NULL,
        document BLOB NOT NULL,
        labels BLOB
    )
    """,
    "CREATE INDEX departures_by_version ON departures (kind, version)",
)

to_json: Final = msgspec.json.encode
from_json: Final = msgspec.json.decode


class Row(NamedTuple):
    """An object as it is stored."""

    version: int
    document: bytes
    marks: bytes | None


class Event(NamedTuple):
    """A change as it is stored.

    ``departed`` is false for the state of an object. For a departure ``labels`` are the labels after it as JSON, or
    ``None`` when the object is gone.
    """

    version: int
    departed: bool
    document: bytes
    labels: bytes | None


@dataclass(frozen=True, slots=True)
class Counters:
    """Identity and version of the store, and the last version of a kind that is forgotten."""

    identity: str
    version: int
    forgotten: int = 0


def create(connection: sqlite3.Connection, identity: str) -> None:
    """Make the tables of a new store."""
    for statement in SCHEMA:
        connection.execute(statement)
    connection.execute("INSERT INTO store VALUES (?, 0)", (identity,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def counters(connection: sqlite3.Connection, kind: str) -> Counters:
    """Return the counters, with that of a kind."""
    identity, version = connection.execute("SELECT identity, version FROM store").fetchone()
    row = connection.execute("SELECT forgotten FROM kinds WHERE kind = ?", (kind,)).fetchone()
    return Counters(identity, version, *(row or ()))


def identity_of(connection: sqlite3.Connection) -> str:
    """Return the store's own uuid."""
    identity: str = connection.execute("SELECT identity FROM store").fetchone()[0]
    return identity


def versions(connection: sqlite3.Connection) -> Mapping[str, int]:
    """Return the version of the last change of each kind that ever had an object."""
    return dict(connection.execute("SELECT kind, version FROM kinds"))


def next_version(connection: sqlite3.Connection, kind: str) -> int:
    """Count a write to an object of this kind."""
    connection.execute("UPDATE store SET version = version + 1")
    version: int = connection.execute("SELECT version FROM store").fetchone()[0]
    connection.execute(
        "INSERT INTO kinds (kind, version) VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET version = ?2",
        (kind, version),
    )
    return version


def read(connection: sqlite3.Connection, kind: str, key: Key) -> Row | None:
    """Return one object."""
    row = connection.execute(
        "SELECT version, document, marks FROM objects WHERE kind = ? AND namespace = ? AND name = ?", (kind, *key)
    ).fetchone()
    return Row(*row) if row else None


def read_all(connection: sqlite3.Connection, kind: str, namespace: str | None) -> list[bytes]:
    """Return the documents of a kind, sorted by namespace and name."""
    rows = connection.execute(
        "SELECT document FROM objects WHERE kind = ?1 AND (?2 IS NULL OR namespace = ?2) ORDER BY namespace, name",
        (kind, namespace),
    )
    return [document for (document,) in rows]


def write(connection: sqlite3.Connection, kind: str, key: Key, row: Row) -> None:
    """Set the state of an object."""
    connection.execute(
        "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (kind, namespace, name) DO UPDATE"
        " SET version = excluded.version, document = excluded.document, marks = excluded.marks",
        (kind, *key, *row),
    )


def set_marks(connection: sqlite3.Connection, kind: str, key: Key, marks: bytes) -> None:
    """Note what ``apply`` set of an object that is as it was."""
    connection.execute(
        "UPDATE objects SET marks = ? WHERE kind = ? AND namespace = ? AND name = ?", (marks, kind, *key)
    )


def remove(connection: sqlite3.Connection, kind: str, key: Key) -> None:
    """Remove an object; its departure is the caller's to note."""
    connection.execute("DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?", (kind, *key))


def depart(connection: sqlite3.Connection, kind: str, namespace: str, event: Event) -> None:
    """Note a departure."""
    connection.execute(
        "INSERT INTO departures (kind, namespace, version, document, labels) VALUES (?, ?, ?, ?, ?)",
        (kind, namespace, event.version, event.document, event.labels),
    )


def forget(connection: sqlite3.Connection, kept: int) -> None:
    """Forget all departures but the last ``kept``."""
    (last,) = connection.execute("SELECT MAX(number) FROM departures").fetchone()
    limit = (last or 0) - kept
    old = connection.execute("SELECT kind, version FROM departures WHERE number <= ? ORDER BY number", (limit,))
    for kind, version in dict(old.fetchall()).items():
        connection.execute("UPDATE kinds SET forgotten = ? WHERE kind = ?", (version, kind))
    connection.execute("DELETE FROM departures WHERE number <= ?", (limit,))


def events(connection: sqlite3.Connection, kind: str, namespace: str | None, since: int) -> Iterator[Event]:
    """Yield what changed after a version, in the order of the changes."""
    rows = connection.execute(
        """
        SELECT version, 0 AS departed, document, NULL FROM objects
        WHERE kind = ?1 AND version > ?3 AND (?2 IS NULL OR namespace = ?2)
        UNION ALL
        SELECT version, 1, document, labels FROM departures
        WHERE kind = ?1 AND version > ?3 AND (?2 IS NULL OR namespace = ?2)
        ORDER BY version, departed DESC
        """,
        (kind, namespace, since),
    )
    return (Event(version, bool(departed), document, labels) for version, departed, document, labels in rows)
