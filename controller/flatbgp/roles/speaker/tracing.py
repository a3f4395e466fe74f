"""The trace of all calls to gobgpd: from the start if that was asked for, and switched on and off by SIGUSR2."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from flatbgp.engine.errors import EngineError
from flatbgp.roles.options import SpeakerOptions
from flatbgp.roles.runtime import RoleFailed

if TYPE_CHECKING:  # loading gRPC takes 20 MB, which an idle speaker does without
    from flatbgp.engine.gobgp.adapter import GobgpEngine
    from flatbgp.engine.gobgp.tracefile import TraceFile


@dataclass(slots=True)
class CallTracing:
    """Whether calls are traced, and where to; the engine may come later, and a disk that fails ends only the trace."""

    options: SpeakerOptions
    log: structlog.stdlib.BoundLogger
    _engine: GobgpEngine | None = None
    _file: TraceFile | None = None
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Trace if asked to, listen to SIGUSR2, and write what is left at the end."""
        self._loop.add_signal_handler(signal.SIGUSR2, self.switch)
        try:
            if self.options.trace_rpc is not None:
                try:
                    self._begin()
                except EngineError as error:
                    raise RoleFailed(f"--trace-rpc: {error}") from error
            yield
        finally:
            self._loop.remove_signal_handler(signal.SIGUSR2)
            self._end()

    @property
    def on(self) -> bool:
        """Whether calls are traced."""
        return self._file is not None

    def attach(self, engine: GobgpEngine) -> GobgpEngine:
        """Trace this engine from now on, while tracing is on."""
        self._engine = engine
        engine.trace(self._file.take if self._file is not None else None)
        return engine

    def switch(self) -> None:
        """Begin to trace, or end it."""
        if self._file is not None:
            self.log.info(f"the trace of gRPC calls in {self._file.path} has ended")
            self._end()
            return
        try:
            self._begin()
        except EngineError as error:
            self.log.warning(str(error))

    def _begin(self) -> None:
        from flatbgp.engine.gobgp.tracefile import TraceFile  # noqa: PLC0415 - see above

        options = self.options
        path = options.trace_rpc
        if path is None:
            path = options.state_dir / f"rpc-trace-{options.node}.jsonl"
            with contextlib.suppress(OSError):  # opening the file says what is wrong
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = {"node": options.node, "gobgp": options.gobgp}
        self._file = TraceFile(path, options.trace_limit, about, self._failed)
        if self._engine is not None:
            self._engine.trace(self._file.take)
        self.log.info(f"gRPC calls are traced to {path}; SIGUSR2 ends that, 'flatbgp debug rpc {path}' shows it")

    def _end(self) -> None:
        file, self._file = self._file, None
        if self._engine is not None:
            self._engine.trace(None)
        if file is not None:
            file.close()

    def _failed(self, message: str) -> None:
        """Take note, in the writing thread, that nothing is written any more."""

        def forget() -> None:
            self.log.warning(message)
            self._end()

        self._loop.call_soon_threadsafe(forget)
