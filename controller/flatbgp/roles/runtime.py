"""The shell that all roles share: logs, signals, exit status, and the loop *change -> snapshot -> plan -> apply*.

A role is a coroutine that runs until it is cancelled. SIGTERM and SIGINT cancel it once: what it must put in order it
does in its own ``finally``. A role that is not done after :data:`STOP_SECONDS` is ended with a dump of where it hung.
"""

import asyncio
import contextlib
import faulthandler
import logging
import os
import secrets
import signal
import socket
import sys
import types
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import structlog

from flatbgp.roles.options import LogFormat, RoleOptions
from flatbgp.roles.runtime_http import Samples, Server
from flatbgp.store.election import LeadershipLost
from flatbgp.store.protocol import StoreError

E = TypeVar("E", bound=Exception)
R = TypeVar("R")

STOP_SECONDS: Final = 4.5
"""From SIGTERM to the end of the process at the latest; the contract is 5 s."""

RETRY_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Waits after the first, second, ... failure in a row; the last one repeats. A change ends the wait at once."""


def retry_pause(failures: int) -> float:
    """Return how many seconds to wait after a failure that so many others went before, without a success."""
    return RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]


class RoleFailed(Exception):
    """The role cannot go on. The text says what failed, on what, why and what to do; ``status`` is the exit status."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class Runtime:
    """What a running role has of its shell. ``ready`` turns true with the first plan applied (``/readyz``)."""

    log: structlog.stdlib.BoundLogger
    ready: bool = False
    samples: list[Callable[[], Samples]] = field(default_factory=list)


class Wakeup:
    """A flag that wakes one loop: many changes while it works are one wake-up afterwards.

    The first change is acted on at once; only what comes while the loop is busy is taken together.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake the loop, now or when it is done with what it does."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Return at the next wake-up (``True``), or after ``seconds`` (``False``); the flag is down again."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Trouble:
    """What goes wrong, logged once and not for every retry, and once more when it is over."""

    def __init__(self, log: structlog.stdlib.BoundLogger) -> None:
        self._log = log
        self._current: dict[str, str] = {}

    def report(self, about: str, message: str) -> None:
        """Log ``message`` unless it is what was last said ``about`` the same thing."""
        if self._current.get(about) != message:
            self._current[about] = message
            self._log.warning(message, about=about)

    def clear(self, about: str) -> None:
        """Say that it is over, if it was reported."""
        if self._current.pop(about, None) is not None:
            self._log.info("works again", about=about)

    def keep_only(self, prefix: str, abouts: Collection[str]) -> None:
        """Clear everything that begins with ``prefix``, but ``abouts``."""
        for about in [about for about in self._current if about.startswith(prefix) and about not in abouts]:
            self.clear(about)

    def __bool__(self) -> bool:
        return bool(self._current)


async def reconcile(
    wakeup: Wakeup, step: Callable[[], Awaitable[float | None]], trouble: Trouble, *, about: str
) -> None:
    """Run ``step`` now and after each wake-up, for ever.

    ``step`` returns the seconds after which it wants to run again without a change (``None``: only on a change). A
    :class:`StoreError` is retried after :data:`RETRY_SECONDS`; the step then works from what the caches last held.
    ``about`` is what the step does, and no other step: its success ends the trouble that is reported about it.
    """
    failures = 0
    while True:
        try:
            pause = await step()
        except StoreError as error:
            trouble.report(about, str(error))
            pause = retry_pause(failures)
            failures += 1
        else:
            trouble.clear(about)
            failures = 0
        await wakeup.wait(pause)


async def patiently(call: Callable[[], Awaitable[R]], trouble: Trouble) -> R:
    """Call until the store answers."""
    failures = 0
    while True:
        try:
            answer = await call()
        except StoreError as error:
            trouble.report("store", f"{error}; trying again")
            await asyncio.sleep(retry_pause(failures))
            failures += 1
        else:
            trouble.clear("store")
            return answer


def utc_now() -> datetime:
    """Return the wall clock's time, to the second as Kubernetes' conditions have it."""
    return datetime.now(UTC).replace(microsecond=0)


def process_identity() -> str:
    """Return a name that no other process has: for the Lease of a leader."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


async def lead_again(runtime: Runtime, role: Callable[[], Awaitable[None]], *, supervised: bool) -> None:
    """Run a role that leads; when it may lead no more, end the process if somebody starts it again, else begin anew.

    A store that cannot be written ends the lead of every role in time. On Kubernetes the process then ends
    (:class:`RoleFailed`): nothing of a former leader is left that could act. Nothing supervises a role on the embedded
    store, so there it comes back by itself and waits for the lead. It starts from nothing: what it remembered may be
    another leader's past.
    """
    while True:
        try:
            await role()
        except* LeadershipLost as lost:
            if supervised:
                raise RoleFailed(
                    "; ".join(map(str, _leaves(lost))) + "; this process ends, and another may lead"
                ) from None
            for error in _leaves(lost):
                runtime.log.error(f"{error}; nothing more is written until this process leads again")  # noqa: TRY400 - as below
        else:
            return
        runtime.ready = False
        runtime.samples.clear()


def configure_logging(log_format: LogFormat, level: str) -> None:
    """Log to stderr, ours and the libraries' alike: text on a terminal, one JSON object a line otherwise."""
    text = log_format is LogFormat.TEXT or (log_format is LogFormat.AUTO and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def run_role(name: str, role: Callable[[Runtime], Coroutine[Any, Any, None]], options: RoleOptions) -> int:
    """Run a role in the foreground until SIGTERM or SIGINT (status 0) or until it fails (its status); return that."""
    configure_logging(options.log_format, options.log_level)
    runtime = Runtime(log=structlog.stdlib.get_logger("flatbgp").bind(role=name))
    status = 0
    try:
        # A factory, so that the thread's own idea of a current loop (a test's, an embedder's) stays as it is.
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(_supervise(role, runtime, options))
    except* RoleFailed as failures:
        for failure in _leaves(failures):
            runtime.log.error(str(failure))  # noqa: TRY400 - the sentence says it all; a traceback would bury it
            status = max(status, failure.status)
    finally:
        faulthandler.cancel_dump_traceback_later()
    return status


async def _supervise(
    role: Callable[[Runtime], Coroutine[Any, Any, None]], runtime: Runtime, options: RoleOptions
) -> None:
    loop = asyncio.get_running_loop()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            runtime.log.info("stopping")
            work.cancel()

    def on_signal(_number: int, _frame: types.FrameType | None) -> None:
        # Not loop.add_signal_handler: a loop that is stuck would never arm the watchdog.
        faulthandler.dump_traceback_later(STOP_SECONDS, exit=True)
        loop.call_soon_threadsafe(stop)

    async with contextlib.AsyncExitStack() as stack:
        server = Server(ready=lambda: runtime.ready, samples=runtime.samples)
        for bind in {bind for bind in (options.metrics_bind, options.health_bind) if bind is not None}:
            try:
                await stack.enter_async_context(server.listen(bind))
            except OSError as error:
                where = f"{bind.host or '*'} port {bind.port}"
                raise RoleFailed(f"cannot listen on {where} ({error.strerror or error}): choose another") from error
        work = loop.create_task(role(runtime), name="role")
        for number in (signal.SIGTERM, signal.SIGINT):
            stack.callback(signal.signal, number, signal.signal(number, on_signal))
        try:
            await work
        except asyncio.CancelledError:
            if not stopping:
                raise


def _leaves(group: BaseExceptionGroup[E]) -> list[E]:
    found: list[E] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found
