"""What writers do inside one transaction: find, change by :mod:`flatbgp.store.documents`, check, store."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flatbgp.resources.faults import Fault
from flatbgp.resources.kind import Kind
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.parsing import format_time
from flatbgp.store import documents, rules
from flatbgp.store.documents import Document, Marks
from flatbgp.store.protocol import AlreadyExists, Applied, Conflict, NotFound, Verb
from flatbgp.store.sqlite import tables
from flatbgp.store.sqlite.tables import Event, Row, from_json, to_json

AnyKind = Kind[Any, Any]


@dataclass(frozen=True, slots=True)
class Editor:
    """The writes of one transaction."""

    connection: sqlite3.Connection
    now: datetime
    new_uid: Callable[[], str]

    def create(self, kind: AnyKind, document: Document) -> bytes:
        """Create an object; return it as stored."""
        key = documents.key_of(kind, document)
        if tables.read(self.connection, kind.full_name, key):
            raise AlreadyExists(f"{_named(kind, key)} exists already")
        new = documents.created(kind, document, now=self._moment(), uid=self.new_uid())
        rules.refuse(rules.faults_of_new(new))
        return self._store(kind, key, None, new, None)

    def patch(self, kind: AnyKind, key: Key, patch: Document, version: str | None, subresource: str) -> bytes:
        """Change an object by a merge patch; return it as stored."""
        row = self._found(kind, key, version)
        old = from_json(row.document)
        new = documents.patched(kind, old, patch, subresource)
        if new == old:
            return row.document
        rules.refuse(rules.faults_of_change(kind, key, old, new))
        if documents.is_terminating(new) and not documents.finalizers_of(new):
            return self._remove(kind, key, new)
        return self._store(kind, key, old, new, row.marks)

    def delete(self, kind: AnyKind, key: Key, version: str | None) -> bool:
        """Delete an object; ``False`` while finalizers hold it."""
        old = from_json(self._found(kind, key, version).document)
        if not documents.finalizers_of(old):
            self._remove(kind, key, old)
            return True
        if not documents.is_terminating(old):
            row = self._found(kind, key, None)
            self._store(kind, key, old, documents.stamped(old, deletionTimestamp=self._moment()), row.marks)
        return False

    def apply(self, manifests: Sequence[Manifest]) -> Sequence[Applied]:
        """Create or update what the manifests say; refuse all of them with every fault found."""
        faults: list[Fault] = []
        outcomes = [Applied(manifest, self._apply(manifest, faults)) for manifest in manifests]
        rules.refuse(faults)
        return outcomes

    def preview(self, manifests: Sequence[Manifest]) -> Sequence[Document]:
        """Return the objects as :meth:`apply` would leave them, without writing."""
        return [self._outcome(manifest)[2] for manifest in manifests]

    def _outcome(self, manifest: Manifest) -> tuple[Row | None, Document | None, Document]:
        """Return the row that a manifest changes, the object in it, and the object afterwards."""
        row = tables.read(self.connection, manifest.kind.full_name, manifest.key)
        if row is None:
            new = documents.created(manifest.kind, manifest.document, now=self._moment(), uid=self.new_uid())
            return None, None, new
        old = from_json(row.document)
        if documents.is_terminating(old):
            return row, old, old
        return row, old, documents.applied(manifest.kind, old, manifest.document, _marks(row.marks))

    def _apply(self, manifest: Manifest, faults: list[Fault]) -> Verb:
        kind, key = manifest.kind, manifest.key
        marks = documents.marks_of(manifest.document)
        encoded = to_json({"labels": sorted(marks.labels), "annotations": sorted(marks.annotations)})
        row, old, new = self._outcome(manifest)
        if row is None or old is None:
            self._store(kind, key, None, new, encoded)
            return Verb.CREATED
        if documents.is_terminating(old):
            faults.append(rules.placed(rules.held_fault(kind, key, old), manifest))
            return Verb.UNCHANGED
        if new == old:
            if encoded != row.marks:
                tables.set_marks(self.connection, kind.full_name, key, encoded)
            return Verb.UNCHANGED
        faults.extend(rules.placed(fault, manifest) for fault in rules.faults_of_change(kind, key, old, new))
        self._store(kind, key, old, new, encoded)
        return Verb.CONFIGURED

    def _found(self, kind: AnyKind, key: Key, version: str | None) -> Row:
        row = tables.read(self.connection, kind.full_name, key)
        if row is None:
            raise NotFound(f"{_named(kind, key)} not found")
        if version is not None and version != str(row.version):
            raise Conflict(
                f"{_named(kind, key)} was changed by somebody else: it is at version {row.version}, not {version}"
            )
        return row

    def _store(self, kind: AnyKind, key: Key, old: Document | None, new: Document, marks: bytes | None) -> bytes:
        version = tables.next_version(self.connection, kind.full_name)
        document = to_json(documents.stamped(new, resourceVersion=str(version)))
        if old is not None and documents.labels_of(old) != documents.labels_of(new):
            self._depart(kind, key, version, old, documents.labels_of(new))
        tables.write(self.connection, kind.full_name, key, Row(version, document, marks))
        return document

    def _remove(self, kind: AnyKind, key: Key, last: Document) -> bytes:
        version = tables.next_version(self.connection, kind.full_name)
        tables.remove(self.connection, kind.full_name, key)
        return self._depart(kind, key, version, last, None)

    def _depart(self, kind: AnyKind, key: Key, version: int, last: Document, labels: Mapping[str, str] | None) -> bytes:
        document = to_json(documents.stamped(documents.farewell(kind, last), resourceVersion=str(version)))
        event = Event(version, True, document, None if labels is None else to_json(labels))
        tables.depart(self.connection, kind.full_name, key.namespace, event)
        return document

    def _moment(self) -> str:
        return format_time(self.now.replace(microsecond=0))


def _marks(stored: bytes | None) -> Marks:
    if stored is None:
        return Marks()
    names = from_json(stored)
    return Marks(frozenset(names["labels"]), frozenset(names["annotations"]))


def _named(kind: AnyKind, key: Key) -> str:
    return f"{kind.name} {key}"
