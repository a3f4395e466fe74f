"""The program gobgpd: its command line, and the Unix socket that is its only door.

Whoever can connect to gobgpd's API may do everything and read the passwords of sessions, and by default it listens on
every address. So flatbgp starts it on a Unix socket alone, and with nothing else that would open a port.
"""

import re
import socket
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Final

from flatbgp.engine.errors import EngineError

Version = tuple[int, int]
"""Major and minor."""

UMASK: Final = 0o007
"""Of the daemon: its socket is for its user and group (the speaker may run as another user of that group)."""

_METRICS_SINCE: Final = (3, 14)
_VERSION_DEADLINE: Final = 10.0
_LONGEST_PATH: Final = 107
"""Bytes of a Unix socket's path (``sun_path`` of unix(7), less the final NUL)."""


def command(program: str, version: Version, api: Path, *, plain_log: bool) -> tuple[str, ...]:
    """Return the command line of a gobgpd that answers on the Unix socket ``api`` and opens no port.

    pprof, which is on by default in every version, and metrics, there since 3.14, would listen on localhost:6060. The
    log is JSON unless ``plain_log``.
    """
    return (
        program,
        *("--api-hosts", f"unix://{api}"),
        "--pprof-disable",
        *(("--metrics-path=",) if version >= _METRICS_SINCE else ()),
        *(("--log-plain",) if plain_log else ()),
    )


@lru_cache
def version_of(program: str) -> Version:
    """Ask a gobgpd for its version; raise :class:`EngineError` when it is not there or is none."""
    try:
        done = subprocess.run(
            (program, "--version"), capture_output=True, text=True, timeout=_VERSION_DEADLINE, check=False
        )
    except OSError as error:
        raise EngineError(f"cannot run {program}: {error.strerror}; install gobgpd or name it by its path") from error
    except subprocess.TimeoutExpired:
        raise EngineError(f"'{program} --version' did not end within {_VERSION_DEADLINE:g} s") from None
    return parse_version(done.stdout, program)


def parse_version(output: str, program: str) -> Version:
    """Return the version in what ``gobgpd --version`` printed; raise :class:`EngineError` when there is none."""
    found = re.search(r"gobgpd version (\d+)\.(\d+)", output)
    if found is None:
        raise EngineError(f"{program} is no gobgpd: '{program} --version' printed {output[:100].strip()!r}")
    return int(found[1]), int(found[2])


def prepare_socket(api: Path) -> None:
    """Make the way free for a new gobgpd's socket; raise :class:`EngineError` when another one answers there.

    A gobgpd that was killed leaves its socket behind. With that in the way version 3 refuses to start, and version 4
    runs on without an API.
    """
    if len(str(api).encode()) > _LONGEST_PATH:
        raise EngineError(f"{api} is too long for a Unix socket: at most {_LONGEST_PATH} bytes")
    if answers(api):
        raise EngineError(f"a gobgpd answers on {api} already: end that one first, or name another socket")
    try:
        api.parent.mkdir(parents=True, exist_ok=True)
        api.unlink(missing_ok=True)
    except OSError as error:
        raise EngineError(f"cannot make way for gobgpd's socket {api}: {error.strerror}") from error


def answers(api: Path) -> bool:
    """Return whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(api))
        except OSError:
            return False
        return True


def describe_status(status: int) -> str:
    """Return how a process ended, from :attr:`subprocess.Popen.returncode`."""
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
