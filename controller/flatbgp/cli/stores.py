"""A store for the length of one command."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import NotServed, Store
from flatbgp.store.url import open_store

R = TypeVar("R")


def with_store(url: str, work: Callable[[Store], Awaitable[R]]) -> R:
    """Open the store that a URL names, do some work on it, and close it."""

    async def opened() -> R:
        store = open_store(url)
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


async def list_kinds(store: Store, kinds: Iterable[AnyKind]) -> list[Resource[Any, Any]]:
    """Return all objects of some kinds; of those that the store does not know (the admin cluster's) there are none."""
    found: list[Resource[Any, Any]] = []
    for kind in kinds:
        try:
            found += (await store.list(kind)).items
        except NotServed:
            continue
    return found
