"""From JSON values to typed ones, along a shape: every fault found, none raised.

A shape is compiled once into a chain of small functions, because five thousand Nodes are decoded at a start. A fault is
made where it is seen, with an empty path; each level above puts its own name in front, so that a document without
faults pays nothing for paths.
"""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import Enum, StrEnum
from functools import cache
from typing import Any, Final

from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.parsing import Malformed, parse_address, parse_network, parse_time
from flatbgp.resources.scalars import Ambiguous
from flatbgp.resources.schema import (
    Length,
    ListShape,
    MapShape,
    ObjectShape,
    Property,
    Range,
    Rule,
    Scalar,
    ScalarShape,
    Shape,
)
from flatbgp.resources.secrets import Password

Faults = list[Fault]
Reader = Callable[[Any, Faults], Any]


class Invalid(Enum):
    """The one value that stands for "could not be read"."""

    INVALID = "invalid"


INVALID: Final = Invalid.INVALID


class Unknown(StrEnum):
    """What to do with a field that the shape does not have."""

    IGNORE = "ignore"  # what a store holds: a newer version may have written it
    REFUSE = "refuse"  # what a person writes


@cache
def reader_of(shape: Shape, unknown: Unknown) -> Reader:
    """Return the function that reads a value of this shape and adds what is wrong with it to a list.

    An invalid member of a list is left out and an invalid optional field gets its default, so that a caller who can
    live with less (a status written by a newer version) takes the result in spite of the faults. The result is
    :data:`INVALID` when nothing can be made of the value.
    """
    match shape:
        case ScalarShape():
            return _scalar_reader(shape)
        case ListShape():
            return _list_reader(shape, reader_of(shape.item, unknown))
        case MapShape():
            return _map_reader(shape)
        case ObjectShape():
            return _object_reader(shape, unknown)


def prefix(faults: Faults, start: int, name: str) -> None:
    """Put a field's name in front of the paths of all faults from ``start`` on."""
    for index in range(start, len(faults)):
        fault = faults[index]
        joint = "" if not fault.path or fault.path.startswith("[") else "."
        faults[index] = replace(fault, path=f"{name}{joint}{fault.path}")


def nearest(name: str, names: list[str], cutoff: float = 0.65) -> str | None:
    """Return the name that a person may have meant, or ``None``; ``cutoff`` is how alike, up to 1."""
    folded = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name[:100].casefold(), folded, 1, cutoff)
    return folded[found[0]] if found else None


def unknown_field(name: str, names: list[str]) -> Fault:
    """Return the fault of a field that is not there, with the nearest right name."""
    near = nearest(name, names)
    problem = f"unknown field; did you mean {near}?" if near else "unknown field; known here: " + ", ".join(names)
    return Fault(problem, path_name(name))


def unknown_fields(shape: Shape, value: Any) -> Iterator[Fault]:
    """Yield a fault for each field, at any depth, that the shape does not have; values are not looked at."""
    found: Faults = []
    match shape:
        case ListShape(item=item) if type(value) is list:
            for index, entry in enumerate(value):
                start = len(found)
                found.extend(unknown_fields(item, entry))
                prefix(found, start, f"[{index}]")
        case ObjectShape(properties=properties) if type(value) is dict:
            shapes = {known.name: known.shape for known in properties}
            for name, given in value.items():
                if name not in shapes:
                    found.append(unknown_field(name, sorted(shapes)))
                else:
                    start = len(found)
                    found.extend(unknown_fields(shapes[name], given))
                    prefix(found, start, name)
    yield from found


def path_name(name: str) -> str:
    """Return a field's name as it stands in a path: quoted in brackets when it has dots or such."""
    plain = name.replace("-", "").replace("_", "")
    return name[:100] if plain.isalnum() and name.isascii() else f"[{shown(name)}]"


def wrong_type(expected: str, value: Any) -> Fault:
    """Return the fault of a value of another type."""
    if isinstance(value, Ambiguous):
        return Fault(f"must be {expected}; {value.advice}", value=shown(value))
    if value is None:
        return Fault(f"must be {expected}, and is empty")
    if isinstance(value, str) and expected in (Scalar.INTEGER, Scalar.BOOLEAN):
        return Fault(f"must be {expected}, not a string (no quotes)", value=shown(value))
    if expected == Scalar.STRING and isinstance(value, bool | int | float):
        return Fault(f"must be {expected}: put it in quotes", value=shown(value))
    return Fault(f"must be {expected}, not {_described(value)}", value=shown(value))


