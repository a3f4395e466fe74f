"""Tables as kubectl prints them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.parsing import Malformed, parse_time
from flatbgp.resources.resource import Resource

_GAP = 3  # blanks between columns
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def table(
    kind: Kind[Any, Any],
    resources: Iterable[Resource[Any, Any]],
    now: datetime,
    *,
    wide: bool = False,
    namespaces: bool = False,
    headers: bool = True,
    qualified: bool = False,
) -> tuple[str, ...]:
    """Return the lines of the table of some objects of one kind; none if there are no objects.

    ``namespaces`` adds the column NAMESPACE (to namespaced kinds); ``qualified`` writes names as ``kind.group/name``,
    as kubectl does when it prints several kinds.
    """
    head, *body = rows(kind, resources, now, wide=wide, namespaces=namespaces, qualified=qualified)
    return columns([head, *body])[0 if headers else 1 :] if body else ()


def rows(
    kind: Kind[Any, Any],
    resources: Iterable[Resource[Any, Any]],
    now: datetime,
    *,
    wide: bool = False,
    namespaces: bool = False,
    qualified: bool = False,
) -> list[list[str]]:
    """Return the cells of such a table, the headers' row first."""
    shown = [column for column in kind.columns if wide or not column.wide]
    with_namespace = namespaces and kind.namespaced
    prefix = f"{kind.singular}{f'.{kind.group}' if kind.group else ''}/" if qualified else ""
    head = [*(["NAMESPACE"] if with_namespace else []), "NAME", *(column.header for column in shown)]
    body = [
        [
            *([resource.meta.namespace] if with_namespace else []),
            prefix + resource.meta.name,
            *(cell(document, column, now) for column in shown),
        ]
        for resource in resources
        for document in (dict(resource.document),)  # decoded once, where a store keeps it as bytes
    ]
    return [head, *body]


def columns(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return rows of cells as lines with aligned columns, three blanks apart, without blanks at the end of a line."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return tuple(
        "".join(cell.ljust(width + _GAP) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def cell(document: Mapping[str, Any], column: Column, now: datetime) -> str:
    """Return what stands in a column for an object; blank if it has no such field."""
    values = values_at(document, column.path)
    if column.type == "date":
        absent = "<unknown>" if column.header == "AGE" else ""
        return _age_of(values[0], now) if values else absent
    return ",".join(_text(value) for value in values)


def values_at(document: Mapping[str, Any], path: str) -> list[Any]:
    """Return the values at a JSONPath of names and ``[*]``, as in ``.spec.podCIDRs[*]``; absent ones are left out.

    A value missing in one member of a list stands as an empty string, so that columns of one list stay parallel.
    """
    found: list[Any] = [document]
    parallel = False
    for step in path.removeprefix(".").split("."):
        name, star, _ = step.partition("[*]")
        found = [value.get(name) if isinstance(value, Mapping) else None for value in found]
        if star:
            found = [member for value in found if isinstance(value, list) for member in value]
            parallel = True
    return [("" if value is None else value) for value in found if parallel or value is not None]


def _text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # One line a row, whatever somebody wrote into the store.
            return "".join(character if character.isprintable() else " " for character in value)
        case _:
            return str(value)


def _age_of(value: Any, now: datetime) -> str:
    try:
        return age(parse_time(value), now) if isinstance(value, str) else "<unknown>"
    except Malformed:
        return "<unknown>"


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a moment was, as kubectl abbreviates it: ``2s``, ``5m10s``, ``2d17h``, ``3y40d``.

    Two units are given only where the first alone would be coarse. A moment up to two seconds ahead is ``0s`` (clocks
    differ); one further ahead is ``<invalid>``. (The rules of HumanDuration in Kubernetes' apimachinery.)
    """
    elapsed = now - moment
    if elapsed <= timedelta(seconds=-2):
        return "<invalid>"
    seconds = max(0, int(elapsed.total_seconds()))
    for limit, unit, letter, minor, minor_letter, minor_limit in _STEPS:
        if seconds < limit:
            first, rest = divmod(seconds, unit)
            second = rest // minor if seconds < minor_limit else 0
            return f"{first}{letter}" + (f"{second}{minor_letter}" if second else "")
    return f"{seconds // _YEAR}y"


# Below the first figure: so many of the unit, and of the smaller unit as long as it is below the last figure.
_STEPS = (
    (2 * _MINUTE, 1, "s", 1, "", 0),
    (3 * _HOUR, _MINUTE, "m", 1, "s", 10 * _MINUTE),
    (2 * _DAY, _HOUR, "h", _MINUTE, "m", 8 * _HOUR),
    (2 * _YEAR, _DAY, "d", _HOUR, "h", 8 * _DAY),
    (8 * _YEAR, _YEAR, "y", _DAY, "d", 8 * _YEAR),
)
