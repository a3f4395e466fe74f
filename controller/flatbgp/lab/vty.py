"""A connection to an FRR daemon's vty that stays open.

Starting ``vtysh`` takes longer than what it asks takes, so programs that look often speak its protocol themselves. It
is not documented, but it is what FRR's own ``vtysh`` speaks (``vtysh_client_run`` in ``vtysh/vtysh.c``; checked with
8.4.4): a command line ends with one NUL byte; the answer is text, then three NUL bytes, then one byte of status.
"""

import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from flatbgp.lab.commands import LabError

_TERMINATOR = b"\0\0\0"
_RECEIVE_SIZE = 1 << 16


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command. ``status`` 0 is success (``CMD_SUCCESS`` of ``lib/command.h``)."""

    text: str
    status: int


@dataclass(slots=True)
class ReplyParser:
    """Cuts the byte stream into replies, however it arrives in pieces."""

    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Reply]:
        """Take received bytes and return the replies that they complete."""
        # Only the last three bytes of what was searched before can belong to a terminator.
        start = max(0, len(self._pending) - len(_TERMINATOR))
        self._pending += data
        replies = []
        while (end := self._pending.find(_TERMINATOR, start)) >= 0 and len(self._pending) > end + len(_TERMINATOR):
            text = self._pending[:end].decode(errors="replace")
            replies.append(Reply(text, self._pending[end + len(_TERMINATOR)]))
            del self._pending[: end + len(_TERMINATOR) + 1]
            start = 0
        return replies


class Vty:
    """An open vty of one daemon; use it in a ``with`` block or close it.

    A daemon that was restarted closes it: the next command opens it again.
    """

    def __init__(self, path: Path, deadline: float = 10.0) -> None:
        """``path`` is the daemon's socket (``bgpd.vty``), ``deadline`` how many seconds an answer may take."""
        self._path = path
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def execute(self, command: str) -> str:
        """Run one command and return what it printed; a command that the daemon refuses raises :class:`LabError`."""
        try:
            reply = self._ask(self._connection(), command)
        except OSError as error:
            self.close()
            raise LabError(f"no answer to '{command}' on {self._path}: {error}") from error
        if reply.status != 0:
            raise LabError(f"'{command}' was refused on {self._path}: {reply.text.strip() or reply.status}")
        return reply.text

    def json(self, command: str) -> dict[str, Any]:
        """Run a ``show ... json`` command and return the object that it printed."""
        text = self.execute(command)
        try:
            document = json.loads(text)
        except ValueError as error:
            raise LabError(f"'{command}' on {self._path} did not print JSON: {text[:200]!r}") from error
        if not isinstance(document, dict):
            raise LabError(f"'{command}' on {self._path} printed no JSON object: {text[:200]!r}")
        return document

    def configure(self, *lines: str) -> None:
        """Run configuration commands, as one would type them after ``configure terminal``."""
        self.execute("configure terminal")
        try:
            for line in lines:
                self.execute(line)
        finally:
            self.execute("end")

    def _connection(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self._deadline)
            try:
                connection.connect(str(self._path))
                self._ask(connection, "enable")
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket

    def _ask(self, connection: socket.socket, command: str) -> Reply:
        connection.sendall(command.encode() + b"\0")
        parser = ReplyParser()
        while True:
            data = connection.recv(_RECEIVE_SIZE)
            if not data:
                raise ConnectionResetError("the daemon closed the connection")
            if replies := parser.feed(data):
                return replies[0]
