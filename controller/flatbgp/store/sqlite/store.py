"""The Store protocol on the embedded store's file."""

import sqlite3
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from flatbgp.resources.codec import decode
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.store import documents
from flatbgp.store.protocol import Applied, Change, ChangeType, Expired, Listing
from flatbgp.store.quiet import bulk_load
from flatbgp.store.sqlite import reading, tables
from flatbgp.store.sqlite.database import Database, Learned, Statements
from flatbgp.store.sqlite.doorbell import Doorbell
from flatbgp.store.sqlite.worker import Deadline, InlineWorker, ThreadWorker, Worker

if TYPE_CHECKING:
    from flatbgp.store.sqlite.writing import Editor

R = TypeVar("R")
U = TypeVar("U")

CALL_SECONDS: Final = 5.0
"""The deadline of a call; a caller in a hurry puts ``asyncio.timeout`` around it."""

APPLY_SECONDS_EACH: Final = 0.02
"""What ``apply`` gets on top for each object: ten times what one takes."""

_LOAD_SECONDS: Final = 60.0
"""For loading the code that only writers need: 50 ms, unless the machine is starved."""

_CHUNK: Final = 250
"""Objects that are decoded in one go, so that another call of the same thread waits 20 ms at most."""

_AT_ONCE: Final = 8
"""Objects that are decoded where they are wanted: going to the thread and back takes as long."""

_BOOKMARK_EVERY: Final = 1000
"""Changes that a watch may leave out before it says at which version it is."""