def _described(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a number"
        case float():
            return "a number with a fraction or an exponent"
        case str():
            return "a string"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def _scalar_reader(shape: ScalarShape) -> Reader:
    parse: Callable[[str], Any] | None = _PARSERS[shape.scalar]
    if shape.choices is not None:
        parse = _choice_parser(shape.choices)
    python: Any = {Scalar.INTEGER: int, Scalar.BOOLEAN: bool}.get(shape.scalar, str)
    expected, checks = shape.scalar, _checks(shape)

    def read(value: Any, faults: Faults) -> Any:
        if type(value) is not python:
            faults.append(wrong_type(expected, value))
            return INVALID
        try:
            parsed = parse(value) if parse is not None else value
        except Malformed as problem:
            faults.append(Fault(str(problem), value=shown(value)))
            return INVALID
        for check in checks:
            problem_found = check(parsed)
            if problem_found is not None:
                faults.append(Fault(problem_found, value=shown(value)))
                return INVALID
        return parsed

    return read


_PARSERS: Mapping[Scalar, Callable[[str], Any] | None] = {
    Scalar.SECRET: Password,
    Scalar.STRING: None,
    Scalar.INTEGER: None,
    Scalar.BOOLEAN: None,
    Scalar.TIME: parse_time,
    Scalar.ADDRESS: parse_address,
    Scalar.NETWORK: parse_network,
}


def _choice_parser(choices: type[StrEnum]) -> Callable[[str], Any]:
    members: dict[str, StrEnum] = {str(member): member for member in choices}
    words = ", ".join(members) if len(members) <= 10 else f"the known words of {choices.__name__}"

    def parse(text: str) -> StrEnum:
        member = members.get(text)
        if member is None:
            near = nearest(text, list(members))
            raise Malformed(f"must be one of {words}" + (f"; did you mean {near}?" if near else ""))
        return member

    return parse


def _checks(shape: ScalarShape) -> tuple[Callable[[Any], str | None], ...]:
    checks: list[Callable[[Any], str | None]] = []
    if shape.range is not None:
        checks.append(_range_check(shape.range))
    if shape.length is not None:
        checks.append(_length_check(shape.length, "characters"))
    checks.extend(rule.problem for rule in shape.rules)
    return tuple(checks)


def _range_check(bounds: Range) -> Callable[[int], str | None]:
    low, high = bounds.minimum, bounds.maximum
    text = f"must be at least {low}" if high is None else f"must be {low} to {high}"

    def check(number: int) -> str | None:
        return text if number < low or (high is not None and number > high) else None

    return check


def _length_check(length: Length, unit: str) -> Callable[[Any], str | None]:
    low, high = length.minimum, length.maximum

    def check(value: Any) -> str | None:
        if len(value) < low:
            return "is empty" if not value and low == 1 else f"has {len(value)} {unit}; at least {low} are needed"
        if high is not None and len(value) > high:
            return f"has {len(value)} {unit}; at most {high} are possible"
        return None

    return check


def _list_reader(shape: ListShape, read_item: Reader) -> Reader:
    check = _length_check(shape.length, "members") if shape.length else None

    def read(value: Any, faults: Faults) -> Any:
        if type(value) is not list:
            faults.append(wrong_type("a list", value))
            return INVALID
        problem = check(value) if check else None
        if problem is not None:
            faults.append(Fault(problem))
        items: list[Any] = []
        places: dict[Any, int] = {}
        unique = shape.unique and len(value) > 1
        for index, entry in enumerate(value):
            start = len(faults)
            item = read_item(entry, faults)
            if unique and item is not INVALID and (first := places.setdefault(item, index)) != index:
                faults.append(Fault(f"is there twice: the same as [{first}]; remove one", value=shown(entry)))
                item = INVALID
            if len(faults) > start:
                prefix(faults, start, f"[{index}]")
            if item is not INVALID:
                items.append(item)
        return tuple(items)

    return read


def _map_reader(shape: MapShape) -> Reader:
    check = _length_check(shape.length, "pairs") if shape.length else None

    def first_problem(rules: tuple[Rule, ...], text: str) -> str | None:
        return next((problem for rule in rules if (problem := rule.problem(text)) is not None), None)

    def read(value: Any, faults: Faults) -> Any:
        if type(value) is not dict:
            faults.append(wrong_type("an object of strings", value))
            return INVALID
        problem = check(value) if check else None
        if problem is not None:
            faults.append(Fault(problem))
        pairs = {}
        for key, text in value.items():
            problem = first_problem(shape.keys, key)
            if problem is not None:
                faults.append(Fault(problem, path_name(key), shown(key)))
            elif type(text) is not str:
                fault = wrong_type(Scalar.STRING, text)
                faults.append(replace(fault, path=path_name(key)))
            elif (problem := first_problem(shape.values, text)) is not None:
                faults.append(Fault(problem, path_name(key), shown(text)))
            else:
                pairs[key] = text
        return pairs

    return read


def _object_reader(shape: ObjectShape, unknown: Unknown) -> Reader:
    make = shape.type
    plan = [(p.name, p.attribute, reader_of(p.shape, unknown)) for p in shape.properties]
    names = sorted(p.name for p in shape.properties)
    required = [p for p in shape.properties if p.required]

    def read(value: Any, faults: Faults) -> Any:
        if type(value) is not dict:
            faults.append(wrong_type("an object", value))
            return INVALID
        fields: dict[str, Any] = {}
        for name, attribute, read_field in plan:
            # An explicit null is a field that is not given, as in the Kubernetes API.
            if (given := value.get(name)) is not None:
                start = len(faults)
                field = read_field(given, faults)
                if len(faults) > start:
                    if name in _SECRETIVE:
                        _hide(faults, start)
                    prefix(faults, start, name)
                if field is not INVALID:
                    fields[attribute] = field
        if unknown is Unknown.REFUSE:
            faults.extend(unknown_field(name, names) for name in value if name not in names)
        lacking = [wanted for wanted in required if wanted.attribute not in fields]
        faults.extend(_missing(wanted) for wanted in lacking if value.get(wanted.name) is None)
        return INVALID if lacking else make(**fields)

    return read


_SECRETIVE = frozenset(("passwordSecretRef",))
"""Fields in which people put the secret itself by mistake: their values are never shown."""


def _hide(faults: Faults, start: int) -> None:
    faults[start:] = [replace(fault, value=None) for fault in faults[start:]]


def _missing(wanted: Property) -> Fault:
    return Fault(f"is missing{': ' + wanted.doc if wanted.doc else ''}", wanted.name)
