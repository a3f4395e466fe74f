"""``flatbgp delete``."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from flatbgp.cli.checking import first_lines
from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.files import read_sources
from flatbgp.cli.naming import KindType, chosen, missing, quoted
from flatbgp.cli.params import DEFAULT_NAMESPACE, files_option, namespace_option, store_option
from flatbgp.cli.stores import with_store
from flatbgp.resources import kinds
from flatbgp.resources.documents import SIZE_LIMIT, Document, read_documents
from flatbgp.resources.faults import Fault
from flatbgp.resources.kinds import AnyKind
from flatbgp.store.protocol import NotFound, Store

Target = tuple[AnyKind, str, str]
"""Kind, name, namespace."""


@click.command()
@click.argument("candidates", metavar="[KIND", type=KindType(), required=False)
@click.argument("name", metavar="NAME]", required=False)
@files_option(required=False)
@namespace_option
@store_option
def delete(
    *, candidates: tuple[AnyKind, ...] | None, name: str | None, filenames: tuple[str, ...], namespace: str, store: str
) -> None:
    """Delete one object, or all that files describe.

    It returns at once: what a finalizer holds is said to be terminating, and goes by itself later. Of files only the
    names are read, so that one which passes the checks no longer can still be deleted.
    """
    if bool(filenames) == bool(candidates):
        raise click.UsageError("name either KIND NAME or -f FILE")
    if candidates and not name:
        raise click.UsageError(f"which of the {candidates[0].plural}? Give KIND and NAME")

    async def remove(opened: Store) -> None:
        if candidates and name:
            targets: Sequence[Target] = ((await chosen(opened, candidates), name, namespace),)
        else:
            targets = _targets(filenames)
        lines = [line for target in targets if (line := await _remove(opened, *target))]
        if lines:
            raise CommandFailed(*lines)

    with_store(store, remove)


async def _remove(store: Store, kind: AnyKind, name: str, namespace: str) -> str | None:
    """Delete one object and say so; return what to say when it is not there."""
    place = namespace if kind.namespaced else ""
    where = f" from {namespace} namespace" if kind.namespaced else ""
    try:
        if await store.delete(kind, name, place):
            click.echo(f"{quoted(kind, name)} deleted{where}")
            return None
    except NotFound:
        return await missing(store, kind, name, namespace)
    held = await store.get(kind, name, place)
    by = f", held by {', '.join(held.meta.finalizers)}" if held else ""
    click.echo(f"{quoted(kind, name)} terminating{by}")
    return None


def _targets(filenames: Sequence[str]) -> Sequence[Target]:
    """Return what files name, in their order; :class:`CommandFailed` when a document names nothing."""
    targets: list[Target] = []
    faults: list[Fault] = []
    for source, content in read_sources(filenames, SIZE_LIMIT):
        documents, found = read_documents(content, source)
        faults.extend(found)
        for document in documents:
            target = _target(document)
            if isinstance(target, Fault):
                faults.append(target)
            else:
                targets.append(target)
    if faults:
        raise CommandFailed(*first_lines(faults))
    return tuple(dict.fromkeys(targets))


def _target(document: Document) -> Target | Fault:
    value = document.value
    api_version, kind_name, metadata = value.get("apiVersion"), value.get("kind"), value.get("metadata")
    kind = kinds.of(api_version, kind_name) if isinstance(api_version, str) and isinstance(kind_name, str) else None
    if kind is None:
        problem = "names no kind that flatbgp knows: look at its apiVersion and kind"
        return Fault(problem, document.path, source=document.source, document=document.index)
    meta: Mapping[str, Any] = metadata if isinstance(metadata, Mapping) else {}
    name, namespace = meta.get("name"), meta.get("namespace")
    if not isinstance(name, str) or not name:
        problem = f"{kind.name} has no metadata.name"
        return Fault(problem, document.path, source=document.source, document=document.index)
    return kind, name, namespace if isinstance(namespace, str) and namespace else DEFAULT_NAMESPACE
