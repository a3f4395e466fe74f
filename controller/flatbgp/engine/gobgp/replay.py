"""The changing calls of a trace, made again to another daemon, to reproduce what happened.

A replay begins only in a daemon that nobody uses. What it adds opens no session unless that is asked for: a daemon on
the same host would open them from the same addresses as the one that was traced.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp.connection import CALL_DEADLINE, Connection
from flatbgp.engine.gobgp.entries import Entry
from flatbgp.engine.gobgp.methods import Method
from flatbgp.engine.gobgp.readable import HIDDEN, message_of

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


async def replay(
    entries: Iterable[Entry], target: str, *, in_use: bool = False, sessions: bool = False
) -> AsyncIterator[Replayed]:
    """Make the changing calls of a trace to the daemon at ``target``, one after the other.

    Raises :class:`EngineError` before the first call if BGP runs in that daemon already, unless ``in_use`` allows it,
    and for a call of another generation of the API. With ``sessions`` neighbours are added as they were; otherwise, and
    always when a password is not in the trace, they are added administratively down.
    """
    connection = Connection(target)
    try:
        codec, answer = await connection.identity()
        peers = await connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest())
        runs = codec.info(answer).asn is not None
        if not in_use and (peers or runs):
            state = f"has {len(peers)} neighbours" if peers else "runs BGP already"
            raise EngineError(f"gobgpd on {target} {state}: nothing is replayed into it; start one of its own for that")
        for number, call in enumerate(changing_calls(entries)):
            if number == 0 and call.method.name != "StartBgp" and not runs:
                raise EngineError(
                    f"the trace begins when BGP ran already, and in gobgpd on {target} it does not: trace from the "
                    "start of both (speaker --trace-rpc), or replay into a gobgpd in which BGP was started"
                )
            if call.method.api != codec.api:
                raise EngineError(
                    f"the trace was made with API {call.method.api}, and gobgpd on {target} has {codec.api}: replay "
                    "into a daemon of the same generation"
                )
            ready = [prepared(request, sessions=sessions) for request in call.requests]
            remark = next((remark for _, remark in ready if remark), "")
            messages = [message_of(call.method.request, request) for request, _ in ready]
            streams = call.method.name == "AddPathStream"
            try:
                if streams:
                    await connection.call(codec, call.method.name, _each(messages), _STREAM_DEADLINE)
                else:
                    for message in messages:
                        await connection.call(codec, call.method.name, message, CALL_DEADLINE)
            except EngineError as error:
                yield Replayed(call, str(error), remark)
            else:
                yield Replayed(call, "", remark)
    finally:
        await connection.close()


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
