"""A file's bytes to its objects, before anything is known of their kinds.

YAML or JSON, one document or several, each an object or a ``v1`` List of objects. Whatever the bytes are, the answer is
objects and faults, never an exception.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flatbgp.resources.faults import Fault
from flatbgp.resources.reading import path_name, wrong_type
from flatbgp.resources.scalars import Ambiguous
from flatbgp.resources.yamltext import DEPTH_LIMIT, YAMLDocument, YAMLFault, load

SIZE_LIMIT = 10 * 1024 * 1024
"""Bytes of a file."""


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a file: ``index`` is the document's number from 1, ``path`` its place in a List ("items[2]")."""

    value: dict[str, Any]
    source: str
    index: int
    path: str = ""


def read_documents(content: bytes, source: str) -> tuple[tuple[Document, ...], tuple[Fault, ...]]:
    """Return the objects of a file and what is wrong with the file; ``source`` is its name in faults."""
    if len(content) > SIZE_LIMIT:
        limit = SIZE_LIMIT // 1024 // 1024
        return (), (Fault(f"is larger than {limit} MiB; split it into several files", source=source),)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = " (it looks like UTF-16)" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
        return (), (Fault(f"is not UTF-8 text: byte {error.start + 1} is none{hint}; save it as UTF-8", source=source),)
    documents: list[Document] = []
    faults: list[Fault] = []
    index = 0
    try:
        for index, parsed in enumerate(_parse(text), 1):
            for duplicate in parsed.duplicates:
                problem = f"the key {duplicate.key[:100]!r} is there twice in one map (line {duplicate.line}); keep one"
                faults.append(Fault(problem, source=source, document=index))
            if parsed.value is not None:
                _collect(Document(parsed.value, source, index), documents, faults)
    except YAMLFault as fault:
        faults.append(Fault(f"line {fault.line}: {fault.problem}", source=source, document=index + 1))
    if not documents and not faults:
        faults.append(Fault("has no object in it", source=source))
    return tuple(documents), tuple(faults)


def _parse(text: str) -> Iterator[YAMLDocument]:
    # JSON is nearly YAML, but for tabs and surrogate escapes; so what is JSON is read as such.
    if text.lstrip()[:1] in ("{", "["):
        parsed = _parse_json(text)
        if parsed is not None:
            return iter(parsed)
    # A byte order mark in the middle comes from files that were joined; it may begin a document (YAML 1.2.2, 5.2).
    return load(text.replace("\n\ufeff", "\n"))


class _NotJSON(ValueError):
    """The text is not JSON, or has a key twice: the YAML parser finds out where."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _NotJSON
    return value


def _constant(_: str) -> Any:
    raise _NotJSON


_BLANKS = re.compile(r"\s*")
_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)


def _parse_json(text: str) -> list[YAMLDocument] | None:
    """Return the values of a text that is one JSON value or several in a row; ``None`` if it is not."""
    documents: list[YAMLDocument] = []
    place = _end_of_blanks(text, 0)
    try:
        while place < len(text):
            value, end = _DECODER.raw_decode(text, place)
            documents.append(YAMLDocument(value, 1, ()))
            place = _end_of_blanks(text, end)
    except (ValueError, RecursionError):
        return None
    return documents


def _end_of_blanks(text: str, start: int) -> int:
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


def _collect(document: Document, documents: list[Document], faults: list[Fault]) -> None:
    """Add an object, or the objects of a List, in order."""
    waiting = [document]
    while waiting:
        current = waiting.pop()
        value: Any = current.value
        if type(value) is not dict:
            # Without the value: it may hold the Secret of which it is a part.
            faults.append(_located(Fault(wrong_type("an object", value).problem), current))
            continue
        items = value.get("items")
        kind = value.get("kind")
        if type(kind) is str and kind.endswith("List") and type(items) is list:
            joint = f"{current.path}." if current.path else ""
            members = (
                Document(_with_type(item, value, kind), current.source, current.index, f"{joint}items[{place}]")
                for place, item in enumerate(items)
            )
            waiting.extend(reversed(list(members)))
            continue
        problems = [_located(fault, current) for fault in _unfit(value)]
        faults.extend(problems)
        if not problems:
            documents.append(current)


def _with_type(item: Any, owner: dict[str, Any], kind: str) -> Any:
    """Return a member of a typed list (BGPPeerList) with the type that the API leaves out there."""
    if kind == "List" or type(item) is not dict or "kind" in item:
        return item
    return {"apiVersion": owner.get("apiVersion"), "kind": kind.removesuffix("List"), **item}


def _located(fault: Fault, document: Document) -> Fault:
    path = f"{document.path}.{fault.path}" if document.path and fault.path else document.path or fault.path
    return Fault(fault.problem, path, fault.value, source=document.source, document=document.index)


def _unfit(value: Any) -> Iterator[Fault]:
    """Yield what cannot be written as JSON, or is nested too deep (the YAML parser has looked at that already)."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 0)]
    while waiting:
        current, path, depth = waiting.pop()
        if depth > DEPTH_LIMIT:
            yield Fault(f"is nested more than {DEPTH_LIMIT} deep", path[:200])
            return
        if type(current) is dict:
            for key, member in current.items():
                name = path_name(key)
                waiting.append((member, f"{path}.{name}" if path else name, depth + 1))
                if not _encodable(key):
                    yield Fault("has a key with a lone surrogate; JSON text cannot have one", path)
        elif type(current) is list:
            waiting.extend((member, f"{path}[{place}]", depth + 1) for place, member in enumerate(current))
        elif (problem := _unfit_scalar(current)) is not None:
            yield Fault(problem, path)


def _unfit_scalar(value: Any) -> str | None:
    match value:
        case str() if not _encodable(value):
            return "has a lone surrogate in it; JSON text cannot have one"
        case int() if not -(2**63) <= value < 2**64:
            return "is a number of more than 64 bits; put it in quotes if text is meant"
        case float() if not math.isfinite(value):
            return "is beyond the range of numbers"
        case _:
            return None


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def normalised(value: Any) -> Any:
    """Return a value with each ambiguous scalar as kubectl would store it (in fields that we keep and don't read).

    Nothing is copied where there is none; depth is limited by :func:`read_documents`.
    """
    match value:
        case Ambiguous():
            return value.value
        case dict():
            changed = {key: new for key, member in value.items() if (new := normalised(member)) is not member}
            return {**value, **changed} if changed else value
        case list():
            members = [normalised(member) for member in value]
            return members if any(a is not b for a, b in zip(members, value, strict=True)) else value
        case _:
            return value