class SqliteStore:
    """Objects in one file (``path``), or in this process' memory only (``path`` ``None``).

    Reads and writes have a thread and a connection each, so that a read never waits for a lock. ``kept`` is how many
    deletions are remembered for watchers that were away.
    """

    def __init__(self, path: Path | None, *, kept: int = tables.KEPT_DEPARTURES) -> None:
        self._kept = kept
        self._loaded = False
        learned = Learned()
        self._reader = Database(path, learned)
        self._writer = Database(path, learned) if path else self._reader
        self._reads: Worker = ThreadWorker(f"sqlite:{path} (reading)") if path else InlineWorker()
        self._writes: Worker = ThreadWorker(f"sqlite:{path} (writing)") if path else self._reads
        self._bell = Doorbell(path, lambda: self._read(tables.versions))

    async def identity(self) -> str:
        """Return the uuid that was drawn when the store was made; makes it if it does not exist yet."""
        return await self._read(tables.identity_of) or await self._write(tables.identity_of)

    async def get(self, kind: Kind[S, T], name: str, namespace: str = "") -> Resource[S, T] | None:
        """Return one object, or ``None``."""
        key = Key(namespace if kind.namespaced else "", name)
        row = await self._read(lambda connection: tables.read(connection, kind.full_name, key))
        return reading.resource(kind, row.document) if row else None

    async def list(
        self, kind: Kind[S, T], namespace: str | None = None, selector: Mapping[str, str] | None = None
    ) -> Listing[S, T]:
        """Return the objects of a kind at one moment."""

        def statements(connection: sqlite3.Connection) -> tuple[int, Sequence[bytes]]:
            at = tables.counters(connection, kind.full_name)
            return at.version, tables.read_all(connection, kind.full_name, kind.scope(namespace))

        version, rows = await self._read(statements)
        items = await self._in_chunks(rows, lambda row: reading.resource(kind, row))
        kept = (item for item in items if documents.matches(item.meta.labels, selector))
        return Listing(tuple(kept), str(version))

    async def watch(
        self,
        kind: Kind[S, T],
        since: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Sequence[Change[S, T]], None]:
        """Yield what changed after ``since``, as soon as it does."""
        scope, cursor = kind.scope(namespace), reading.version_of(since)
        told = -1

        def statements(connection: sqlite3.Connection) -> tuple[tables.Counters, Sequence[tables.Event]]:
            at = tables.counters(connection, kind.full_name)
            return at, list(tables.events(connection, kind.full_name, scope, cursor))

        with self._bell.listening(kind.full_name) as changed:
            while True:
                changed.clear()
                at, events = await self._read(statements)
                if not at.forgotten <= cursor <= at.version:
                    raise Expired(f"{kind.full_name}: version {cursor} is not remembered any more; list again")
                found = await self._in_chunks(events, lambda event: reading.change(kind, event, selector))
                cursor = at.version
                if changes := [change for change in found if change]:
                    told = cursor
                    yield changes
                elif told < 0:
                    told = cursor
                    yield []
                elif cursor - told > _BOOKMARK_EVERY:
                    told = cursor
                    yield [Change(ChangeType.BOOKMARK, str(cursor), None)]
                await changed.wait()

    async def apply(self, manifests: Sequence[Manifest]) -> Sequence[Applied]:
        """Create or update all objects in one transaction."""
        seconds = CALL_SECONDS + APPLY_SECONDS_EACH * len(manifests)
        return await self._edit(lambda editor: editor.apply(manifests), seconds)

    async def preview(self, manifests: Sequence[Manifest]) -> Sequence[Resource[Any, Any]]:
        """Return the objects as ``apply`` would leave them; not even a missing file is made."""
        found = await self._read(lambda connection: _editor(connection).preview(manifests))
        return [decode(manifest.kind, document) for manifest, document in zip(manifests, found, strict=True)]

    async def create(self, kind: Kind[S, T], document: Mapping[str, Any]) -> Resource[S, T]:
        """Create one object."""
        made = await self._edit(lambda editor: editor.create(kind, document))
        return reading.resource(kind, made)

    async def patch(
        self,
        kind: Kind[S, T],
        name: str,
        namespace: str,
        patch: Mapping[str, Any],
        *,
        version: str | None = None,
        subresource: str = "",
    ) -> Resource[S, T]:
        """Change one object by a merge patch."""
        key = Key(namespace if kind.namespaced else "", name)
        document = await self._edit(lambda editor: editor.patch(kind, key, patch, version, subresource))
        return reading.resource(kind, document)

    async def delete(self, kind: Kind[S, T], name: str, namespace: str = "", *, version: str | None = None) -> bool:
        """Delete one object, or mark it as terminating while finalizers hold it."""
        key = Key(namespace if kind.namespaced else "", name)
        return await self._edit(lambda editor: editor.delete(kind, key, version))

    async def close(self) -> None:
        """Close the connections; their threads end with what they are doing."""
        self._bell.close()
        await self._reads.close(self._reader.close)
        if self._writer is not self._reader:
            await self._writes.close(self._writer.close)

    async def _in_chunks(self, rows: Sequence[R], function: Callable[[R], U]) -> Sequence[U]:
        if len(rows) <= _AT_ONCE:
            return [function(row) for row in rows]
        results: list[U] = []
        with bulk_load(len(rows)):
            for start in range(0, len(rows), _CHUNK):
                chunk = rows[start : start + _CHUNK]
                results += await self._reads.run(partial(_each, function, chunk), CALL_SECONDS)
        return results

    async def _edit(self, edit: Callable[["Editor"], R], seconds: float = CALL_SECONDS) -> R:
        def statements(connection: sqlite3.Connection) -> R:
            result = edit(_editor(connection))
            tables.forget(connection, self._kept)
            return result

        return await self._write(statements, seconds)

    async def _read(self, statements: Statements[R]) -> R:
        return await self._reads.run(partial(self._reader.read, statements), CALL_SECONDS)

    async def _write(self, statements: Statements[R], seconds: float = CALL_SECONDS) -> R:
        if not self._loaded:  # before the lock is taken, and not at the expense of the write's own time
            await self._writes.run(lambda _: _editor_class(), _LOAD_SECONDS)
            self._loaded = True
        result = await self._writes.run(partial(self._writer.write, statements), seconds)
        self._bell.ring()
        return result


def _editor_class() -> "type[Editor]":
    # Loaded with the first write, and by its thread: commands that only read start in half the time without.
    from flatbgp.store.sqlite.writing import Editor  # noqa: PLC0415 - as above

    return Editor


def _editor(connection: sqlite3.Connection) -> "Editor":
    return _editor_class()(connection, now=datetime.now(UTC), new_uid=lambda: str(uuid4()))


def _each(function: Callable[[R], U], rows: Sequence[R], _: Deadline) -> list[U]:
    return [function(row) for row in rows]
