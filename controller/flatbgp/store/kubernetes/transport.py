"""Requests to one API server: each with a deadline, and none to another cluster than the first that answered.

What is sent and what comes back are bytes; what they mean is not known here.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey

from flatbgp.store.kubernetes.access import Access, Location, load
from flatbgp.store.kubernetes.library import RESTClientObject
from flatbgp.store.protocol import StoreError, Unreachable, WrongStore

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

USER_AGENT: Final = "flatbgp"
"""How the server's audit log and metrics name the client."""

IDENTITY_PATH: Final = "/api/v1/namespaces/kube-system"
"""Its uid tells a cluster from any other: the namespace is made with the cluster and cannot be deleted."""

CALL_SECONDS: Final = 10.0
"""The deadline of a request; a caller in a hurry puts ``asyncio.timeout`` around it."""

_SHARED_SECONDS: Final = 1.0
"""For how long those who want to know the cluster join the one who asked first."""

_HALF_OPEN_SECONDS: Final = 30
"""After so long without an answer the kernel gives a connection up, though nothing was to be sent on it."""

_PROBE_SECONDS: Final = 5

_asks_who: ContextVar[bool] = ContextVar("asks_who", default=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; ``body`` is what is sent as JSON."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content_type: str = JSON

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; ``retry_after`` is how long the server asks to be left alone (seconds)."""

    status: int
    body: bytes
    retry_after: float = 0.0


class _Meta(msgspec.Struct):
    uid: str


class _Namespace(msgspec.Struct):
    metadata: _Meta


class _Connector(aiohttp.TCPConnector):
    """Makes connections whose sockets find out when the other end is gone without a word, and cuts those it closes.

    TLS takes leave before it closes, and waits for the other end to do so too: for 30 seconds when nobody is there, and
    the connection stays open until then. Nothing that is sent here needs that; HTTP says itself where an answer ends.
    """

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if (should_close or protocol.should_close) and protocol.transport is not None:
            protocol.transport.abort()
        super()._release(key, protocol, should_close=should_close)


class _Client(RESTClientObject):
    """The library's transport, with connections of :class:`_Connector`."""

    def _create_connector(self) -> aiohttp.TCPConnector:
        return _Connector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=_socket)


