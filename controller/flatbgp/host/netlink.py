"""A netlink socket that asks and gets its answer, and one that hears of changes.

Netlink is a call into the kernel dressed as a datagram: the kernel acts *while* the request is being sent, and the
answer waits when the call returns. So requests are made without awaiting anything. That is what lets a caller check a
deadline right before the kernel acts and right after, with no other task of the program in between; a library that
spreads one request over several turns of the event loop cannot give that.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from itertools import count

from flatbgp.host.model import HostError
from flatbgp.host.packets.netlink import (
    DONE,
    ERROR,
    FLAG_ACK,
    FLAG_DUMP,
    FLAG_DUMP_INTERRUPTED,
    FLAG_REQUEST,
    Message,
    decode_messages,
    encode_message,
    error_number,
)

ROUTE, SOCK_DIAG = 0, 4  # NETLINK_ROUTE, NETLINK_SOCK_DIAG

_BUFFER = 1 << 18
_WATCH_BUFFER = 1 << 20
_ATTEMPTS = 5
_BATCH = 256  # datagrams read before other tasks get their turn
_TIMEOUT_S = 2
_NETLINK_EXT_ACK_CAP = 10  # NETLINK_CAP_ACK: do not repeat our request in the answer
_SOL_NETLINK = 270
_SO_RCVBUFFORCE = 33


class NetlinkError(OSError):
    """The kernel's answer to a request was an error number; callers turn it into a sentence."""


class Netlink:
    """Requests to one netlink family. Each opens its socket anew: an old answer can never be taken for a new one."""

    def __init__(self, family: int) -> None:
        self._family = family
        self._sequence = count(1)

    def request(self, kind: int, payload: bytes, flags: int = 0) -> list[Message]:
        """Make one request; return its answers (none for a mere acknowledgement).

        Raises :class:`NetlinkError` with the kernel's error number.
        """
        return self._exchange(kind, payload, flags | FLAG_ACK)

    def dump(self, kind: int, payload: bytes, what: str) -> list[Message]:
        """List all objects of a kind, consistently: a list that changed while it was read is read again.

        Raises :class:`~flatbgp.host.model.HostError`, which names ``what`` was to be listed.
        """
        for _ in range(_ATTEMPTS):
            try:
                messages = self._exchange(kind, payload, FLAG_DUMP)
            except NetlinkError as error:
                raise HostError(f"cannot list {what}: {error.strerror}") from error
            if not any(message.flags & FLAG_DUMP_INTERRUPTED for message in messages):
                return messages
        # Tables that change without pause: what is listed is right but for what changed meanwhile, and the watch
        # brings that.
        return messages

    def _exchange(self, kind: int, payload: bytes, flags: int) -> list[Message]:
        sequence = next(self._sequence)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self._family) as kernel:
            kernel.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK_CAP, 1)
            kernel.settimeout(_TIMEOUT_S)
            kernel.send(encode_message(Message(kind, flags | FLAG_REQUEST, sequence, payload)))
            answers: list[Message] = []
            while True:
                for message in decode_messages(_receive(kernel)):
                    if message.kind in {DONE, ERROR}:
                        _raise_for(message)
                        return answers
                    answers.append(message)


def _receive(kernel: socket.socket) -> bytes:
    try:
        return kernel.recv(_BUFFER)
    except TimeoutError:
        raise NetlinkError(errno.ETIMEDOUT, f"no answer for {_TIMEOUT_S} s") from None


def _raise_for(last: Message) -> None:
    number = error_number(last.payload)
    if number:
        raise NetlinkError(number, os.strerror(number))


class NetlinkWatch:
    """Hears of changes of links and addresses; ``on_change`` gets a batch, or ``None`` when some were lost.

    The kernel drops messages for a reader that does not keep up and says so once (ENOBUFS): then nothing that was
    heard before is to be trusted, and all must be listed again.
    """

    def __init__(self, groups: int, on_change: Callable[[list[Message] | None], None]) -> None:
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, ROUTE)
        try:
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _WATCH_BUFFER)
            except PermissionError:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WATCH_BUFFER)
            self._socket.bind((0, groups))
        except OSError as error:
            self._socket.close()
            raise HostError(f"cannot watch interfaces and addresses by netlink: {error.strerror}") from error
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        """Stop."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        heard: list[Message] = []
        for _ in range(_BATCH):
            try:
                heard += decode_messages(self._socket.recv(_BUFFER))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._on_change(None)
                return
        if heard:
            self._on_change(heard)
