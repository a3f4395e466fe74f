"""The changing calls of a trace, made again to another daemon, to reproduce what happened.

A replay begins only in a daemon that nobody uses. What it adds opens no session unless that is asked for: a daemon on
the same host would open them from the same addresses as the one that was traced.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.connection import CALL_DEADLINE, Connection
from flatbgp.engine.gobgp.entries import Entry
from flatbgp.engine.gobgp.methods import Method
from flatbgp.engine.gobgp.readable import HIDDEN, message_of

_START = "StartBgp"
_STREAM = "AddPathStream"
_STREAM_DEADLINE = 60.0  # seconds for a call of many messages


@dataclass(slots=True)
class Call:
    """A changing call of a trace: its requests in order, and how it ended there ("" if the trace does not say)."""

    method: Method
    requests: list[Mapping[str, Any]] = field(default_factory=list)
    status: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of one call: ``error`` is what the daemon said, "" if it did it; ``remark`` is what was changed."""

    call: Call
    error: str = ""
    remark: str = ""


def changing_calls(entries: Iterable[Entry]) -> Iterator[Call]:
    """Yield the calls that change something, each when it ended; those that did not end come last."""
    open_calls: dict[tuple[int, int], Call] = {}
    for entry in entries:
        if entry.method.reads:
            continue
        key = entry.run, entry.call
        call = open_calls.setdefault(key, Call(entry.method))
        if entry.request is not None:
            call.requests.append(entry.request)
        if entry.status:
            call.status, call.details = entry.status, entry.details
            yield open_calls.pop(key)
    yield from open_calls.values()


def last_life(entries: Iterable[Entry]) -> list[Call]:
    """Return the changing calls since BGP was last started, or all if the trace begins later than that."""
    calls: list[Call] = []
    for call in changing_calls(entries):
        if call.method.name == _START:
            calls.clear()
        calls.append(call)
    return calls


async def replay(
    entries: Iterable[Entry], target: str, *, in_use: bool = False, sessions: bool = False
) -> AsyncIterator[Replayed]:
    """Make the changing calls since BGP was last started in a trace to the daemon at ``target``, one after the other.

    Raises :class:`EngineError` before the first call if BGP runs in that daemon already, unless ``in_use`` allows it
    (it is not started again then: that would empty it under its sessions), and for a trace of another generation of the
    API. With ``sessions`` neighbours are added as they were; otherwise, and always when a password is not in the trace,
    they are added administratively down.
    """
    connection = Connection(target)
    try:
        codec, answer = await connection.identity()
        peers = await connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest())
        runs = codec.info(answer).asn is not None
        calls = last_life(entries)
        _check(calls, target, codec.api, neighbours=len(peers), runs=runs, in_use=in_use)
        for call in calls:
            if call.method.name == _START and runs:
                yield Replayed(call, "", "BGP runs already, so it is not started again")
                continue
            yield await _made(connection, codec, call, sessions=sessions)
    finally:
        await connection.close()


def _check(calls: Sequence[Call], target: str, api: str, *, neighbours: int, runs: bool, in_use: bool) -> None:
    if not in_use and (neighbours or runs):
        state = f"has {neighbours} neighbour{'' if neighbours == 1 else 's'}" if neighbours else "runs BGP already"
        raise EngineError(f"gobgpd on {target} {state}: nothing is replayed into it; start one of its own for that")
    if calls and calls[0].method.name != _START and not runs:
        raise EngineError(
            f"the trace begins when BGP ran already, and in gobgpd on {target} it does not: trace a gobgpd from its "
            "start, or replay into one in which BGP was started"
        )
    if other := {call.method.api for call in calls} - {api}:
        raise EngineError(
            f"the trace was made with API {other.pop()}, and gobgpd on {target} has {api}: replay into a daemon of the "
            "same generation"
        )


async def _made(connection: Connection, codec: Codec, call: Call, *, sessions: bool) -> Replayed:
    """Make one call, with what has to be different in it."""
    ready = [prepared(request, sessions=sessions) for request in call.requests]
    remark = next((remark for _, remark in ready if remark), "")
    try:
        messages = [message_of(call.method.request, request) for request, _ in ready]
        if call.method.name == _STREAM:
            await connection.call(codec, _STREAM, _each(messages), _STREAM_DEADLINE)
        else:
            for message in messages:
                await connection.call(codec, call.method.name, message, CALL_DEADLINE)
    except (EngineError, ValueError) as error:  # ValueError: somebody edited the trace
        return Replayed(call, str(error), remark)
    return Replayed(call, "", remark)


async def _each(messages: Iterable[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


def prepared(request: Mapping[str, Any], *, sessions: bool) -> tuple[Mapping[str, Any], str]:
    """Return a request as it is replayed, and what is different in it."""
    conf = request.get("peer", {}).get("conf", {})
    if not conf:
        return request, ""
    hidden = conf.get("authPassword") == HIDDEN
    if sessions and not hidden:
        return request, ""
    changed = {name: value for name, value in conf.items() if name != "authPassword"} | {"adminDown": True}
    peer = conf.get("neighborAddress", "")
    if hidden:
        remark = f"the password of {peer} is not in a trace: it is added without, and administratively down"
    else:
        remark = f"{peer} is administratively down, so that no session is opened"
    return {**request, "peer": {**request["peer"], "conf": changed}}, remark