class Transport:
    """A client of the cluster at ``place``.

    The cluster is known by the first answer. Another one behind the same address needs new connections, so before each
    new connection is used, and after every failure, the cluster is asked who it is.
    """

    def __init__(self, place: Location) -> None:
        self._place = place
        self._access: Access | None = None
        self._client: _Client | None = None
        self._identity = ""
        self._known = False
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._questions: set[asyncio.Task[None]] = set()

    @property
    def where(self) -> str:
        """The server, and as whom it is asked, in words."""
        return self._access.where if self._access else "the Kubernetes cluster"

    async def identity(self) -> str:
        """Return the uid of kube-system; :class:`WrongStore` when it is not what it was."""
        async with self.deadline(CALL_SECONDS, "its identity"):
            await self._ask_once()
        return self._identity

    async def call(self, request: Request, seconds: float = CALL_SECONDS) -> Answer:
        """Send a request and return the answer, whatever it says; :class:`Unreachable` without one."""
        async with self.deadline(seconds, request):
            if not self._known:
                await self._ask_once()
            async with self._exchange(request) as response:
                return Answer(response.status, await response.read(), _retry_after(response))

    @contextlib.asynccontextmanager
    async def stream(self, request: Request, seconds: float = CALL_SECONDS) -> AsyncIterator["Stream"]:
        """Send a request and hand out the answer while it comes; ``seconds`` is the deadline of its beginning."""
        async with contextlib.AsyncExitStack() as stack:
            async with self.deadline(seconds, request):
                if not self._known:
                    await self._ask_once()
                response = await stack.enter_async_context(self._exchange(request))
            yield Stream(response, self)

    async def close(self) -> None:
        """Close all connections."""
        questions = tuple(self._questions)
        for question in questions:
            question.cancel()
        if questions:
            await asyncio.wait(questions)
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await asyncio.sleep(0)  # what was cut off ends in the loop's next turn

    def failed(self, request: object, error: Exception) -> Unreachable:
        """Return what to raise for a connection that failed; who answers the next time must say so first."""
        self._known = False
        match error:
            case TimeoutError():
                reason = str(error) or "no answer in time"
            case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
                reason = (
                    f"its certificate cannot be trusted ({error}); check the certificate-authority and the server's"
                    " name in the kubeconfig"
                )
            case _:
                reason = str(error) or type(error).__name__
        return Unreachable(f"{self.where} cannot be reached for {request}: {reason}")

    @contextlib.asynccontextmanager
    async def deadline(self, seconds: float, request: object) -> AsyncIterator[None]:
        """Raise :class:`Unreachable` when the block takes longer, or its connection breaks."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise self.failed(request, TimeoutError(f"no answer within {seconds:g} s")) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self.failed(request, error) from error

    @contextlib.asynccontextmanager
    async def _exchange(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        response = await self._send(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            # Nothing was done. The credentials may have been renewed where they come from.
            response.release()
            await self._load()
            response = await self._send(request)
        try:
            yield response
        finally:
            response.release()

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        if self._access is None or self._client is None:
            access, client = await self._load()
        else:
            access, client = self._access, self._client
        # Lists of a local server come faster as they are than compressed.
        headers = {
            "Accept": JSON,
            "Accept-Encoding": "identity",
            "Content-Type": request.content_type,
            "User-Agent": USER_AGENT,
        }
        authorization = await access.authorization()
        if authorization is not None:
            headers["Authorization"] = authorization
        url = f"{access.configuration.host}{request.path}"
        if request.query:
            url += f"?{urlencode(request.query)}"
        unlimited = aiohttp.ClientTimeout(total=None)  # the deadline is set around all of it
        answer = await client.request(  # type: ignore[no-untyped-call]  # the library's
            request.method, url, headers=headers, body=request.body, _request_timeout=unlimited
        )
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _load(self) -> tuple[Access, _Client]:
        """Read the configuration, anew if it was read before. Connections go on, unless they have a certificate."""
        access = await load(self._place)
        if self._client is None or access.configuration.cert_file:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_start.append(self._before_connecting)
            access.configuration.trace_configs = [trace]
            access.configuration.connection_pool_maxsize = 0  # no limit: each watch has a connection of its own
            access.configuration.client_session_kwargs = {"trust_env": False}  # access has looked there
            old, self._client = self._client, _Client(access.configuration)
            if old is not None:
                await old.close()
        self._access = access
        return access, self._client

    async def _before_connecting(self, *_: object) -> None:
        if not _asks_who.get():
            await self._ask_once()

    async def _ask_once(self) -> None:
        """Ask the cluster who it is. All who want to know at about the same time share one request.

        Whoever comes later makes one of their own: the first may be on a connection that is dead.
        """
        now = asyncio.get_running_loop().time()
        if self._asking is None or now > self._asked_at + _SHARED_SECONDS:
            self._asking, self._asked_at = asyncio.create_task(self._ask(), name="who is the API server"), now
            self._questions.add(self._asking)
            self._asking.add_done_callback(self._answered)
        await asyncio.shield(self._asking)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._questions.discard(task)
        if self._asking is task:
            self._asking = None
        if not task.cancelled():
            task.exception()  # seen, even if those who asked were cancelled

    async def _ask(self) -> None:
        _asks_who.set(True)
        request = Request("GET", IDENTITY_PATH)
        async with self.deadline(CALL_SECONDS, request), self._exchange(request) as response:
            body = await response.read()
        if response.status != HTTPStatus.OK:
            self._known = False
            raise _unidentified(self.where, Answer(response.status, body, _retry_after(response)))
        try:
            uid = msgspec.json.decode(body, type=_Namespace).metadata.uid
        except msgspec.DecodeError as error:
            raise WrongStore(f"{self.where} is no Kubernetes API server: {error}") from error
        if self._identity and uid != self._identity:
            self._known = False
            raise WrongStore(
                f"{self.where} is another cluster than before: the uid of its namespace kube-system was"
                f" {self._identity} and is {uid}; put the old one back, or restart this process to accept it"
            )
        self._identity, self._known = uid, True


class Stream:
    """The answer to a request that goes on and on."""

    def __init__(self, response: aiohttp.ClientResponse, transport: Transport) -> None:
        self._response = response
        self._transport = transport

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    async def rest(self) -> Answer:
        """Return the answer as a whole (that to a request which was refused)."""
        async with self._transport.deadline(CALL_SECONDS, self._response.url.path):
            return Answer(self.status, await self._response.read(), _retry_after(self._response))

    async def chunk(self, seconds: float) -> bytes | None:
        """Return what has come, as soon as there is anything; ``b""`` at the end, ``None`` after ``seconds`` without.

        Raises :class:`Unreachable` when the connection breaks.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._response.content.readany()
        except TimeoutError:
            return None
        except (aiohttp.ClientError, OSError) as error:
            raise self._transport.failed(self._response.url.path, error) from error


def _retry_after(response: aiohttp.ClientResponse) -> float:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else 0.0


def _unidentified(where: str, answer: Answer) -> StoreError:
    text = answer.body[:300].decode(errors="replace")
    if answer.status == HTTPStatus.FORBIDDEN:
        return StoreError(
            f"{where} does not let this user read the namespace kube-system, by whose uid a cluster is known: allow"
            ' it apiGroups [""], resources ["namespaces"], resourceNames ["kube-system"], verbs ["get"]'
        )
    if answer.status == HTTPStatus.UNAUTHORIZED:
        return StoreError(f"{where} does not accept the credentials: log in again, or renew the token ({text})")
    return Unreachable(f"{where} cannot say who it is: {answer.status} {text}", answer.retry_after)


def _socket(address: Any) -> socket.socket:
    """Make a socket whose connection ends when the other end is not there any more.

    A watch may say nothing for a minute; a half-open connection (a crashed machine, a forgotten NAT entry) looks just
    the same to whoever only listens.
    """
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _HALF_OPEN_SECONDS // 2)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _HALF_OPEN_SECONDS // 2 // _PROBE_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _HALF_OPEN_SECONDS * 1000)
    return made
