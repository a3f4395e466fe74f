"""A place of its own for each test: a prefix for namespaces, a directory with a short path, and what to clean up.

The prefix holds the process ID of the test run, so that namespaces of a run that was killed are told from those of one
that goes on beside this one, and can be removed.
"""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace, create, create_lan, existing
from flatbgp.lab.processes import Process

_PREFIX = re.compile(r"t(\d+)x\d+-")
_counter = itertools.count(1)

SANDBOX = pytest.StashKey["Sandbox"]()
"""Where a test leaves its sandbox, so that the report of its failure has the logs."""

Stoppable = TypeVar("Stoppable", bound=Process)


class Sandbox:
    """Use it in a ``with`` block: at its end every process in it is ended, and every namespace removed."""

    def __init__(self) -> None:
        self.prefix = f"t{os.getpid()}x{next(_counter)}-"
        # A Unix socket's path has at most 107 bytes, which pytest's own directories nearly use up.
        self.directory = Path(tempfile.mkdtemp(prefix="fb-", dir="/tmp"))
        self.directory.chmod(0o755)  # FRR's daemons give up root
        self._cleanup = ExitStack()
        self._cleanup.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self._cleanup.callback(self._delete_namespaces)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def host(self, name: str, *, forwarding: bool = False) -> Namespace:
        """Make a machine."""
        return create(self.prefix + name, forwarding=forwarding)

    def lan(self, name: str) -> Namespace:
        """Make a LAN."""
        return create_lan(self.prefix + name)

    def owns(self, process: Stoppable) -> Stoppable:
        """End a process at the end, if it still runs then."""
        self._cleanup.callback(process.kill)
        return process

    def finally_call(self, callback: Callable[[], object]) -> None:
        """Call something at the end, before the namespaces go."""
        self._cleanup.callback(callback)

    def logs(self, lines: int = 40) -> dict[str, str]:
        """Return the last lines of every log in the directory, for the report of a failed test."""
        found = {}
        for path in sorted((*self.directory.rglob("*.log"), *self.directory.rglob("*.out"))):
            text = path.read_text(errors="replace")
            if text:
                found[str(path.relative_to(self.directory))] = "\n".join(text.splitlines()[-lines:])
        return found

    def _delete_namespaces(self) -> None:
        for namespace in existing(self.prefix):
            namespace.delete()


def remove_leftovers() -> None:
    """Remove the namespaces of test runs that no longer run (they were killed)."""
    for namespace in existing("t"):
        match = _PREFIX.match(namespace.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            with suppress(LabError):  # another worker of this run removes the same ones at the same time
                namespace.delete()
