"""YAML text to JSON values: only maps, lists and JSON's scalars, with limits, and no key twice.

Built on the parser's events instead of a loader, because a loader neither sees duplicate keys nor limits depth or the
growth of aliases, and reads plain scalars by YAML 1.1 (:mod:`flatbgp.resources.scalars` tells why we don't).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from flatbgp.resources.scalars import Ambiguous, resolve

DEPTH_LIMIT = 100
"""Levels of maps and lists in each other; no object of any kind comes near."""

ALIAS_LIMIT = 1024 * 1024
"""Characters (and nodes) that all aliases of a file may add: enough to share settings, too little for a bomb."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"


_TAGGED: dict[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "null": type(None),
}


class YAMLFault(ValueError):
    """The text cannot be read any further; ``line`` counts from 1."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


class Duplicate(NamedTuple):
    """A key that a map has twice, and the line of its second appearance."""

    key: str
    line: int


@dataclass(frozen=True, slots=True)
class YAMLDocument:
    """One document: its value, the line where it starts, and keys that it has twice (the first was taken)."""

    value: Any
    line: int
    duplicates: tuple[Duplicate, ...]


@dataclass(slots=True)
class _Frame:
    """A map or list that is being built; ``size`` is what an alias to it would add."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    key: str | None = None
    merging: bool = False
    merges: list[dict[str, Any]] = field(default_factory=list)


class _Anchored(NamedTuple):
    value: Any
    size: int


class _Builder:
    """Makes the value of one document from its events."""

    def __init__(self) -> None:
        self.result: Any = None
        self.duplicates: list[Duplicate] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored] = {}

    def feed(self, event: Any, room: int) -> int:
        """Take one event; return what is left of ``room`` for aliases."""
        line = _line(event)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event, line)
            case yaml.AliasEvent():
                return self._alias(event.anchor, line, room)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end(line)
        return room

    def _start(self, event: Any, line: int) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", _TAG + ("map" if mapping else "seq")):
            raise YAMLFault(f"the tag {event.tag[:60]} is not allowed; only plain maps and lists are", line)
        if len(self._frames) >= DEPTH_LIMIT:
            raise YAMLFault(f"maps and lists are nested more than {DEPTH_LIMIT} deep", line)
        if self._awaits_key():
            raise YAMLFault("a map or list stands where a key is due; keys are strings", line)
        self._frames.append(_Frame({} if mapping else [], event.anchor))

    def _end(self, line: int) -> None:
        frame = self._frames.pop()
        for merge in frame.merges:
            for key, value in merge.items():
                frame.value.setdefault(key, value)  # type: ignore[union-attr]  # only maps get merges
        self._place(frame.value, frame.size, frame.anchor, line)

    def _scalar(self, event: Any, line: int) -> None:
        text: str = event.value
        plain = not event.style and event.tag is None
        if self._awaits_key():
            self._take_key(text, line, merging=plain and text == "<<")
            if event.anchor:
                self._anchors[event.anchor] = _Anchored(text, 1 + len(text))
            return
        value = resolve(text) if plain else self._tagged(event, line)
        self._place(value, 1 + len(text), event.anchor, line)

    @staticmethod
    def _tagged(event: Any, line: int) -> Any:
        """Return a quoted or explicitly tagged scalar's value."""
        tag: str | None = event.tag
        if tag in (None, "!", _TAG + "str"):
            return event.value
        value = resolve(event.value)
        if isinstance(value, Ambiguous):
            value = value.value
        wanted = _TAGGED.get(tag.removeprefix(_TAG))
        if wanted is None:
            raise YAMLFault(f"the tag {tag[:60]} is not allowed; only strings, numbers, booleans and null are", line)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise YAMLFault(f"the value does not fit its tag {tag[:60]}", line)
        return value

    def _alias(self, anchor: str | None, line: int, room: int) -> int:
        known = self._anchors.get(anchor or "")
        if known is None:
            raise YAMLFault(f"the alias *{str(anchor)[:60]} has no anchor before it", line)
        if known.size > room:
            raise YAMLFault("aliases make the file too large; write the values out", line)
        if self._awaits_key():
            if not isinstance(known.value, str):
                raise YAMLFault("an alias stands where a key is due, and is no string", line)
            self._take_key(known.value, line)
        else:
            self._place(known.value, known.size, None, line)
        return room - known.size

    def _awaits_key(self) -> bool:
        return bool(self._frames) and isinstance(self._frames[-1].value, dict) and self._frames[-1].key is None

    def _take_key(self, text: str, line: int, *, merging: bool = False) -> None:
        frame = self._frames[-1]
        frame.size += len(text)
        frame.key, frame.merging = text, merging
        if not merging and text in frame.value:
            self.duplicates.append(Duplicate(text, line))

    def _place(self, value: Any, size: int, anchor: str | None, line: int) -> None:
        if anchor:
            self._anchors[anchor] = _Anchored(value, size)
        if not self._frames:
            self.result = value
            return
        frame = self._frames[-1]
        frame.size += size
        key, frame.key = frame.key, None
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.merging:
            frame.merges.extend(_merges(value, line))
        elif key is not None:
            frame.value.setdefault(key, value)


def _merges(value: Any, line: int) -> list[dict[str, Any]]:
    members = value if isinstance(value, list) else [value]
    maps = [member for member in members if isinstance(member, dict)]
    if len(maps) != len(members):
        raise YAMLFault("the merge key << needs a map, or a list of maps", line)
    return maps


def load(text: str) -> Iterator[YAMLDocument]:
    """Yield the documents of a text; raises :class:`YAMLFault` at what cannot be read."""
    builder, start, room = _Builder(), 1, ALIAS_LIMIT
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            match event:
                case yaml.DocumentStartEvent():
                    builder, start = _Builder(), _line(event)
                case yaml.DocumentEndEvent():
                    yield YAMLDocument(builder.result, start, tuple(builder.duplicates))
                case _:
                    room = builder.feed(event, room)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 0 if mark is None else mark.line
        problem = " ".join(filter(None, (error.problem or error.context, _hint(text, line))))
        raise YAMLFault(f"is neither YAML nor JSON: {problem}", line + 1) from None
    except yaml.YAMLError as error:  # ReaderError: a character that YAML forbids
        position = getattr(error, "position", 0)
        problem = f"is neither YAML nor JSON: {getattr(error, 'reason', 'it cannot be read')}"
        line = text.count("\n", 0, position if isinstance(position, int) else 0)
        raise YAMLFault(problem, line + 1) from None


def _line(event: Any) -> int:
    number: int = event.start_mark.line
    return number + 1


def _hint(text: str, number: int) -> str:
    """Return advice for the commonest mistake: a tab in the indentation."""
    lines = text.split("\n", number + 1)
    line = lines[number] if number < len(lines) else ""
    indentation = line[: len(line) - len(line.lstrip())]
    return "(there is a tab in the indentation; YAML wants blanks)" if "\t" in indentation else ""
