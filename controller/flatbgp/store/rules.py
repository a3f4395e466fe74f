"""The rules of the kinds: held by a store that has no API server to hold them, told in our words by one that has."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flatbgp.resources.changes import changes
from flatbgp.resources.codec import decode
from flatbgp.resources.documents import Document as Written
from flatbgp.resources.faults import Fault, errors
from flatbgp.resources.kind import Kind
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.validate import check_document
from flatbgp.store import documents
from flatbgp.store.documents import Document
from flatbgp.store.protocol import Refused


def faults_of_new(document: Document) -> tuple[Fault, ...]:
    """Return what is wrong with an object that is to be created."""
    _, faults = check_document(Written(dict(document), source="", index=0))
    return errors(faults)


def faults_of_change(kind: Kind[Any, Any], key: Key, old: Document, new: Document) -> tuple[Fault, ...]:
    """Return what is wrong with a change: fixed fields that differ, values that break a rule.

    An object that broke a rule before (an older version wrote it) can still get other metadata and another status.
    """
    if documents.same_content(old, new):
        return ()
    after = decode(kind, new)
    faults = after.faults or changes(decode(kind, old), after)
    subject = f"{kind.name} {key}"
    return tuple(replace(fault, subject=subject) for fault in faults)


def held_fault(kind: Kind[Any, Any], key: Key, old: Document) -> Fault:
    """Return the fault of a change to an object that is being deleted."""
    held = ", ".join(documents.finalizers_of(old))
    problem = f"is being deleted, and held by {held}; apply it again when it is gone"
    return Fault(problem, subject=f"{kind.name} {key}")


def placed(fault: Fault, manifest: Manifest) -> Fault:
    """Return the fault with where its manifest came from."""
    return replace(fault, source=manifest.source, document=manifest.index)


def refuse(faults: Iterable[Fault]) -> None:
    """Raise :class:`Refused` if there are any faults."""
    found = tuple(faults)
    if found:
        raise Refused("\n".join(str(fault) for fault in found), found)
