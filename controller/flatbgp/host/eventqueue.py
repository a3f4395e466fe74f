"""Events on their way from callbacks of the event loop to the one task that reads them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from flatbgp.host.model import HostEvent

# A reader that is this far behind has slept for long; what it missed it asks for anew, so the oldest may go.
_LIMIT = 10_000


class EventQueue:
    """An ordered queue that never makes the sender wait."""

    def __init__(self) -> None:
        self._events: deque[HostEvent] = deque(maxlen=_LIMIT)
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, event: HostEvent) -> None:
        """Append an event."""
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """End the reader, after what is still in the queue."""
        self._closed = True
        self._wake.set()

    async def read(self) -> AsyncIterator[HostEvent]:
        """Yield events as they come, until closed."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()
