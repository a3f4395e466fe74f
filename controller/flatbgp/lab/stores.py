"""The lab's two stores, the guide's admin cluster and user cluster, and looking into them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flatbgp.lab.commands import LabError
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.meta import Key
from flatbgp.store.protocol import StoreError
from flatbgp.store.url import open_store

_DEADLINE = 10.0


@dataclass(frozen=True, slots=True)
class Stores:
    """The URLs of the two stores."""

    admin: str
    user: str


def stores(directory: Path) -> Stores:
    """Return the stores of the lab in ``directory``."""
    return Stores(admin=f"sqlite:{directory / 'admin.db'}", user=f"sqlite:{directory / 'user.db'}")


def documents(url: str, kind: AnyKind) -> dict[Key, Mapping[str, Any]]:
    """Return all objects of a kind, in JSON form: much quicker than a ``flatbgp get``, which has to start first."""

    async def read() -> dict[Key, Mapping[str, Any]]:
        store = open_store(url)
        try:
            async with asyncio.timeout(_DEADLINE):
                return {resource.key: resource.document for resource in (await store.list(kind)).items}
        finally:
            await store.close()

    try:
        return asyncio.run(read())
    except (StoreError, TimeoutError) as error:
        raise LabError(f"cannot read {kind.plural} in {url}: {error}") from error
