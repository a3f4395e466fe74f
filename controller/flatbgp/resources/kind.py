"""What a kind of object is: its names, its scope, its shape, its rules and its table."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from flatbgp.resources.faults import Fault
from flatbgp.resources.schema import CelRule

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that ``get`` prints (and of the CRD's printer columns).

    ``path`` is the JSONPath of Kubernetes' additionalPrinterColumns; ``type`` one of its types ("date" prints as an
    age). ``wide`` columns show with ``-o wide`` only. ``printed`` is the path for an API server where it needs another
    one: it prints the first value only.
    """

    header: str
    path: str
    type: str = "string"
    wide: bool = False
    printed: str = ""


def no_rules(_: Any) -> Iterable[Fault]:
    """Say that the fields' own rules are all there is."""
    return ()


@dataclass(frozen=True, slots=True, eq=False)
class Kind(Generic[S, T]):
    """One kind of object.

    ``spec_type`` and ``status_type`` are the dataclasses whose annotations are the schema; ``rules`` are those between
    fields of one spec (their paths begin below the spec). ``strict`` kinds are ours and refuse unknown fields; the
    others keep and ignore them. ``fixed_name`` is the only name allowed, where there is one. ``written_by`` names the
    role that writes the objects, for kinds that people only read; they have one ``home``, the namespace in which they
    are. ``cel_rules`` are the rules between fields once more, for an API server. ``read_spec`` reads the spec of a kind
    that does not keep it under ``spec``. ``doc`` says what an object of the kind is, for people.
    """

    name: str
    group: str
    version: str
    plural: str
    singular: str
    namespaced: bool
    spec_type: type[S]
    status_type: type[T]
    doc: str = ""
    short_names: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    strict: bool = True
    fixed_name: str | None = None
    written_by: str = ""
    home: str = ""
    rules: Callable[[S], Iterable[Fault]] = no_rules
    cel_rules: tuple[CelRule, ...] = ()
    read_spec: Callable[[Mapping[str, Any], list[Fault]], S | None] | None = None

    @property
    def api_version(self) -> str:
        """``group/version``, or the version alone for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """``plural.group``, as kubectl writes it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def scope(self, namespace: str | None) -> str | None:
        """Return the namespace to look for objects in: ``None`` for all, and for kinds that have none."""
        return namespace if self.namespaced else None
