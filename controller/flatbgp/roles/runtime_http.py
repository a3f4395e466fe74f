"""The optional port of a role: ``/healthz``, ``/readyz`` and ``/metrics``, answered by the role's own loop.

That the loop answers is the proof of life; a stuck loop answers nothing.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from flatbgp.roles.options import Endpoint

_REQUEST_SECONDS: Final = 5.0
_REQUEST_BYTES: Final = 8192


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of a metric with its labels, as Prometheus names them; ``type`` is "gauge" or "counter"."""

    name: str
    help: str
    value: float
    type: str = "gauge"
    labels: tuple[tuple[str, str], ...] = ()


Samples = Iterable[Sample]


@dataclass(frozen=True, slots=True)
class Server:
    """Answers GET for the three paths; ``samples`` are asked anew for each request."""

    ready: Callable[[], bool]
    samples: Sequence[Callable[[], Samples]]

    @contextlib.asynccontextmanager
    async def listen(self, bind: Endpoint) -> AsyncIterator[None]:
        """Listen while the context is open; :class:`OSError` if the address is taken or not ours."""
        server = await asyncio.start_server(self._answer, bind.host or None, bind.port, limit=_REQUEST_BYTES)
        try:
            yield
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                status, content_type, body = self._respond(request.split(b"\r\n", 1)[0].decode("latin-1"))
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that says nothing sensible gets nothing
        finally:
            writer.close()

    def _respond(self, line: str) -> tuple[str, str, bytes]:
        method, _, rest = line.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method != "GET":
            return "405 Method Not Allowed", "text/plain", b"only GET\n"
        if path == "/healthz":
            return "200 OK", "text/plain", b"ok\n"
        if path == "/readyz":
            return ("200 OK", "text/plain", b"ok\n") if self.ready() else ("503 Not Ready", "text/plain", b"not yet\n")
        if path == "/metrics":
            return "200 OK", "text/plain; version=0.0.4; charset=utf-8", _exposition(self.samples)
        return "404 Not Found", "text/plain", b"there are /healthz, /readyz and /metrics\n"


def _exposition(sources: Sequence[Callable[[], Samples]]) -> bytes:
    """Render the samples in Prometheus' text format, the process's own metrics behind them."""
    # Imported here: only a role that was asked for metrics pays its 20 ms and 5 MB.
    from prometheus_client import REGISTRY, CollectorRegistry, generate_latest  # noqa: PLC0415 - as above
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - as above
    from prometheus_client.metrics_core import Metric  # noqa: PLC0415 - as above

    families: dict[str, Metric] = {}
    for sample in (sample for source in sources for sample in source()):
        family = families.get(sample.name)
        if family is None:
            kind = CounterMetricFamily if sample.type == "counter" else GaugeMetricFamily
            family = families[sample.name] = kind(sample.name, sample.help)
        name = family.name + "_total" if sample.type == "counter" else family.name
        family.add_sample(name, dict(sample.labels), sample.value)

    class _Once:
        def collect(self) -> Iterable[Metric]:
            return families.values()

    registry = CollectorRegistry()
    registry.register(_Once())
    return generate_latest(registry) + generate_latest(REGISTRY)
