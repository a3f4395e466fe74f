"""flatbgp by a wall clock that a test sets: see :mod:`support.settableclock`. First argument: the clock's history.

Moved is every reading of the clock by Python code, and the kernel's stamps of packets (SO_TIMESTAMPNS): by as much as
the clock was ahead when the packet came, as on a machine whose clock was set. Not moved is what gRPC's core reads, so
the deadlines that gRPC's Python half hands to it are times of the right clock.
"""

import datetime
import json
import runpy
import socket
import struct
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc.aio._utils

_HISTORY = Path(sys.argv.pop(1))
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
_right_time, _receive, _Datetime = time.time, socket.socket.recvmsg_into, datetime.datetime


def _ahead(moment: float) -> float:
    """Return how much the clock was ahead at a moment of the right time."""
    steps = json.loads(_HISTORY.read_text())
    return next((ahead for since, ahead in reversed(steps) if since <= moment), 0.0)


def _time() -> float:
    now = _right_time()
    return now + _ahead(now)


class _ClockedDatetime(_Datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_ClockedDatetime":
        return cls.fromtimestamp(_time(), tz)


def _recvmsg_into(self: socket.socket, *arguments: Any) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
    size, ancillary, flags, sender = _receive(self, *arguments)
    return size, [(level, kind, _moved(level, kind, data)) for level, kind, data in ancillary], flags, sender


def _moved(level: int, kind: int, data: bytes) -> bytes:
    if (level, kind) != (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
        return data
    seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
    return _TIMESPEC.pack(seconds + int(_ahead(seconds + nanoseconds / 1e9)), nanoseconds)


time.time = _time
datetime.datetime = _ClockedDatetime  # type: ignore[misc] # this and what follows is what the program is here for
socket.socket.recvmsg_into = _recvmsg_into  # type: ignore[method-assign]
grpc.aio._utils.time = SimpleNamespace(time=_right_time)  # type: ignore[assignment]
runpy.run_module("flatbgp.cli.main", run_name="__main__", alter_sys=True)
