"""Asking a role that runs whether it works: the other end of ``--health-bind``."""

import socket
from typing import Final

from flatbgp.roles.options import Endpoint

_SECONDS: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"


def problem_of(role: Endpoint, path: str) -> str | None:
    """Return what is wrong with the role that answers at ``role`` (a sentence), or ``None``; ``path`` as ``/healthz``.

    Written on a bare socket: a health check runs every few seconds, and importing an HTTP client takes longer than all
    the rest of it.
    """
    host = role.host or _LOOPBACK  # it listens on every address
    where = f"the role on {host} port {role.port}"
    try:
        with socket.create_connection((host, role.port), timeout=_SECONDS) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
    except OSError as error:
        return f"{where} does not answer: {error.strerror or error}"
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")[2]
    return None if status.startswith("200 ") else f"{where} answers {path} with {status}: {body.decode().strip()}"
