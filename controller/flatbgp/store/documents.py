"""What a write makes of an object: the API server's rules for the stores that have no API server. Pure.

An object is its JSON form, as in a manifest. Nothing here changes its arguments. The caller stamps ``resourceVersion``,
because only a transaction knows it.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flatbgp.resources.kind import Kind
from flatbgp.resources.mergepatch import merged
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE, completed
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import Refused

Document = Mapping[str, Any]

STATUS: Final = "status"
_MARKS: Final = ("labels", "annotations")
_OF_PERSONS: Final = (*_MARKS, "finalizers", "ownerReferences")
"""The metadata that a writer decides; the rest is the store's."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The keys of labels and annotations that the last ``apply`` set, so that those a manifest no longer has can go.

    It serves as kubectl's last-applied annotation does, without showing up in the object.
    """

    labels: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset()


def key_of(kind: Kind[Any, Any], document: Document) -> Key:
    """Return namespace and name; :class:`Refused` when they don't fit the kind's scope."""
    meta = _mapping(document.get("metadata"))
    name, namespace = meta.get("name") or "", meta.get("namespace") or ""
    if not name:
        raise Refused(f"{kind.name}: metadata.name is missing")
    if kind.namespaced and not namespace:
        raise Refused(f"{kind.name} {name}: metadata.namespace is missing")
    return Key(namespace if kind.namespaced else "", name)


def created(kind: Kind[Any, Any], document: Document, *, now: str, uid: str) -> dict[str, Any]:
    """Return a new object: what the writer decides, and the store's own metadata.

    A status is dropped, as the API server drops it of every kind with a status subresource; a Node keeps its own,
    because the kubelet registers it so.
    """
    key, given = key_of(kind, document), _mapping(document.get("metadata"))
    meta: dict[str, Any] = {"name": key.name}
    if key.namespace:
        meta["namespace"] = key.namespace
    meta |= {"uid": uid, "generation": 1, "creationTimestamp": now}
    meta |= {name: given[name] for name in _OF_PERSONS if given.get(name)}
    status = {STATUS: document[STATUS]} if kind is NODE and document.get(STATUS) else {}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **_content(kind, document), **status}


def patched(kind: Kind[Any, Any], old: Document, patch: Document, subresource: str) -> dict[str, Any]:
    """Return the object after a merge patch of its main part or of its status; equal to ``old`` if nothing changes.

    The generation counts changes of anything but metadata and status.
    """
    new = merged(old, patch)
    if subresource == STATUS:
        return _with_status(old, new.get(STATUS))
    if subresource:
        raise Refused(f"{kind.name}: there is no subresource {subresource!r}; there is status")
    new = _with_status({**new, **_content(kind, new)}, old.get(STATUS))
    new["metadata"] = _kept_meta(kind, old, _mapping(new.get("metadata")))
    new |= {"apiVersion": old["apiVersion"], "kind": old["kind"]}
    return _counted(old, new)


def applied(kind: Kind[Any, Any], old: Document, manifest: Document, marks: Marks) -> dict[str, Any]:
    """Return the object after ``apply``; equal to ``old`` if nothing changes.

    The content (spec; type and data of a Secret) is what the manifest says and nothing else. Status, finalizers, and
    labels and annotations that no manifest set stay. A Node takes the manifest's status, and its podCIDRs only while
    it has none.
    """
    before, given = _mapping(old.get("metadata")), _mapping(manifest.get("metadata"))
    meta = dict(before)
    for name, owned in (("labels", marks.labels), ("annotations", marks.annotations)):
        kept = {key: text for key, text in _mapping(before.get(name)).items() if key not in owned}
        _put(meta, name, {**kept, **_mapping(given.get(name))})
    _put(meta, "finalizers", _united(before.get("finalizers"), given.get("finalizers")))
    if given.get("ownerReferences"):
        meta["ownerReferences"] = given["ownerReferences"]
    content, status = _content(kind, manifest), old.get(STATUS)
    if kind is NODE:
        ranges = _mapping(old.get("spec")).get("podCIDRs")
        if ranges:
            content["spec"] = {**_mapping(content.get("spec")), "podCIDRs": ranges, "podCIDR": ranges[0]}
        if manifest.get(STATUS):
            status = {**_mapping(status), **manifest[STATUS]}
    new = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **content}
    return _counted(old, _with_status(new, status))


def marks_of(manifest: Document) -> Marks:
    """Return the labels and annotations that a manifest sets."""
    meta = _mapping(manifest.get("metadata"))
    return Marks(frozenset(_mapping(meta.get("labels"))), frozenset(_mapping(meta.get("annotations"))))


def finalizers_of(document: Document) -> tuple[str, ...]:
    """Return what holds an object that is to be deleted."""
    return tuple(_mapping(document.get("metadata")).get("finalizers") or ())


def is_terminating(document: Document) -> bool:
    """Say whether the object was deleted and only finalizers hold it."""
    return bool(_mapping(document.get("metadata")).get("deletionTimestamp"))


def labels_of(document: Document) -> Mapping[str, str]:
    """Return the labels."""
    return _mapping(_mapping(document.get("metadata")).get("labels"))


def matches(labels: Mapping[str, str], selector: Mapping[str, str] | None) -> bool:
    """Say whether all pairs of the selector are labels."""
    return not selector or all(labels.get(key) == text for key, text in selector.items())


def stamped(document: Document, **meta: Any) -> dict[str, Any]:
    """Return the object with some metadata set."""
    return {**document, "metadata": {**_mapping(document.get("metadata")), **meta}}


def same_content(one: Document, other: Document) -> bool:
    """Say whether two states of an object differ at most in metadata and status."""
    return _without(one, "metadata", STATUS) == _without(other, "metadata", STATUS)


def farewell(kind: Kind[Any, Any], document: Document) -> Document:
    """Return what a watcher is told of an object that is gone; of a Secret nothing of its data is kept for that."""
    return _without(document, "data", "stringData") if kind is SECRET else document


def _content(kind: Kind[Any, Any], document: Document) -> dict[str, Any]:
    content = _without(document, "apiVersion", "kind", "metadata", STATUS)
    if kind is NODE:
        content = _without(completed(content))
    if kind is SECRET and "stringData" in content:
        plain = _mapping(content.pop("stringData"))
        encoded = {name: base64.b64encode(str(text).encode()).decode() for name, text in plain.items()}
        content["data"] = {**_mapping(content.get("data")), **encoded}
    return content


def _kept_meta(kind: Kind[Any, Any], old: Document, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata after a patch: the writer's part of it as given, the store's part as it was."""
    before = _mapping(old.get("metadata"))
    if given.get("uid", before.get("uid")) != before.get("uid"):
        raise Refused(f"{kind.name} {before.get('name')}: metadata.uid never changes; another object has another uid")
    added = set(given.get("finalizers") or ()) - set(before.get("finalizers") or ())
    if added and before.get("deletionTimestamp"):
        raise Refused(f"{kind.name} {before.get('name')} is being deleted: no finalizer can be added any more")
    meta = {name: value for name, value in before.items() if name not in _OF_PERSONS}
    for name in _OF_PERSONS:
        _put(meta, name, given.get(name))
    return meta


def _counted(old: Document, new: dict[str, Any]) -> dict[str, Any]:
    if same_content(old, new):
        return new
    return stamped(new, generation=_mapping(old.get("metadata")).get("generation", 0) + 1)


def _with_status(document: Document, status: Any) -> dict[str, Any]:
    result = _without(document, STATUS)
    if status:
        result[STATUS] = status
    return result


def _united(*lists: Iterable[str] | None) -> list[str]:
    return list(dict.fromkeys(name for names in lists for name in names or ()))


def _put(meta: dict[str, Any], name: str, value: Any) -> None:
    """Set a field, or leave it out when it is empty."""
    if value:
        meta[name] = value
    else:
        meta.pop(name, None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _without(document: Document, *names: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in names}
