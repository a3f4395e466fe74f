"""Manifests as people write them, checked by every rule that concerns one object alone.

Rules between objects are in :mod:`flatbgp.resources.crosscheck`. Both find all faults at once.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from flatbgp.resources import kinds
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.codec import read_spec
from flatbgp.resources.documents import Document, normalised, read_documents
from flatbgp.resources.faults import Fault, Severity, errors, shown
from flatbgp.resources.kind import Kind
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.metadata import check_metadata
from flatbgp.resources.nearmiss import cluster_near_misses
from flatbgp.resources.node import NODE, completed, node_faults
from flatbgp.resources.reading import Faults, Unknown, nearest, prefix, unknown_field, unknown_fields
from flatbgp.resources.schema import shape_of
from flatbgp.resources.secret import SECRET, secret_warnings

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a set of files holds: the manifests without errors of their own, and all faults, in order of the files."""

    manifests: tuple[Manifest, ...]
    faults: tuple[Fault, ...]


def check_files(files: Iterable[tuple[str, bytes]]) -> Checked:
    """Return the manifests of files, each given by its name and content, and every fault of each.

    Two manifests for one object are a fault: which of them would hold depended on their order.
    """
    manifests: list[Manifest] = []
    faults: Faults = []
    first: dict[tuple[Kind[Any, Any], Key], Manifest] = {}
    for source, content in files:
        documents, found = read_documents(content, source)
        faults.extend(found)
        for document in documents:
            manifest, found = check_document(document)
            faults.extend(found)
            if manifest is None:
                continue
            manifests.append(manifest)
            other = first.setdefault((manifest.kind, manifest.key), manifest)
            if other is not manifest:
                faults.append(_repeated(document, manifest, other))
    return Checked(tuple(manifests), tuple(faults))


def _repeated(document: Document, manifest: Manifest, first: Manifest) -> Fault:
    place = f"document {first.index}" + (f" of {first.source}" if first.source != manifest.source else "")
    fault = Fault(f"is there twice: first in {place}; remove one")
    return _placed(fault, document, f"{manifest.kind.name} {manifest.key}")


def check_document(document: Document) -> tuple[Manifest | None, tuple[Fault, ...]]:
    """Return the manifest of one document (``None`` if it has errors) and its faults."""
    value = document.value
    kind, faults = _kind_of(value)
    if kind is None:
        return None, tuple(_placed(fault, document, _subject(value)) for fault in faults)
    key = check_metadata(kind, value, faults)
    if kind.strict:
        faults.extend(unknown_field(name, list(_TOP)) for name in value if name not in _TOP)
        faults.extend(_status_faults(kind, value.get("status")))
    read_spec(kind, value, faults, Unknown.REFUSE if kind.strict else Unknown.IGNORE)
    faults.extend(_of_the_kind(kind, value))
    if kind is SECRET:
        faults = [_without_value(fault) for fault in faults]
    placed = tuple(_placed(fault, document, _subject(value)) for fault in faults)
    if key is None or errors(faults):
        return None, placed
    content = normalised(value)
    if kind is NODE:
        content = completed(content)
    return Manifest(kind, key, content, document.source, document.index), placed


def _of_the_kind(kind: Kind[Any, Any], value: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield the faults that concern parts of an object which only some kinds have."""
    if kind is CLUSTER:
        yield from cluster_near_misses(value)
    elif kind is NODE:
        yield from node_faults(value)
    elif kind is SECRET:
        yield from secret_warnings(value)
    elif kind.written_by:
        yield Fault(
            f"is written by the {kind.written_by}, which replaces or removes what others write",
            severity=Severity.WARNING,
        )


def _status_faults(kind: Kind[Any, Any], status: Any) -> Faults:
    """Return the unknown fields of a status, which an API server refuses although it takes no status from people."""
    faults = list(unknown_fields(shape_of(kind.status_type), status))
    prefix(faults, 0, "status")
    return faults


def _kind_of(value: Mapping[str, Any]) -> tuple[Kind[Any, Any] | None, Faults]:
    api_version, name = value.get("apiVersion"), value.get("kind")
    faults: Faults = []
    for path, given in (("apiVersion", api_version), ("kind", name)):
        if given is None or given == "":
            faults.append(Fault("is missing; known kinds: " + _known(), path))
        elif type(given) is not str:
            faults.append(Fault("must be a string", path, shown(given)))
    if faults or type(api_version) is not str or type(name) is not str:
        return None, faults
    kind = kinds.of(api_version, name)
    if kind is not None:
        return kind, faults
    namesakes = [known for known in kinds.ALL if known.name == name]
    if namesakes:
        right = " or ".join(known.api_version for known in namesakes)
        near = difflib.get_close_matches(api_version, [known.api_version for known in namesakes], 1, 0.8)
        hint = f"; did you mean {near[0]}?" if near and len(namesakes) > 1 else ""
        return None, [Fault(f"is not known for {name}; it is {right}{hint}", "apiVersion", shown(api_version))]
    meant = nearest(name, sorted({known.name for known in kinds.ALL}))
    hint = f"did you mean {meant}?" if meant else "known kinds: " + _known()
    return None, [Fault(f"is no kind that flatbgp knows; {hint}", "kind", shown(name))]


def _known() -> str:
    return ", ".join(f"{kind.name} ({kind.api_version})" for kind in kinds.ALL)


def _subject(value: Mapping[str, Any]) -> str:
    """Return "Kind namespace/name" as far as these can be told."""
    metadata = value.get("metadata")
    meta: Mapping[str, Any] = metadata if type(metadata) is dict else {}
    kind, namespace, name = value.get("kind"), meta.get("namespace"), meta.get("name")
    key = Key(namespace if type(namespace) is str else "", name if type(name) is str else "")
    words = (kind if type(kind) is str else "", str(key) if key.name else "")
    return " ".join(word[:120] for word in words if word and word.isprintable())


def _placed(fault: Fault, document: Document, subject: str) -> Fault:
    path = ".".join(part for part in (document.path, fault.path) if part)
    return replace(fault, path=path, subject=subject, source=document.source, document=document.index)


def _without_value(fault: Fault) -> Fault:
    """Return a Secret's fault without what stands there, except for a wrong name."""
    return fault if fault.path in ("metadata.name", "metadata.namespace") else replace(fault, value=None)
