"""The gRPC connection to a gobgpd: which generation answers, deadlines, and what an error means."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc

from flatbgp.engine.errors import EngineError, EngineUnavailable
from flatbgp.engine.gobgp.channel import NotedChannel, Taker
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.codec_v3 import CodecV3
from flatbgp.engine.gobgp.codec_v4 import CodecV4

CALL_DEADLINE = 5.0  # seconds; a change waits for the daemon's one management loop
HEARTBEAT_DEADLINE = 2.0  # seconds; GetBgp takes a millisecond
SILENCE = 10.0  # seconds between two answers of a stream; version 3.10 gathers a whole table before the first

# No keepalive pings: gobgpd ends a connection that pings more often than every 5 minutes, and GetBgp tells more.
_OPTIONS = [
    ("grpc.max_receive_message_length", 256 * 1024 * 1024),  # what gobgpd sends at most; gRPC's own limit is 4 MiB
    ("grpc.max_send_message_length", 256 * 1024 * 1024),
    ("grpc.initial_reconnect_backoff_ms", 100),  # a restarted daemon is found at once: gRPC backs off up to 2 minutes
    ("grpc.min_reconnect_backoff_ms", int(HEARTBEAT_DEADLINE * 1000)),  # how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),  # no connection state shared with another channel to the same socket
]
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_STOPPED = "server stopped"  # version 4 after StopBgp: the process is there, but can only be restarted


class Connection:
    """A channel to one gobgpd, which may be replaced by another generation at any time.

    The generation is found by asking GetBgp of version 4, then of version 3: the wrong one answers UNIMPLEMENTED. It is
    asked again after every failure, since the daemon that comes back may be another.
    """

    def __init__(self, target: str, channel: Any = None) -> None:
        """``channel`` takes the place of the one that leads to ``target``: a channel of bytes."""
        if not target.startswith("unix:///") or len(target) == len("unix:///"):
            raise EngineError(f"gobgpd is reached through a unix socket, unix:///PATH; {target!r} is none")
        self.target = target
        self._channel = NotedChannel(channel or grpc.aio.insecure_channel(target, options=_OPTIONS))
        self._stubs: dict[Codec, Any] = {codec: codec.stub(self._channel) for codec in (CodecV4(), CodecV3())}
        self._codec: Codec | None = None
        self.losses = 0  # how often the daemon was lost; what was known of it before is void

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def trace(self, taker: Taker | None) -> None:
        """Give notes of all calls to ``taker`` from now on, or to nobody."""
        self._channel.taker = taker

    async def codec(self) -> Codec:
        """Return the codec of the generation that answers."""
        return self._codec or (await self.identity())[0]

    async def identity(self) -> tuple[Codec, Any]:
        """Return the codec of the generation that answers, and its answer to GetBgp."""
        for codec in (self._codec,) if self._codec else tuple(self._stubs):
            try:
                response = await self._stubs[codec].GetBgp(codec.pb.GetBgpRequest(), timeout=HEARTBEAT_DEADLINE)
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED and self._codec is None:
                    continue
                raise self._failure("GetBgp", error) from error
            self._codec = codec
            return codec, response
        raise EngineError(
            f"what listens on {self.target} answers neither as GoBGP 4 (api.GoBgpService) nor as GoBGP 3 "
            "(apipb.GobgpApi): flatbgp drives gobgpd 3.10 to 3.37 and 4.x"
        )

    async def call(self, codec: Codec, method: str, request: Any, deadline: float = CALL_DEADLINE) -> Any:
        """Make a call with one answer; ``request``, of that codec, may be an asynchronous iterator of requests."""
        try:
            return await getattr(self._stubs[codec], method)(request, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            raise self._failure(method, error) from error

    async def stream(
        self, codec: Codec, method: str, request: Any, silence: float | None = SILENCE
    ) -> AsyncGenerator[Any]:
        """Make a call with many answers; none may take longer than ``silence`` seconds, if that is given."""
        call = getattr(self._stubs[codec], method)(request)
        try:
            while True:
                async with asyncio.timeout(silence):
                    response = await call.read()
                if response is grpc.aio.EOF:
                    return
                yield response
        except TimeoutError:
            raise self.lost(f"fell silent in the middle of {method}") from None
        except grpc.aio.AioRpcError as error:
            raise self._failure(method, error) from error
        finally:
            call.cancel()

    async def listed(self, codec: Codec, method: str, request: Any) -> list[Any]:
        """Make a call with many answers and return them all."""
        return [response async for response in self.stream(codec, method, request, CALL_DEADLINE)]

    def lost(self, what: str) -> EngineUnavailable:
        """Note that the daemon went away, and return the error that says so."""
        self._forget()
        return EngineUnavailable(f"gobgpd on {self.target} {what}")

    def _failure(self, method: str, error: grpc.aio.AioRpcError) -> EngineError:
        details = error.details() or "no details"
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return self.lost("was replaced by another version")
        if error.code() in _GONE:
            silent = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            return self.lost(f"does not answer {method} in time" if silent else f"is not there ({details})")
        if _STOPPED in details:
            return self.lost("has ended BGP for good: restart it")
        return EngineError(f"gobgpd on {self.target} refused {method}: {details}")

    def _forget(self) -> None:
        self._codec = None
        self.losses += 1
