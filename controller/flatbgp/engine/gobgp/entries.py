"""What a trace of calls consists of: its lines, from notes and back. Pure.

A line is a JSON object: ``time`` (when the call began), ``call`` (its number), ``api``, ``method``, ``ms`` (since its
begin), and what happened: ``request``, ``answer``, ``status`` with ``details``. A call of one message each way is one
line; any other has a line for each message, and one for its end. Messages are decoded, without secrets; where there are
many or they are large, they are kept packed (``{"packed": BASE64}``) until somebody reads the trace.
"""

import base64
import binascii
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from google.protobuf.message import Message

from flatbgp.engine.gobgp.channel import Note
from flatbgp.engine.gobgp.methods import BY_PATH, METHODS, Method
from flatbgp.engine.gobgp.readable import decoded, may_hold_a_secret

_PACKED = "packed"
_DECODED_BYTES = 2048  # of a message; a batch of 500 paths has some 40,000
_DECODED_MESSAGES = 100  # of a call; the paths of a full daemon are 20,000 messages
_CALLS = 64  # so many calls are counted at a time; hardly more than three are ever open


@dataclass(frozen=True, slots=True)
class Entry:
    """One line, decoded. ``run`` tells the processes apart that wrote the same file, which number calls from 1 each."""

    time: str
    call: int
    method: Method
    ms: float
    request: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None
    status: str = ""
    details: str = ""
    run: int = 0


class Scribe:
    """Writes notes as lines. It counts the messages of each call, to know which of them are to be decoded."""

    def __init__(self) -> None:
        self._messages: OrderedDict[int, int] = OrderedDict()

    def line(self, note: Note) -> bytes:
        """Return the line of a note, with its end."""
        method = BY_PATH[note.method]
        many = self._count(note.call) > _DECODED_MESSAGES
        values = {
            "time": _time(note.begun),
            "call": note.call,
            "api": method.api,
            "method": method.name,
            "ms": round(note.elapsed * 1000, 3),
        }
        if note.request is not None:
            values["request"] = _kept(method.request, note.request, many=many)
        if note.answer is not None:
            values["answer"] = _kept(method.answer, note.answer, many=many)
        if note.status:
            values["status"] = note.status
        if note.details:
            values["details"] = note.details
        return msgspec.json.encode(values) + b"\n"

    def _count(self, call: int) -> int:
        messages = self._messages.get(call, 0) + 1
        self._messages[call] = messages
        self._messages.move_to_end(call)
        if len(self._messages) > _CALLS:
            self._messages.popitem(last=False)
        return messages


def entry_of(note: Note) -> Entry:
    """Return a note, decoded."""
    method = BY_PATH[note.method]
    return Entry(
        time=_time(note.begun),
        call=note.call,
        method=method,
        ms=round(note.elapsed * 1000, 3),
        request=decoded(method.request, note.request) if note.request is not None else None,
        answer=decoded(method.answer, note.answer) if note.answer is not None else None,
        status=note.status,
        details=note.details,
    )


def entry_from(values: Mapping[str, Any]) -> Entry:
    """Return the entry of a line; :class:`ValueError` for a line that is none."""
    try:
        method = METHODS[values["api"], values["method"]]
        return Entry(
            time=str(values["time"]),
            call=int(values["call"]),
            method=method,
            ms=float(values["ms"]),
            request=_unpacked(method.request, values.get("request")),
            answer=_unpacked(method.answer, values.get("answer")),
            status=str(values.get("status", "")),
            details=str(values.get("details", "")),
        )
    except (KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise ValueError(f"no line of a trace ({error!r})") from error


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _kept(kind: type[Message], body: bytes, *, many: bool) -> Mapping[str, Any]:
    """Return a message as it is kept. One that may hold a secret is always decoded, since that is what takes it out."""
    if not may_hold_a_secret(kind) and (many or len(body) > _DECODED_BYTES):
        return {_PACKED: body}  # which msgspec writes as base64, ten times as fast as the standard library
    return decoded(kind, body)


def _unpacked(kind: type[Message], values: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if values is None or _PACKED not in values:
        return values if values is None else dict(values)
    return decoded(kind, base64.b64decode(values[_PACKED]))
