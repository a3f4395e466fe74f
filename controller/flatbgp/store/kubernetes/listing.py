"""A list of all objects of a kind, read page by page: one moment's state, however many there are."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Final

from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.resource import Resource
from flatbgp.store.kubernetes import errors, objects, paths
from flatbgp.store.kubernetes.transport import Transport
from flatbgp.store.protocol import Expired, Listing
from flatbgp.store.quiet import bulk_load

PAGE_SECONDS: Final = 30.0
"""The deadline of a page; of all objects at once, should it come to that, the same."""

_AT_ONCE: Final = 100
"""Objects that are decoded in one go: 6 ms of Nodes."""


async def read_all(
    transport: Transport, kind: Kind[S, T], namespace: str | None, selector: Mapping[str, str] | None
) -> Listing[S, T]:
    """Return all objects. When the pages of one moment are not kept long enough, all are read at once."""
    try:
        return await _read(transport, kind, namespace, selector, paths.PAGE)
    except Expired:
        return await _read(transport, kind, namespace, selector, 0)


async def _read(
    transport: Transport, kind: Kind[S, T], namespace: str | None, selector: Mapping[str, str] | None, size: int
) -> Listing[S, T]:
    about = errors.About("list", kind, namespace or "")
    found: list[Resource[Any, Any]] = []
    after = ""
    with ExitStack() as quiet:
        while True:
            answer = await transport.call(paths.page(kind, namespace, selector, after, size), PAGE_SECONDS)
            errors.check(answer, about, transport.where)
            page = objects.page(answer.body)
            items = page.items or []
            if not after:
                quiet.enter_context(bulk_load(len(items) + page.metadata.remaining))
            for start in range(0, len(items), _AT_ONCE):
                found += [objects.listed(kind, raw) for raw in items[start : start + _AT_ONCE]]
                await asyncio.sleep(0)
            after = page.metadata.after
            if not after:
                break
    return Listing(tuple(sorted(found, key=lambda each: each.key)), page.metadata.version)
