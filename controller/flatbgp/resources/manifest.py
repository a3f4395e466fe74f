"""A manifest: one document of a file, decoded and checked, that ``apply`` can write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Key


@dataclass(frozen=True, slots=True)
class Manifest:
    """A document that passed the rules of its kind; ``source`` and ``document`` say where it came from."""

    kind: Kind[Any, Any]
    key: Key
    document: Mapping[str, Any] = field(repr=False)
    source: str = ""
    index: int = 0
