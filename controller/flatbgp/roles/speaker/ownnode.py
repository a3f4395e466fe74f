"""This node's own Node while an address is wanted but not claimed: looked at now and then, not watched.

Hundreds of nodes may want one address for hours, say while its router is down: each would watch all Nodes for the sake
of one. Whether the own Node is there, is drained or is being deleted may be known some seconds late until the claim.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from flatbgp.planning.nodefacts import Node
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Store, StoreError

FIRST_LOOK_SECONDS: Final = 1.0
LAST_LOOK_SECONDS: Final = 10.0
"""The waits between two looks grow from the first to the last."""

_REQUEST_SECONDS: Final = 5.0


@dataclass(slots=True)
class OwnNode:
    """Looks at one Node while it is asked to; ``seen`` is called with what was read (``None``: there is none)."""

    store: Store
    name: str
    seen: Callable[[Node | None], None]
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)

    def want(self, wanted: bool) -> None:
        """Begin to look, or stop to."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    async def tell_if_missing(self, log: structlog.stdlib.BoundLogger) -> None:
        """Say at the start that the Node is not there: while no address is wanted nobody looks at it."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                if await self.store.get(NODE, self.name) is None:
                    log.info(f"there is no Node {self.name} yet; this speaker waits and holds nothing until then")

    async def run(self) -> None:
        """Look until cancelled."""
        pause = FIRST_LOOK_SECONDS
        while True:
            if not self._wanted.is_set():
                await self._wanted.wait()
                pause = FIRST_LOOK_SECONDS
            await self._look()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_LOOK_SECONDS)

    async def _look(self) -> None:
        """Look once; a store that does not answer leaves things as they were, and its watches say that it is away."""
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                node = await self.store.get(NODE, self.name)
        except (StoreError, TimeoutError):
            return
        if self._wanted.is_set():
            self.seen(node)
