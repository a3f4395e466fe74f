"""Between the JSON form of objects and :class:`Resource`: the only two places where one becomes the other."""

from collections.abc import Mapping
from typing import Any

from flatbgp.resources.faults import Fault, errors, shown
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.meta import Meta
from flatbgp.resources.parsing import Malformed, format_time, parse_time
from flatbgp.resources.reading import INVALID, Faults, Unknown, prefix, reader_of
from flatbgp.resources.resource import Resource
from flatbgp.resources.schema import shape_of
from flatbgp.resources.writing import writer_of


def decode(kind: Kind[S, T], document: Any) -> Resource[S, T]:
    """Return the object that a store holds as ``document``; never raises, whatever that is.

    When the spec breaks a rule of its kind, ``spec`` is ``None`` and ``faults`` say why. Fields that we do not know are
    ignored here: a newer version may have written them. A status is taken as far as it can be read.
    """
    if type(document) is not dict:
        return Resource(kind, Meta(""), None, None, (Fault("is no object"),), {})
    meta = decode_meta(document.get("metadata"))
    faults: Faults = []
    spec = read_spec(kind, document, faults, Unknown.IGNORE)
    if kind.fixed_name is not None and meta.name != kind.fixed_name:
        faults.append(fixed_name_fault(kind, meta.name))
    found = errors(faults)
    return Resource(kind, meta, None if found else spec, read_status(kind, document), found, document)


def fixed_name_fault(kind: Kind[Any, Any], name: str) -> Fault:
    """Return the fault of an object whose kind allows one name only."""
    return Fault(f"must be {kind.fixed_name}: there is one {kind.name} for a cluster", "metadata.name", shown(name))


def read_spec(kind: Kind[S, T], document: Mapping[str, Any], faults: Faults, unknown: Unknown) -> S | None:
    """Read the spec and check the rules between its fields; faults carry paths from the top of the object."""
    start = len(faults)
    if kind.read_spec is not None:
        spec = kind.read_spec(document, faults)
    else:
        given = document.get("spec")
        if given is None:
            given = {}
            if kind.strict and any(known.required for known in shape_of(kind.spec_type).properties):
                faults.append(Fault("is missing", "spec"))
                return None
        read = reader_of(shape_of(kind.spec_type), unknown)(given, faults)
        spec = None if read is INVALID else read
        if spec is not None:
            # A rule that concerns a field which could not be read would judge its default: leave it for the next round.
            faulty = {fault.path.split(".")[0].split("[")[0] for fault in faults[start:]}
            if faulty:
                faulty.add("")  # a rule without a path concerns several fields
            faults.extend(fault for fault in kind.rules(spec) if fault.path.split(".")[0] not in faulty)
        prefix(faults, start, "spec")
    return spec


def read_status(kind: Kind[S, T], document: Mapping[str, Any]) -> T | None:
    """Return what can be read of the status, or ``None``: it is ours, and a newer version may have written it."""
    given = document.get("status")
    if type(given) is not dict:
        return None
    status = reader_of(shape_of(kind.status_type), Unknown.IGNORE)(given, [])
    return None if status is INVALID else status


def decode_meta(given: Any) -> Meta:
    """Return the metadata, with what cannot be read left out."""
    if type(given) is not dict:
        return Meta("")
    generation = given.get("generation", 0)
    finalizers = given.get("finalizers")
    return Meta(
        name=_text(given.get("name")),
        namespace=_text(given.get("namespace")),
        uid=_text(given.get("uid")),
        resource_version=_text(given.get("resourceVersion")),
        generation=generation if type(generation) is int else 0,
        creation_timestamp=_time(given.get("creationTimestamp")),
        deletion_timestamp=_time(given.get("deletionTimestamp")),
        labels=_pairs(given.get("labels")),
        annotations=_pairs(given.get("annotations")),
        finalizers=tuple(text for text in finalizers if type(text) is str) if type(finalizers) is list else (),
    )


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _time(value: Any) -> Any:
    try:
        return parse_time(value) if type(value) is str else None
    except Malformed:
        return None


def _pairs(value: Any) -> Mapping[str, str]:
    if type(value) is not dict:
        return {}
    if all(type(text) is str for text in value.values()):
        return value
    return {key: text for key, text in value.items() if type(text) is str}


def encode_spec(kind: Kind[S, T], spec: S) -> dict[str, Any]:
    """Return a spec as JSON, without the fields that have their default value."""
    encoded: dict[str, Any] = writer_of(shape_of(kind.spec_type), sparse=True)(spec)
    return encoded


def encode_status(kind: Kind[S, T], status: T) -> dict[str, Any]:
    """Return a status as JSON, without the fields that are empty."""
    encoded: dict[str, Any] = writer_of(shape_of(kind.status_type), sparse=False)(status)
    return encoded


def encode_meta(meta: Meta) -> dict[str, Any]:
    """Return the metadata as JSON, without what is empty."""
    encoded: dict[str, Any] = {"name": meta.name}
    texts = {"namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version}
    encoded |= {name: text for name, text in texts.items() if text}
    if meta.generation:
        encoded["generation"] = meta.generation
    moments = {"creationTimestamp": meta.creation_timestamp, "deletionTimestamp": meta.deletion_timestamp}
    encoded |= {name: format_time(moment) for name, moment in moments.items() if moment}
    maps = {"labels": meta.labels, "annotations": meta.annotations}
    encoded |= {name: dict(pairs) for name, pairs in maps.items() if pairs}
    if meta.finalizers:
        encoded["finalizers"] = list(meta.finalizers)
    return encoded


def encode(kind: Kind[S, T], meta: Meta, spec: S, status: T | None = None) -> dict[str, Any]:
    """Return a whole object as JSON (not for a Secret, which has no spec)."""
    document: dict[str, Any] = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": encode_meta(meta),
        "spec": encode_spec(kind, spec),
    }
    if status is not None and (encoded := encode_status(kind, status)):
        document["status"] = encoded
    return document
