"""Writes of a role: several at once, each with its own outcome, none logged twice."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from flatbgp.planning.podcidrs import Outcome
from flatbgp.roles.runtime import Trouble
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Refused, StoreError, Unreachable

AT_ONCE: Final = 16
"""Requests under way at one time: enough to hide the store's latency, few enough to leave room for others."""

SAID_ONE_BY_ONE: Final = 20
"""Beyond so many writes in one go their number is logged instead."""

WRITE_SECONDS: Final = 10.0
"""The deadline of a write on top of the store's own, which is shorter."""

LAST_WRITE_SECONDS: Final = 2.0
"""How long a role that must end waits for writes that are under way: the next leader must not begin before they are
over, and their outcome is worth knowing."""

_ABOUT: Final = "write: "

REFUSED_RETRY_SECONDS: Final = 30.0
"""When to try again what the store refused: only a change of something else can help."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write: what it does in words ("create BGPAdvertisedRoute x"), the call, and who wants to know how it went.

    ``routine`` writes are said in the log only when somebody asked for debugging.
    """

    what: str
    call: Callable[[], Awaitable[Any]]
    settle: Callable[[Outcome], None] | None = None
    routine: bool = False


class Writer:
    """Carries out writes.

    A write that came too late (the object changed, is there, is gone) is no trouble: the cache is about to show it.
    One that the store refuses is reported once. ``refused`` tells whether anything was since :meth:`begin`.
    """

    def __init__(self, trouble: Trouble, log: structlog.stdlib.BoundLogger) -> None:
        self._trouble = trouble
        self._log = log
        self._refusals: set[str] = set()

    @property
    def refused(self) -> bool:
        """Whether the store refused something since :meth:`begin`."""
        return bool(self._refusals)

    def begin(self) -> None:
        """Begin a round; refusals that do not come again in it are over at its :meth:`end`."""
        self._refusals.clear()

    def end(self) -> None:
        """End a round."""
        self._trouble.keep_only(_ABOUT, self._refusals)

    async def run(self, *phases: Sequence[Write]) -> None:
        """Carry out the phases one after another, the writes of one together.

        An outage ends it with its :class:`StoreError`, when all writes that were begun are over and settled.
        """
        for phase in phases:
            many = len(phase) > SAID_ONE_BY_ONE
            if many:
                self._log.info("writing", first=phase[0].what, writes=len(phase))
            await self._together(phase, quiet=many)

    async def _together(self, phase: Sequence[Write], *, quiet: bool) -> None:
        """Have so many under way at any time as may be: the slowest keeps none of the others waiting."""
        waiting, running = deque(phase), set[asyncio.Task[None]]()
        errors: list[BaseException] = []
        try:
            while running or (waiting and not errors):
                while waiting and not errors and len(running) < AT_ONCE:
                    write = waiting.popleft()
                    running.add(asyncio.create_task(self._one(write, quiet=quiet or write.routine)))
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                errors += [error for task in done if (error := task.exception()) is not None]
        except asyncio.CancelledError:
            await asyncio.wait(running, timeout=LAST_WRITE_SECONDS)
            for task in running:
                task.cancel()
            raise
        for error in sorted(errors, key=lambda error: isinstance(error, StoreError)):
            raise error  # what is no outage is a mistake of ours, and comes first

    async def _one(self, write: Write, *, quiet: bool) -> None:
        outcome = Outcome.UNKNOWN
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await write.call()
            outcome = Outcome.WRITTEN
            (self._log.debug if quiet else self._log.info)(write.what)
        except TimeoutError as error:
            raise Unreachable(f"cannot {write.what}: no answer within {WRITE_SECONDS:g} s") from error
        except (Conflict, NotFound, AlreadyExists) as error:
            outcome = Outcome.FAILED
            self._log.debug("not written", what=write.what, error=str(error))
        except Refused as error:
            outcome = Outcome.FAILED
            about = _ABOUT + write.what
            self._refusals.add(about)
            self._trouble.report(about, f"the store refused to {write.what}: {error}")
        finally:
            if write.settle is not None:
                write.settle(outcome)
