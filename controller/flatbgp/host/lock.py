"""One speaker for a store and a node: the second one says so and goes.

The lock is a listening unix socket in the abstract name space (unix(7)). It belongs to the network name space, as do
the addresses that it guards, so two containers on the host's network see each other whatever their file systems are;
and it is gone the moment its process is, however that ended.
"""

import errno
import hashlib
import socket
import struct
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from flatbgp.host.model import HostError

_CREDENTIALS = struct.Struct("@3i")  # struct ucred: pid, uid, gid


class LockHeld(HostError):
    """Another speaker runs for the same store and node."""


class SpeakerLock:
    """The lock of ``node`` in the store whose own identity is ``store``. Holds until closed, or the process ends."""

    def __init__(self, store: str, node: str) -> None:
        # A digest: names have any length, and an abstract one has 107 octets.
        digest = hashlib.sha256(f"{store}\0{node}".encode()).hexdigest()
        name = f"\0flatbgp/speaker/{digest}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(name)
            # Nobody accepts: who connects reads the holder's process from the kernel, also when it is frozen.
            self._socket.listen(1)
        except OSError as error:
            self._socket.close()
            if error.errno != errno.EADDRINUSE:
                raise HostError(f"cannot take the speaker's lock of node {node}: {error.strerror}") from error
            raise LockHeld(
                f"another speaker runs for node {node} and this store{_holder(name)}; stop it first, "
                "or give this one another --node"
            ) from error

    def close(self) -> None:
        """Free the lock."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _holder(name: str) -> str:
    """Return who listens, as far as it can be told: nothing if it went in between or lives out of our sight."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as client, suppress(OSError):
        client.connect(name)
        pid, _, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if pid > 0:  # 0: a process in another pid name space
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            return f": process {pid} ({command})"
        return ", in another container"
    return ""
