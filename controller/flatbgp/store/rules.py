"""The rules of a kind, held by a store that has no API server to hold them."""

from typing import Any

from flatbgp.resources.codec import decode
from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Key
from flatbgp.store import documents
from flatbgp.store.documents import Document
from flatbgp.store.protocol import Refused


def require_whole(kind: Kind[Any, Any], key: Key, new: Document) -> None:
    """Raise :class:`Refused` with every fault of a new object."""
    faults = decode(kind, new).faults
    if faults:
        raise Refused(f"{kind.name} {key}: " + "; ".join(str(fault) for fault in faults))


def require_change(kind: Kind[Any, Any], key: Key, old: Document, new: Document) -> None:
    """Raise :class:`Refused` when a change breaks a rule.

    An object that broke a rule before (an older version wrote it) can still get other metadata and another status.
    """
    if not documents.same_content(old, new):
        require_whole(kind, key, new)
