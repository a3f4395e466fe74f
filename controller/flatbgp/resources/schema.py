"""The shape of an object, read from the annotations of its dataclasses.

The dataclasses of the kinds are the only place where fields are described. From them :func:`shape_of` makes a small
tree of shapes, and everything else walks that tree: the decoder and its faults, the encoder, immutability, the
reference page, and the custom resource definitions. A rule written once therefore holds everywhere.

A field is described by its type and by the marks below inside ``Annotated``; marks of nested ``Annotated`` add up, so
that common types (an ASN, a host address) are defined once in :mod:`flatbgp.resources.forms`.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from flatbgp.resources.secrets import Password

_ACRONYMS = {"asn": "ASN", "bgp": "BGP", "cidrs": "CIDRs", "ip": "IP", "ips": "IPs", "ipv4": "IPv4", "ipv6": "IPv6"}


@dataclass(frozen=True, slots=True)
class Doc:
    """What a field means, in a sentence or two."""

    text: str


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of an integer, both inclusive."""

    minimum: int
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """Bounds on the characters of a string or the members of a list or map."""

    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on one decoded value: ``problem`` returns what is wrong and what would be right, or ``None``.

    ``text`` states the rule in a way that goes on from "must be", for the reference page and for an API server; ``cel``
    is the same rule as an expression about ``self`` for the latter, which sees the value as written and, for addresses
    and ranges, only once it is known to be one. The table of good and bad objects in the tests holds the two together.
    """

    text: str
    problem: Callable[[Any], str | None]
    cel: str = ""


@dataclass(frozen=True, slots=True)
class CelRule:
    """A rule between fields of one object, for an API server; ``Kind.rules`` is the same for us.

    ``at`` is the place in the object that ``self`` is ("spec.timers", "spec.nodeSelector.matchExpressions[]"),
    ``field`` the field below it that is wrong, and ``message`` says what would be right.
    """

    at: str
    cel: str
    message: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Unique:
    """No member of the list twice, compared as decoded (two spellings of an address are the same)."""


@dataclass(frozen=True, slots=True)
class KeyedBy:
    """The members of the list are told apart by this field of theirs, so that writers can own one each."""

    field: str


@dataclass(frozen=True, slots=True)
class Immutable:
    """The field keeps the value it was created with.

    With ``once`` it may be set later when it was empty at first, as a Node's podCIDRs are.
    """

    once: bool = False


class Scalar(StrEnum):
    """What a single value is, by the name that a person would use in a fault."""

    STRING = "a string"
    INTEGER = "a whole number"
    BOOLEAN = "true or false"
    TIME = "a time as in 2006-01-02T15:04:05Z"
    ADDRESS = "an IP address"
    NETWORK = "a range in CIDR notation"
    SECRET = "a secret text"  # noqa: S105 - a name of a type


@dataclass(frozen=True, slots=True)
class ScalarShape:
    """A single value; ``choices`` is set for words from a fixed list (``type`` is then the enum)."""

    scalar: Scalar
    range: Range | None = None
    length: Length | None = None
    rules: tuple[Rule, ...] = ()
    choices: type[StrEnum] | None = None


@dataclass(frozen=True, slots=True)
class ListShape:
    """A list of equal shapes."""

    item: "Shape"
    length: Length | None = None
    unique: bool = False
    key: str = ""


@dataclass(frozen=True, slots=True)
class MapShape:
    """A map from strings to strings; the rules are those of its keys and of its values."""

    keys: tuple[Rule, ...] = ()
    values: tuple[Rule, ...] = ()
    length: Length | None = None


@dataclass(frozen=True, slots=True)
class Property:
    """A field of an object: Python's name and JSON's, and whether it must be there."""

    attribute: str
    name: str
    shape: "Shape"
    doc: str
    required: bool
    default: Any = field(hash=False)  # may be a dict, and shapes are cache keys
    immutable: Immutable | None


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """An object of named fields, and the dataclass that it becomes."""

    type: type[Any]
    doc: str
    properties: tuple[Property, ...]


Shape = ScalarShape | ListShape | MapShape | ObjectShape


@dataclass(frozen=True, slots=True)
class KeyRule:
    """A rule for the keys of a map (a plain :class:`Rule` on a map is for its values)."""

    rule: Rule


def json_name(attribute: str) -> str:
    """Return the JSON name of a Python attribute: camelCase, with the acronyms that the guide spells in capitals.

    >>> json_name("enable_bgp_ipv4"), json_name("pod_cidrs"), json_name("cidr_blocks")
    ('enableBGPIPv4', 'podCIDRs', 'cidrBlocks')
    """
    first, *rest = attribute.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


def shape_of(cls: type[Any]) -> ObjectShape:
    """Return the shape of a dataclass."""
    known = _SHAPES.get(cls)
    return known if known is not None else _SHAPES.setdefault(cls, _object_shape(cls))


_SHAPES: dict[type[Any], ObjectShape] = {}


def _object_shape(cls: type[Any]) -> ObjectShape:
    hints = get_type_hints(cls, include_extras=True)
    properties = []
    for member in fields(cls):
        annotation, marks = _unwrap(hints[member.name])
        default: Any = None
        if member.default is not MISSING:
            default = member.default
        elif member.default_factory is not MISSING:
            default = member.default_factory()
        properties.append(
            Property(
                attribute=member.name,
                name=json_name(member.name),
                shape=_shape(annotation, marks),
                doc=next((mark.text for mark in marks if isinstance(mark, Doc)), ""),
                required=member.default is MISSING and member.default_factory is MISSING,
                default=default,
                immutable=next((mark for mark in marks if isinstance(mark, Immutable)), None),
            )
        )
    return ObjectShape(cls, " ".join((cls.__doc__ or "").split("\n\n")[0].split()), tuple(properties))


def _unwrap(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take the marks and an optional ``| None`` off an annotation."""
    marks: tuple[Any, ...] = ()
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            marks = (*marks, *more)
        elif origin in (types.UnionType, Union) and type(None) in get_args(annotation):
            members = tuple(member for member in get_args(annotation) if member is not type(None))
            annotation = Union[members]  # noqa: UP007 - built at run time from its members
        else:
            return annotation, marks


