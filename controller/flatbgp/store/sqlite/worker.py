"""Where the blocking calls run: a thread of their own for a file, in place for a database in memory."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

from flatbgp.store.protocol import Unreachable

R = TypeVar("R")

_GRACE_SECONDS: Final = 0.25
"""A function gives up by itself at its deadline, and says why; its thread is given this much longer to answer."""


class Deadline:
    """Until when a function may go on. Its caller may give it up before, from another thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds
        self._given_up = False

    def give_up(self) -> None:
        """Let it pass now: nobody waits for the result."""
        self._given_up = True

    @property
    def passed(self) -> bool:
        """Whether the function should break off."""
        return self._given_up or time.monotonic() > self._at


class Worker(Protocol):
    """Runs functions one after the other."""

    async def run(self, function: Callable[[Deadline], R], seconds: float) -> R:
        """Return what the function returns; :class:`Unreachable` after ``seconds``.

        A function that has not begun by then, or when the caller is cancelled, never runs.
        """

    async def close(self, last: Callable[[], None]) -> None:
        """Run ``last`` after what is under way, and then nothing more."""


class ThreadWorker:
    """One thread, so that SQLite's calls and waits never stop the event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, function: Callable[[Deadline], R], seconds: float) -> R:
        """See :class:`Worker`."""
        deadline = Deadline(seconds)
        future = self._executor.submit(function, deadline)
        try:
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise Unreachable(f"{self._name} did not answer within {seconds:.1f} s") from error
        finally:
            deadline.give_up()

    async def close(self, last: Callable[[], None]) -> None:
        """See :class:`Worker`."""
        future = self._executor.submit(last)
        self._executor.shutdown(wait=False)
        await asyncio.wrap_future(future)


class InlineWorker:
    """The caller's own thread: a database in memory answers at once, also on a test's clock that jumps."""

    async def run(self, function: Callable[[Deadline], R], seconds: float) -> R:
        """See :class:`Worker`."""
        return function(Deadline(seconds))

    async def close(self, last: Callable[[], None]) -> None:
        """See :class:`Worker`."""
        last()
