"""Something done inside a network namespace, by a thread of this process."""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from flatbgp.lab.namespaces import Namespace

R = TypeVar("R")

_CLONE_NEWNET: Final = 0x40000000
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def inside(namespace: Namespace, call: Callable[[], R]) -> R:
    """Return what ``call`` returns there.

    A thread has its own idea of the namespace, which ends with it; sockets stay where they were made.
    """
    outcome: Future[R] = Future()

    def work() -> None:
        try:
            _enter(namespace)
            outcome.set_result(call())
        except Exception as error:  # whatever it is, it belongs to the caller
            outcome.set_exception(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return outcome.result()


def _enter(namespace: Namespace) -> None:
    with Path(f"/run/netns/{namespace.name}").open("rb") as handle:
        if _LIBC.setns(handle.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace.name)
