"""A watch on an API server: it resumes by itself where the server ends it in order, and finds out when it is dead."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from flatbgp.resources.kind import Kind
from flatbgp.store.kubernetes import errors, objects, paths
from flatbgp.store.kubernetes.transport import Transport
from flatbgp.store.protocol import Change, ChangeType, Expired, Unreachable

LEAST_SECONDS: Final = 300
MOST_SECONDS: Final = 600
"""For how long a watch is asked for: at random between these, so that not all clients come back at once."""

SILENCE_SECONDS: Final = 75.0
"""A server that sends bookmarks does so every minute: after this long without one the watch is begun anew."""

UNHEARD_SECONDS: Final = 240.0
"""The same for a watch that has told nothing yet: a server has no bookmarks of a kind that did not change since the
server started (measured with 1.37). Often enough to find a dead connection, seldom enough for 5,000 idle clients."""

_FIRST_SECONDS: Final = 0.02
"""What has changed before the watch comes this soon after its beginning, and is told in the first batch."""

_SHORTEST_SECONDS: Final = 5.0
"""A server that ends a watch sooner than this is in trouble: whoever watches should wait before the next try."""

_AT_ONCE: Final = 250
"""Changes that are decoded in one go: 15 ms of Nodes."""

_TYPES: Final = {
    "ADDED": ChangeType.PUT,
    "MODIFIED": ChangeType.PUT,
    "DELETED": ChangeType.DELETED,
    "BOOKMARK": ChangeType.BOOKMARK,
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What is watched, and how long the server may be silent: after it told something, and before."""

    kind: Kind[Any, Any]
    namespace: str | None
    selector: Mapping[str, str] | None
    silence: float = SILENCE_SECONDS
    unheard: float = UNHEARD_SECONDS

    @property
    def about(self) -> errors.About:
        """The same for messages."""
        return errors.About("watch", self.kind, self.namespace or "")


async def follow(
    transport: Transport, what: Watched, since: str, seconds: int
) -> AsyncGenerator[Sequence[Change[Any, Any]], None]:
    """Yield what changed after ``since``, first what changed before now, until the watch should be begun anew.

    That is when the server ends it, which it is asked to do after ``seconds``, and when it is silent for too long: the
    connection may be dead without anybody having said so, and a new one shows. Raises :class:`Unreachable` when the
    server ends it much sooner.
    """
    await _check(transport, what, since)
    begun = time.monotonic()
    request = paths.watch(what.kind, what.namespace, what.selector, since, seconds)
    async with transport.stream(request) as stream:
        if stream.status >= HTTPStatus.MULTIPLE_CHOICES:
            errors.check(await stream.rest(), what.about, transport.where)
        lines = Lines()
        chunk = await stream.chunk(_FIRST_SECONDS)
        first, *others = _portions(lines.complete(chunk or b"")) or [[]]
        yield _changes(what, first, transport.where)
        patience = what.silence if first else what.unheard
        while True:
            for portion in others:
                yield _changes(what, portion, transport.where)
                await asyncio.sleep(0)
            if chunk == b"":
                break
            chunk = await stream.chunk(patience)
            if chunk is None:
                return
            others, patience = _portions(lines.complete(chunk)), what.silence
    if time.monotonic() - begun < min(seconds, _SHORTEST_SECONDS):
        raise Unreachable(f"{transport.where} ended the watch of {what.about.subject} as soon as it had begun")


async def _check(transport: Transport, what: Watched, since: str) -> None:
    """Raise :class:`Expired` for a version that the cluster has not come to yet: it was restored from a back-up.

    A server takes such a version and then tells nothing until it has counted that far (measured with 1.37).
    """
    answer = await transport.call(paths.page(what.kind, what.namespace, None, "", 1))
    errors.check(answer, errors.About("list", what.kind, what.namespace or ""), transport.where)
    now = objects.page(answer.body).metadata.version
    if int(since) > int(now):
        raise Expired(f"{what.kind.full_name}: version {since} is not reached yet, it is {now} now; list again")


class Lines:
    """Whole lines out of what comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def complete(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are whole now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return lines


def _portions(lines: list[bytes]) -> list[list[bytes]]:
    return [lines[start : start + _AT_ONCE] for start in range(0, len(lines), _AT_ONCE)]


def _changes(what: Watched, lines: Sequence[bytes], where: str) -> list[Change[Any, Any]]:
    try:
        return [_change(what, objects.event(line), where) for line in lines]
    except msgspec.DecodeError as error:
        raise Unreachable(f"{where} sent no event in the watch of {what.about.subject}: {error}") from error


def _change(what: Watched, event: objects.Event, where: str) -> Change[Any, Any]:
    if event.type not in _TYPES:
        raise errors.failure(errors.status_of(bytes(event.object), HTTPStatus.INTERNAL_SERVER_ERROR), what.about, where)
    kind = _TYPES[event.type]
    if kind is ChangeType.BOOKMARK:
        return Change(kind, objects.version_of(event.object), None)
    resource = objects.listed(what.kind, event.object)
    return Change(kind, resource.meta.resource_version, resource)
