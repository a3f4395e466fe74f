"""``flatbgp gobgpd``: a gobgpd as a container runs it, ended without a word.

Graceful restart (RFC 4724) keeps routes at the routers when a daemon vanishes, not when it says goodbye: on SIGTERM and
SIGINT every gobgpd sends a Cease, which withdraws all that it announced (measured with 3.10, 3.36 and 4.8). So this
process stands before it, takes the SIGTERM of whoever stops the container, and kills it.

It imports neither gRPC nor an event loop: it waits, and that should cost little.
"""

import ctypes
import os
import signal
import subprocess
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Final

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgpd import UMASK, answers, command, describe_status, prepare_socket, version_of

START_SECONDS: Final = 20.0
"""Until a gobgpd answers on its socket; it takes a tenth of a second."""

_LOOK: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1


def supervise(program: str, api: Path, *, plain_log: bool) -> None:
    """Run a gobgpd that answers on the Unix socket ``api`` until SIGTERM or SIGINT, then kill it.

    Raises :class:`EngineError` when it cannot be started, opens no socket, or ends by itself: whoever started this
    process (a container runtime, systemd) starts it again, with an empty daemon that the speaker fills.
    """
    line = command(program, version_of(program), api, plain_log=plain_log)
    end = _End()
    before = {number: signal.signal(number, end.on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        prepare_socket(api)
        child = _start(line)
        try:
            end.watch(child)
            _await_socket(child, api)
            status = child.wait()
        finally:
            child.kill()
            child.wait()
            api.unlink(missing_ok=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if not end.asked:
        raise EngineError(f"gobgpd ended by itself ({describe_status(status)}); its log says why")


class _End:
    """Kills the child when this process is asked to end, also a child that was only just being started."""

    def __init__(self) -> None:
        self.asked = False
        self._child: subprocess.Popen[bytes] | None = None

    def on_signal(self, _number: int, _frame: types.FrameType | None) -> None:
        self.asked = True
        if self._child is not None:
            self._child.kill()

    def watch(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        if self.asked:
            child.kill()


def _start(line: tuple[str, ...]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            umask=UMASK,
            start_new_session=True,
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - this process has one thread
        )
    except OSError as error:
        raise EngineError(f"cannot start {line[0]}: {error.strerror}") from error


def _await_socket(child: subprocess.Popen[bytes], api: Path) -> None:
    """Wait for the API: version 4 runs on without one when it cannot open its socket."""
    deadline = time.monotonic() + START_SECONDS
    while child.poll() is None and not answers(api):
        if time.monotonic() > deadline:
            raise EngineError(f"gobgpd runs, but did not open {api} within {START_SECONDS:g} s: see its log")
        time.sleep(_LOOK)


def _die_with_parent() -> Callable[[], None]:
    """Return what makes the child die with this process: a gobgpd left alone would go on with sessions of its own.

    Loaded before the fork, since between fork and exec nothing may be imported or allocated that could block.
    """
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask_kernel() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signal.SIGKILL)

    return ask_kernel
