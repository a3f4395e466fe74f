"""The channel below the generated stubs: what goes over it can be noted, and it need not lead to a daemon.

The stubs hand the functions that turn messages into bytes to a channel's methods. :class:`NotedChannel` calls them
itself and passes bytes on, so that whoever takes notes gets what is on the wire and nothing is serialized twice. While
nobody takes notes, a call costs one comparison more than without.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc

OK = grpc.StatusCode.OK.name


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened in a call: a message that was sent, one that was received, its end, or all in one.

    ``call`` numbers the calls of a channel, ``method`` is the path (``/api.GoBgpService/AddPeer``). ``begun`` is the
    wall clock at the call's begin, ``elapsed`` the time since; seconds. ``status`` is the name of the gRPC status, ""
    while the call goes on; ``details`` is what the daemon says to it.
    """

    call: int
    method: str
    begun: float
    elapsed: float
    request: bytes | None = None
    answer: bytes | None = None
    status: str = ""
    details: str = ""


Taker = Callable[[Note], None]
Encode = Callable[[Any], bytes]
Decode = Callable[[bytes], Any]


class NotedChannel:
    """A channel for generated stubs on top of a channel of bytes; ``taker``, if there is one, gets a note of it all.

    A taker is called in the event loop: it has to be quick.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self.taker: Taker | None = None

    async def close(self) -> None:
        """Close the channel of bytes."""
        await self._channel.close()

    def unary_unary(self, method: str, request_serializer: Encode, response_deserializer: Decode, **_: Any) -> Any:
        """Return the function that makes a call of one message each way."""
        send = self._channel.unary_unary(method)

        async def call(request: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - gRPC's own name
            body = request_serializer(request)
            if self.taker is None:
                return response_deserializer(await send(body, timeout=timeout))
            noted = self._begin(method)
            answer = await noted.outcome(send(body, timeout=timeout), body)
            return response_deserializer(answer)

        return call

    def stream_unary(self, method: str, request_serializer: Encode, response_deserializer: Decode, **_: Any) -> Any:
        """Return the function that makes a call of many messages and one answer."""
        send = self._channel.stream_unary(method)

        async def bodies(requests: AsyncIterable[Any], noted: _Call) -> AsyncIterator[bytes]:
            async for request in requests:
                body = request_serializer(request)
                noted.note(request=body)
                yield body

        async def call(requests: AsyncIterable[Any], timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as above
            noted = self._begin(method)
            answer = await noted.outcome(send(bodies(requests, noted), timeout=timeout))
            return response_deserializer(answer)

        return call

    def unary_stream(self, method: str, request_serializer: Encode, response_deserializer: Decode, **_: Any) -> Any:
        """Return the function that makes a call of one message and many answers."""
        send = self._channel.unary_stream(method)

        def call(request: Any) -> _Answers:
            body = request_serializer(request)
            noted = self._begin(method)
            noted.note(request=body)
            return _Answers(send(body), response_deserializer, noted)

        return call

    def _begin(self, method: str) -> "_Call":
        return _Call(self, next(self._numbers), method, time.time(), time.perf_counter())


@dataclass(slots=True)
class _Call:
    """One call, as far as notes are taken of it: notes may be switched on and off in the middle of it."""

    channel: NotedChannel
    number: int
    method: str
    begun: float
    _started: float
    _ended: bool = False

    def note(
        self, request: bytes | None = None, answer: bytes | None = None, status: str = "", details: str = ""
    ) -> None:
        """Tell the taker, if there is one and the call has not ended."""
        if self._ended:
            return
        self._ended = bool(status)
        if self.channel.taker is not None:
            elapsed = time.perf_counter() - self._started
            self.channel.taker(Note(self.number, self.method, self.begun, elapsed, request, answer, status, details))

    async def outcome(self, call: Any, request: bytes | None = None) -> bytes:
        """Wait for the one answer of a call."""
        try:
            answer: bytes = await call
        except grpc.aio.AioRpcError as error:
            self.note(request, status=error.code().name, details=error.details() or "")
            raise
        except asyncio.CancelledError:
            self.note(request, status=grpc.StatusCode.CANCELLED.name)
            raise
        self.note(request, answer, OK)
        return answer


class _Answers:
    """What a call with many answers returns, as far as we use it."""

    def __init__(self, call: Any, decode: Decode, noted: _Call) -> None:
        self._call, self._decode, self._noted = call, decode, noted

    async def read(self) -> Any:
        """Return the next answer, or :data:`grpc.aio.EOF`."""
        try:
            body = await self._call.read()
        except grpc.aio.AioRpcError as error:
            self._noted.note(status=error.code().name, details=error.details() or "")
            raise
        if body is grpc.aio.EOF:
            self._noted.note(status=OK)
            return body
        self._noted.note(answer=body)
        return self._decode(body)

    def cancel(self) -> None:
        """End the call, if it has not ended."""
        self._call.cancel()
        self._noted.note(status=grpc.StatusCode.CANCELLED.name)


class DryChannel:
    """A channel of bytes that leads nowhere: each call succeeds, with the answer of a daemon that knows nothing yet.

    It stands for a daemon of one generation, whose gRPC service is ``service``; of another it says what a daemon says.
    """

    def __init__(self, service: str) -> None:
        self._prefix = f"/{service}/"

    async def close(self) -> None:
        """There is nothing to close."""

    def unary_unary(self, method: str) -> Any:
        """Return the function that makes a call of one message each way."""

        async def call(body: bytes, timeout: float | None = None) -> bytes:  # noqa: ARG001, ASYNC109 - gRPC's signature
            self._check(method)
            return b""

        return call

    def stream_unary(self, method: str) -> Any:
        """Return the function that makes a call of many messages and one answer."""

        async def call(bodies: AsyncIterable[bytes], timeout: float | None = None) -> bytes:  # noqa: ARG001, ASYNC109 - same
            self._check(method)
            async for _ in bodies:
                pass
            return b""

        return call

    def unary_stream(self, method: str) -> Any:
        """Return the function that makes a call of one message and no answer."""
        return lambda _: _NoAnswers(method, self._check)

    def _check(self, method: str) -> None:
        if not method.startswith(self._prefix):
            nothing = grpc.aio.Metadata()
            unknown = f"unknown service {method.split('/')[1]}"
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNIMPLEMENTED, nothing, nothing, details=unknown)


@dataclass(frozen=True, slots=True)
class _NoAnswers:
    method: str
    check: Callable[[str], None]

    async def read(self) -> Any:
        """Return the end at once."""
        self.check(self.method)
        return grpc.aio.EOF

    def cancel(self) -> None:
        """It has ended already."""
