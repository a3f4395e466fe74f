"""A trace as it is read: its entries in order, up to where it was cut off, and which of them are about what."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp.entries import Entry, entry_from
from flatbgp.engine.gobgp.tracefile import FORMAT, VERSION, older
from flatbgp.resources.ip import IPAddress, IPNetwork

_LINE_BYTES = 64 * 1024 * 1024  # no message of ours comes near


@dataclass(slots=True)
class Transcript:
    """A trace file, together with the older one that it has pushed aside.

    ``remarks`` are filled while it is read: where it was cut off, what was dropped when it was written.
    """

    path: Path
    remarks: list[str] = field(default_factory=list)
    _runs: list[str] = field(default_factory=list)

    def entries(self) -> Iterator[Entry]:
        """Yield what can be read; :class:`EngineError` for a file that is no trace."""
        for path in (older(self.path), self.path):
            if path == self.path or path.exists():
                yield from self._entries_of(path)

    def _entries_of(self, path: Path) -> Iterator[Entry]:
        try:
            with path.open("rb") as file:
                number = 0
                while line := file.readline(_LINE_BYTES):
                    number += 1
                    if (entry := self._entry(path, number, line)) is not None:
                        yield entry
        except OSError as error:
            raise EngineError(f"cannot read the trace {path}: {error.strerror or error}") from error

    def _entry(self, path: Path, number: int, line: bytes) -> Entry | None:
        try:
            values = _object(line)
            if number == 1 or "format" in values:
                _check_head(path, values)
                began = str(values.get("began"))
                if began not in self._runs[-1:]:
                    self._runs.append(began)
                return None
            if "dropped" in values:
                self.remarks.append(f"{path}: {values['dropped']} messages were dropped before line {number}")
                return None
            return replace(entry_from(values), run=len(self._runs))
        except ValueError as error:
            if number == 1:
                raise EngineError(f"{path} is no trace of gRPC calls: its first line does not say so") from error
            where = "is cut off in" if not line.endswith(b"\n") else "cannot be read at"
            self.remarks.append(f"{path} {where} line {number}; what is before it is shown")
            return None


def _object(line: bytes) -> Mapping[str, Any]:
    values = json.loads(line)
    if not isinstance(values, Mapping):
        raise ValueError(f"{type(values).__name__} is no object")  # noqa: TRY004 - the text is wrong, not our call
    return values


def _check_head(path: Path, values: Mapping[str, Any]) -> None:
    if values.get("format") != FORMAT:
        raise ValueError("another format")
    if values.get("version") != VERSION:
        raise EngineError(f"{path} is a trace of another version ({values.get('version')}): read it with that flatbgp")


def about(entry: Entry, peer: IPAddress | None, prefix: IPNetwork | None) -> Entry | None:
    """Return the part of an entry that is about a peer or a prefix; ``None`` if nothing is."""
    if peer is None and prefix is None:
        return entry
    request, answer = (
        part_about(message, peer, prefix) if message is not None else None for message in (entry.request, entry.answer)
    )
    if request is None and answer is None:
        return None
    return entry if prefix is None else replace(entry, request=request, answer=answer)


def part_about(
    message: Mapping[str, Any], peer: IPAddress | None, prefix: IPNetwork | None
) -> Mapping[str, Any] | None:
    """Return the part of a message that is about a peer or a prefix; ``None`` if nothing is."""
    if peer is not None and not _names(message, peer):
        return None
    return message if prefix is None else _paths_of(message, prefix)


def _names(value: Any, peer: IPAddress) -> bool:
    """Whether an address is named anywhere: alone, as a host route, or at the end of a name of ours."""
    if isinstance(value, Mapping):
        return any(_names(each, peer) for each in value.values())
    if isinstance(value, list):
        return any(_names(each, peer) for each in value)
    if not isinstance(value, str):
        return False
    text = value.removesuffix(f"/{peer.max_prefixlen}")
    return _is(text, peer) or (text.startswith("flatbgp-") and _is(text.partition(":")[2], peer))


def _is(text: str, peer: IPAddress) -> bool:
    try:
        return ip_address(text) == peer
    except ValueError:
        return False


def _paths_of(message: Mapping[str, Any], prefix: IPNetwork) -> Mapping[str, Any] | None:
    """Return a message with only the paths of a prefix; ``None`` without one."""
    inner = message.get("destination", message)
    paths = [path for path in inner.get("paths", ()) if prefix_of(path) == prefix]
    if not paths:
        return None
    return {"destination": {"paths": paths}} if "destination" in message else {**message, "paths": paths}


def prefix_of(path: Mapping[str, Any]) -> IPNetwork | None:
    """Return the prefix of a path in either generation's form; ``None`` for another kind of path."""
    nlri = path.get("nlri", {})
    inner = nlri.get("prefix", {})
    form = inner if isinstance(inner, Mapping) else nlri
    try:
        return ip_network(f"{form['prefix']}/{form.get('prefixLen', 0)}")
    except (KeyError, ValueError):
        return None
