"""A store for the length of one command."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flatbgp.store.protocol import Store
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
