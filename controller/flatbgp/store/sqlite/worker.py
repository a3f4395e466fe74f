"""Where the blocking calls run: a thread of their own for a file, in place for a database in memory."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from flatbgp.store.protocol import Unreachable

R = TypeVar("R")


class Worker(Protocol):
    """Runs functions one after the other."""

    async def run(self, function: Callable[[], R], seconds: float) -> R:
        """Return what the function returns; :class:`Unreachable` after ``seconds``.

        A function that has not begun by then, or when the caller is cancelled, never runs.
        """

    def close(self, last: Callable[[], None]) -> None:
        """Run ``last`` after all that is under way, and then nothing more."""


class ThreadWorker:
    """One thread, so that SQLite's calls and waits never stop the event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, function: Callable[[], R], seconds: float) -> R:
        """See :class:`Worker`."""
        future = self._executor.submit(function)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise Unreachable(f"{self._name} did not answer within {seconds:.1f} s") from error

    def close(self, last: Callable[[], None]) -> None:
        """See :class:`Worker`."""
        self._executor.submit(last)
        self._executor.shutdown(wait=True)


class InlineWorker:
    """The caller's own thread: a database in memory answers at once, also on a test's clock that jumps."""

    async def run(self, function: Callable[[], R], seconds: float) -> R:  # noqa: ARG002 - the Worker's signature
        """See :class:`Worker`."""
        return function()

    def close(self, last: Callable[[], None]) -> None:
        """See :class:`Worker`."""
        last()
