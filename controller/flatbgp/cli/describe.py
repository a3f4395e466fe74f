"""``flatbgp describe``: one object in words, with what to do about it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from flatbgp.cli.naming import KindType, chosen, found
from flatbgp.cli.output import as_yaml, one_line, shown
from flatbgp.cli.params import namespace_option, store_option
from flatbgp.cli.stores import with_store
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.parsing import Malformed, parse_time
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource
from flatbgp.resources.table import age, columns
from flatbgp.store.protocol import Store

_LABEL_WIDTH: Final = 14
_NOTHING_TO_DO: Final = "Nothing."
_REASONS: Final = {reason.value: reason for reason in Reason}


def described(resource: Resource[Any, Any], now: datetime) -> str:
    """Return the description of an object as it is at ``now``."""
    return "\n".join(_lines(resource, shown(resource), now)) + "\n"


def _lines(resource: Resource[Any, Any], document: Mapping[str, Any], now: datetime) -> Iterator[str]:
    meta, kind = resource.meta, resource.kind
    yield _labelled("Name", meta.name)
    if meta.namespace:
        yield _labelled("Namespace", meta.namespace)
    yield from _pairs("Labels", meta.labels, "=")
    yield from _pairs("Annotations", _mapping(_mapping(document.get("metadata")).get("annotations")), ": ")
    yield _labelled("API Version", kind.api_version)
    yield _labelled("Kind", kind.name)
    if meta.creation_timestamp:
        yield _labelled("Created", _moment(meta.creation_timestamp, now))
    if meta.deletion_timestamp:
        holders = ", ".join(meta.finalizers) or "nothing any more"
        yield _labelled("Deleted", f"{_moment(meta.deletion_timestamp, now)}; terminating, held by {holders}")
    for fault in resource.faults:
        yield _labelled("Fault", str(fault))
    status = _mapping(document.get("status"))
    for name, value in document.items():
        if name not in {"apiVersion", "kind", "metadata", "status"}:
            yield from _section(name[:1].upper() + name[1:], value)
    yield from _section("Status", {name: value for name, value in status.items() if name != "conditions"})
    conditions = _mappings(status.get("conditions"))
    if conditions:
        yield "Conditions:"
        yield from ("  " + line for line in _condition_table(conditions, now))
    cures = tuple(_cures(status))
    if cures:
        yield "What to do:"
        yield from cures


def _labelled(label: str, text: str) -> str:
    return f"{label + ':':<{_LABEL_WIDTH}}{text}"


def _moment(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({age(moment, now)} ago)"


def _pairs(label: str, pairs: Mapping[str, Any], joint: str) -> Iterator[str]:
    texts = [one_line(f"{key}{joint}{pairs[key]}") for key in sorted(pairs)] or ["<none>"]
    yield _labelled(label, texts[0])
    yield from (" " * _LABEL_WIDTH + text for text in texts[1:])


def _section(title: str, value: Any) -> Iterator[str]:
    if value in (None, "", {}, []):
        return
    if not isinstance(value, Mapping | list):
        yield _labelled(title, one_line(str(value)))
        return
    yield f"{title}:"
    yield from ("  " + line for line in as_yaml(value).splitlines())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _condition_table(conditions: Sequence[Mapping[str, Any]], now: datetime) -> Sequence[str]:
    rows = [("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE")]
    for condition in conditions:
        kind, status, reason, message = (
            one_line(str(condition.get(name, ""))) for name in ("type", "status", "reason", "message")
        )
        rows.append((kind, status, reason, _since(condition.get("lastTransitionTime"), now), message))
    return columns(rows)


def _since(value: Any, now: datetime) -> str:
    try:
        return age(parse_time(str(value)), now)
    except Malformed:
        return "<unknown>"


def _cures(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each reason in a status that asks for something to be done."""
    places = [status, *_mappings(status.get("conditions")), *_mappings(status.get("floatingIPs"))]
    for word in dict.fromkeys(str(place["reason"]) for place in places if place.get("reason")):
        reason = _REASONS.get(word)
        if reason is not None and reason.cure != _NOTHING_TO_DO:
            yield f"  {word}: {reason.meaning} {reason.cure}"


@click.command()
@click.argument("candidates", metavar="KIND", type=KindType())
@click.argument("name")
@namespace_option
@store_option
def describe(candidates: tuple[AnyKind, ...], name: str, namespace: str, store: str) -> None:
    """Explain one object: what it says, its state, and what to do about what is wrong.

    Every reason that a condition or a session shows comes with its meaning and its cure.
    """

    async def read(opened: Store) -> Resource[Any, Any]:
        return await found(opened, await chosen(opened, candidates), name, namespace)

    click.echo(described(with_store(store, read), datetime.now(UTC)), nl=False)
