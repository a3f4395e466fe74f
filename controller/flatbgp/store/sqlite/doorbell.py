"""How watchers learn of changes without asking all the time.

A writer touches the store's file after each commit (:func:`flatbgp.store.sqlite.file.ring`), and inotify tells every
process of the machine. A slow look at the store's counters (:data:`SAFETY_SECONDS`) covers what no touch follows: a
writer that was killed in between, a file put in place of another, inotify used up. Either way one cheap read tells
which kinds changed, and only watches of those kinds wake up.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flatbgp.store.protocol import StoreError

SAFETY_SECONDS: Final = 1.0

if TYPE_CHECKING:
    from asyncinotify import Inotify


class Doorbell:
    """Wakes the watches of a store. ``look`` returns the version of the last change of each kind."""

    def __init__(self, path: Path | None, look: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._path = path
        self._look = look
        self._rung = asyncio.Event()
        self._listeners: dict[asyncio.Event, str] = {}
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Look at once: this process has written."""
        self._rung.set()

    @contextlib.contextmanager
    def listening(self, kind: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when objects of a kind changed, or when the store could not be read."""
        event = asyncio.Event()
        self._listeners[event] = kind
        if self._task is None:
            self._task = asyncio.create_task(self._serve(), name=f"doorbell of {self._path}")
        try:
            yield event
        finally:
            del self._listeners[event]
            if not self._listeners:
                self.close()

    def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _serve(self) -> None:
        if self._path is None:
            await self._look_when_rung(None)
            return
        from asyncinotify import Inotify  # noqa: PLC0415 - only who watches needs it

        try:
            inotify = Inotify()
        except OSError:  # fs.inotify.max_user_instances is used up: the slow look remains
            await self._look_when_rung(SAFETY_SECONDS)
            return
        with inotify:
            ear = asyncio.create_task(self._listen(inotify, self._path), name=f"inotify of {self._path}")
            try:
                await self._look_when_rung(SAFETY_SECONDS)
            finally:
                ear.cancel()
                await asyncio.wait([ear])

    async def _listen(self, inotify: "Inotify", path: Path) -> None:
        """Ring for each touch of the file, and when a file appears at its path."""
        from asyncinotify import Mask  # noqa: PLC0415 - as above

        def follow() -> None:
            with contextlib.suppress(OSError):  # not there yet: the directory tells when it is
                inotify.add_watch(path, Mask.ATTRIB | Mask.DELETE_SELF | Mask.MOVE_SELF)

        with contextlib.suppress(OSError):  # no directory, no store: the slow look remains
            inotify.add_watch(path.parent, Mask.CREATE | Mask.MOVED_TO | Mask.ONLYDIR)
        follow()
        self.ring()  # for what happened before the watch was there
        while True:
            event = await inotify.get()
            if event.name is not None and event.name != Path(path.name):
                continue  # another file of the directory
            if event.name is not None or Mask.IGNORED in event.mask:
                follow()
            self.ring()

    async def _look_when_rung(self, seconds: float | None) -> None:
        seen: Mapping[str, int] | None = None
        while True:
            self._rung.clear()
            before = seen
            try:
                seen = await self._look()
            except StoreError:
                seen = None  # each watch finds out for itself, and says so
            for event, kind in self._listeners.items():
                # A watch may have read before the first look: it reads again, so that nothing falls in between.
                if before is None or seen is None or before.get(kind) != seen.get(kind):
                    event.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._rung.wait()
