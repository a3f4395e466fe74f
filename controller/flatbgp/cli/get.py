"""``flatbgp get``."""

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.naming import KindType, chosen, found, missing
from flatbgp.cli.output import as_json, as_yaml, list_document, shown
from flatbgp.cli.params import namespace_option, store_option
from flatbgp.cli.stores import with_store
from flatbgp.cli.tables import TableWriter
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import Expired, Store

AnyResource = Resource[Any, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for; ``namespace`` ``None`` means all, ``name`` ``None`` every object."""

    candidates: tuple[AnyKind, ...]
    name: str | None
    namespace: str | None
    form: str | None
    watch: bool


@click.command()
@click.argument("candidates", metavar="KIND", type=KindType())
@click.argument("name", required=False)
@namespace_option
@click.option("-A", "--all-namespaces", is_flag=True, help="Objects of all namespaces.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["wide", "json", "yaml"]),
    help="More columns, or the objects.",
)
@click.option("-w", "--watch", is_flag=True, help="Go on with a line for each change, until Ctrl-C.")
@store_option
def get(
    *,
    candidates: tuple[AnyKind, ...],
    name: str | None,
    namespace: str,
    all_namespaces: bool,
    form: str | None,
    watch: bool,
    store: str,
) -> None:
    """List the objects of a KIND, or show the one of that NAME.

    KIND is a plural, singular or short name, alone or as plural.group: bgpsessions, bgpsession, nodes, secrets, ...
    """
    if name and all_namespaces and any(kind.namespaced for kind in candidates):
        raise click.UsageError("an object is got by NAME from one namespace: give -n NS instead of -A")
    request = Request(candidates, name, None if all_namespaces else namespace, form, watch)
    with_store(store, lambda opened: _get(opened, request))


async def _get(store: Store, request: Request) -> None:
    kind = await chosen(store, request.candidates)
    if request.watch:
        await _watch(store, kind, request)
    elif request.name:
        _print_one(await found(store, kind, request.name, request.namespace or ""), request)
    else:
        await _print_many(kind, (await store.list(kind, kind.scope(request.namespace))).items, store, request)


def _print_one(resource: AnyResource, request: Request) -> None:
    match request.form:
        case "json":
            _write(as_json(shown(resource)))
        case "yaml":
            _write(as_yaml(shown(resource)))
        case _:
            _table(resource.kind, request).write([resource], datetime.now(UTC))


async def _print_many(kind: AnyKind, resources: Sequence[AnyResource], store: Store, request: Request) -> None:
    match request.form:
        case "json":
            _write(as_json(list_document(resources)))
        case "yaml":
            _write(as_yaml(list_document(resources)))
        case _ if resources:
            _table(kind, request).write(resources, datetime.now(UTC))
        case _:
            click.echo(await _nothing(kind, store, request), err=True)


async def _nothing(kind: AnyKind, store: Store, request: Request) -> str:
    scope = kind.scope(request.namespace)
    if scope is None:
        return "No resources found"
    elsewhere = {item.meta.namespace for item in (await store.list(kind)).items}
    hint = f"\nThere are some in {', '.join(sorted(elsewhere))}: add -A, or -n NS." if elsewhere else ""
    return f"No resources found in {scope} namespace.{hint}"


async def _watch(store: Store, kind: AnyKind, request: Request) -> None:
    listing = await store.list(kind, kind.scope(request.namespace))
    items = [item for item in listing.items if request.name in (None, item.meta.name)]
    if request.name and not items:
        raise CommandFailed(await missing(store, kind, request.name, request.namespace or ""))
    table = _table(kind, request)
    _write_changes(items, table, request)
    async for resource in _changes(store, kind, request, items, listing.version):
        _write_changes([resource], table, request)


async def _changes(
    store: Store, kind: AnyKind, request: Request, items: Sequence[AnyResource], version: str
) -> AsyncIterator[AnyResource]:
    """Yield each object that changes after ``version``, without end; also across a version that is forgotten."""
    seen: dict[Key, str] = {item.key: item.meta.resource_version for item in items}
    while True:
        try:
            async for batch in store.watch(kind, version, kind.scope(request.namespace)):
                for change in batch:
                    version = change.version
                    if change.resource is not None and request.name in (None, change.resource.meta.name):
                        seen[change.resource.key] = change.resource.meta.resource_version
                        yield change.resource
        except Expired:
            listing = await store.list(kind, kind.scope(request.namespace))
            version = listing.version
            for item in listing.items:
                if request.name in (None, item.meta.name) and seen.get(item.key) != item.meta.resource_version:
                    seen[item.key] = item.meta.resource_version
                    yield item


def _write_changes(resources: Sequence[AnyResource], table: TableWriter, request: Request) -> None:
    match request.form:
        case "json":
            _write("".join(as_json(shown(resource)) for resource in resources))
        case "yaml":
            _write("".join(f"---\n{as_yaml(shown(resource))}" for resource in resources))
        case _:
            table.write(resources, datetime.now(UTC))


def _table(kind: AnyKind, request: Request) -> TableWriter:
    return TableWriter(kind, wide=request.form == "wide", namespaces=kind.namespaced and request.namespace is None)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
