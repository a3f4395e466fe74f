"""An object of some kind, decoded: the form in which everything above the store handles it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from flatbgp.resources.faults import Fault
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.meta import Key, Meta


@dataclass(frozen=True, slots=True)
class Resource(Generic[S, T]):
    """An object with its typed spec and status.

    ``spec`` is ``None`` when the object breaks a rule of its kind (an older version, written by hand); then ``faults``
    say which, the object is otherwise left out of every decision, and its conditions name the faults. ``document`` is
    the whole object as stored, with the fields that we keep but do not read.
    """

    kind: Kind[S, T]
    meta: Meta
    spec: S | None
    status: T | None = None
    faults: tuple[Fault, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return self.meta.key