def _shape(annotation: Any, marks: tuple[Any, ...]) -> Shape:
    length = next((mark for mark in marks if isinstance(mark, Length)), None)
    rules = tuple(mark for mark in marks if isinstance(mark, Rule))
    origin = get_origin(annotation)
    if origin is tuple:
        item, item_marks = _unwrap(get_args(annotation)[0])
        unique = any(isinstance(mark, Unique) for mark in marks)
        key = next((mark.field for mark in marks if isinstance(mark, KeyedBy)), "")
        return ListShape(_shape(item, item_marks), length, unique, key)
    if origin is Mapping:
        keys = tuple(mark.rule for mark in marks if isinstance(mark, KeyRule))
        return MapShape(keys, rules, length)
    if is_dataclass(annotation) and annotation is not Password:
        return shape_of(annotation if isinstance(annotation, type) else type(annotation))
    choices = annotation if isinstance(annotation, type) and issubclass(annotation, StrEnum) else None
    bounds = next((mark for mark in marks if isinstance(mark, Range)), None)
    return ScalarShape(_scalar(annotation), bounds, length, rules, choices)


def _scalar(annotation: Any) -> Scalar:
    members = frozenset(get_args(annotation)) or frozenset((annotation,))
    if members <= {IPv4Address, IPv6Address}:
        return Scalar.ADDRESS
    if members <= {IPv4Network, IPv6Network}:
        return Scalar.NETWORK
    if annotation is Password:
        return Scalar.SECRET
    if annotation is bool:
        return Scalar.BOOLEAN
    if annotation is int:
        return Scalar.INTEGER
    if annotation is datetime:
        return Scalar.TIME
    if isinstance(annotation, type) and issubclass(annotation, str):
        return Scalar.STRING
    raise TypeError(f"no shape is known for the annotation {annotation!r}")
