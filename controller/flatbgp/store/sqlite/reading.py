"""From rows to resources and changes."""

from collections.abc import Mapping
from dataclasses import replace

from flatbgp.resources.codec import decode
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.resource import Resource
from flatbgp.store import documents
from flatbgp.store.protocol import Change, ChangeType, Expired
from flatbgp.store.sqlite.tables import Event, from_json
from flatbgp.store.stored import StoredDocument


def resource(kind: Kind[S, T], raw: bytes) -> Resource[S, T]:
    """Return the object that a row holds."""
    return replace(decode(kind, from_json(raw)), document=StoredDocument(raw))


def change(kind: Kind[S, T], event: Event, selector: Mapping[str, str] | None) -> Change[S, T] | None:
    """Return what an event is for a watcher with this selector; ``None`` if it does not concern it."""
    found = resource(kind, event.document)
    matched = documents.matches(found.meta.labels, selector)
    if not event.departed:
        return Change(ChangeType.PUT, str(event.version), found) if matched else None
    # Other labels end the object only for whom it had matched and does not match any more.
    stays = event.labels is not None and documents.matches(from_json(event.labels), selector)
    return Change(ChangeType.DELETED, str(event.version), found) if matched and not stays else None


def version_of(text: str) -> int:
    """Return the number that a resource version is here; :class:`Expired` for that of another store."""
    if not text.isascii() or not text.isdigit():
        raise Expired(f"{text[:40]!r} is no version of this store; list again")
    return int(text)
