"""Files checked as a whole, alone and together with a store: what apply, validate and plan begin with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.files import read_sources
from flatbgp.cli.stores import list_kinds
from flatbgp.resources import kinds
from flatbgp.resources.changes import changes
from flatbgp.resources.crosscheck import crosscheck
from flatbgp.resources.documents import SIZE_LIMIT
from flatbgp.resources.faults import Fault, Severity, errors
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.resource import Resource
from flatbgp.resources.validate import check_files
from flatbgp.store.protocol import Store

SHOWN_FAULTS: Final = 20
"""Of more faults than this only their number is told: whoever has so many mends one and looks again."""


Resources = Iterable[Resource[Any, Any]]


def _nothing(stored: Resources, outcome: Resources) -> Resources:  # noqa: ARG001 - the type of checked's ``beside``
    return ()


async def checked(
    filenames: Sequence[str], store: Store | None, *, beside: Callable[[Resources, Resources], Resources] = _nothing
) -> tuple[Manifest, ...]:
    """Return the manifests of files, after every check; warnings go to stderr.

    With a store, rules across objects are checked over what the files say and what is stored, and nothing may change
    that never changes. ``beside`` returns what else is known, from the stored objects and from what the manifests make
    of them. Raises :class:`CommandFailed` with a line for each fault.
    """
    sources = read_sources(filenames, SIZE_LIMIT)
    result = check_files(sources)
    stored = await _stored(store, result.manifests) if store is not None else ()
    outcome = await store.preview(result.manifests) if store is not None else ()
    others = beside(stored, outcome)
    place = {source.name: number for number, source in enumerate(sources)}
    faults = sorted(
        (*result.faults, *_against(result.manifests, outcome, stored, others)),
        key=lambda fault: (place.get(fault.source, -1), fault.document),
    )
    found = errors(faults)
    for fault in first_lines(fault for fault in faults if fault.severity is Severity.WARNING):
        click.echo(fault, err=True)
    if found:
        raise CommandFailed(*first_lines(found))
    return result.manifests


async def _stored(store: Store, manifests: Sequence[Manifest]) -> tuple[Resource[Any, Any], ...]:
    """Return the objects that the manifests can clash with: what people write, and objects of their own kinds."""
    own = {manifest.kind for manifest in manifests}
    return tuple(await list_kinds(store, (kind for kind in kinds.ALL if kind in own or not kind.written_by)))


def _against(
    manifests: Sequence[Manifest], outcome: Resources, stored: Sequence[Resource[Any, Any]], others: Resources
) -> Iterable[Fault]:
    """Yield what must not change, and what does not go together.

    ``outcome`` is what the manifests make of the objects: a Node keeps podCIDRs that its manifest does not name.
    """
    known = {(resource.kind, resource.key): resource for resource in stored}
    for manifest, after in zip(manifests, outcome, strict=False):
        old = known.get((manifest.kind, manifest.key))
        if old is not None:
            for fault in changes(old, after):
                yield replace(fault, source=manifest.source, document=manifest.index)
    yield from crosscheck(manifests, [*others, *stored])


def first_lines(faults: Iterable[Fault]) -> list[str]:
    """Return a line for each of the first faults, and one that says how many more there are."""
    lines = [str(fault) for fault in faults]
    more = len(lines) - SHOWN_FAULTS
    return [*lines[:SHOWN_FAULTS], f"... and {more} more"] if more > 0 else lines
