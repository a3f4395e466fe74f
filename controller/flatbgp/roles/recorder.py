"""Events: what happened to an object, told where people look at the object.

They are best effort, as everywhere in Kubernetes: nothing waits for them, and when too many wait the rest is dropped.
An Event has a name that follows from what it says, so a repetition raises its count instead of adding one, also across
restarts and leaders.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from flatbgp.planning.happenings import Happening, event_document, event_name, event_namespace
from flatbgp.resources.event import EVENT
from flatbgp.resources.parsing import format_time
from flatbgp.roles.runtime import Trouble, retry_pause
from flatbgp.store.protocol import AlreadyExists, NotFound, Store, StoreError, Unreachable

WAITING: Final = 200
"""How many Events may wait to be written; what comes beyond is dropped. The conditions say how it is anyway."""

PAUSE_SECONDS: Final = 0.05
"""Between two writes: twenty a second at most, whatever happens."""

BURST: Final = 10
"""So many turns of one part of an object are told at once..."""

REFILL_SECONDS: Final = 60.0
"""... and then one in this time: what flaps for hours is said often enough."""

_REQUEST_SECONDS: Final = 5.0
_ABOUT: Final = "events"


@dataclass(slots=True)
class _Budget:
    """How many Events of one part of an object may still be written, and since when."""

    left: float
    at: float


@dataclass(slots=True)
class Recorder:
    """Writes Events of one process; ``component`` is the role, ``instance`` the process.

    ``clock`` is monotonic, ``wall`` what people read. Without ``enabled`` (a store where nobody looks at Events)
    nothing is written: the log says it already.
    """

    store: Store
    component: str
    instance: str
    clock: Callable[[], float]
    wall: Callable[[], datetime]
    trouble: Trouble
    enabled: bool = True
    _waiting: dict[str, tuple[Happening, int]] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _budgets: dict[tuple[str, str], _Budget] = field(default_factory=dict)

    def record(self, happenings: Iterable[Happening]) -> None:
        """Have these written, soon."""
        if not self.enabled:
            return
        for happening in happenings:
            name = event_name(happening, self.component)
            known = self._waiting.get(name)
            if known is not None:
                self._waiting[name] = happening, known[1] + 1
            elif len(self._waiting) < WAITING and self._may(happening):
                self._waiting[name] = happening, 1
                self._news.set()

    async def run(self) -> None:
        """Write what is recorded, until cancelled."""
        failures = 0
        while True:
            if not self._waiting:
                self._news.clear()
                await self._news.wait()
            name = next(iter(self._waiting))
            happening, count = self._waiting[name]
            try:
                async with asyncio.timeout(_REQUEST_SECONDS):
                    await self._write(name, happening, count)
            except (Unreachable, TimeoutError):
                await asyncio.sleep(retry_pause(failures))
                failures += 1
                continue
            except StoreError as error:  # refused, or not allowed: it would be again
                self.trouble.report(_ABOUT, f"Events of {happening.kind.name} cannot be written: {error}")
            else:
                self.trouble.clear(_ABOUT)
            failures = 0
            self._written(name, count)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _write(self, name: str, happening: Happening, count: int) -> None:
        namespace, wall = event_namespace(happening), self.wall()
        document = event_document(happening, self.component, self.instance, count, wall)
        try:
            await self.store.create(EVENT, document)
        except AlreadyExists:
            known = await self.store.get(EVENT, name, namespace)
            so_far = known.spec.count if known is not None and known.spec is not None else 0
            patch = {"count": so_far + count, "lastTimestamp": format_time(wall)}
            try:
                await self.store.patch(EVENT, name, namespace, patch)
            except NotFound:  # it was so old that it went in this moment
                await self.store.create(EVENT, document)

    def _written(self, name: str, count: int) -> None:
        """Forget what was written; what happened once more meanwhile stays."""
        happening, total = self._waiting.pop(name)
        if total > count:
            self._waiting[name] = happening, total - count

    def _may(self, happening: Happening) -> bool:
        """Return whether one more Event of this part of the object may be written, and count it."""
        now, part = self.clock(), (happening.meta.uid or happening.meta.name, happening.subject)
        budget = self._budgets.setdefault(part, _Budget(BURST, now))
        budget.left = min(BURST, budget.left + (now - budget.at) / REFILL_SECONDS)
        budget.at = now
        if budget.left < 1:
            return False
        budget.left -= 1
        self._forget(now)
        return True

    def _forget(self, now: float) -> None:
        """Drop the budgets that are full again, now and then."""
        if len(self._budgets) > 10 * WAITING:
            full = [part for part, each in self._budgets.items() if now - each.at > BURST * REFILL_SECONDS]
            for part in full:
                del self._budgets[part]
