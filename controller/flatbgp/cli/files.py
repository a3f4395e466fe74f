"""From ``-f`` to bytes: files, directories and standard input."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from flatbgp.cli.errors import CommandFailed

STDIN: Final = "-"
SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
"""What is read of a directory, as kubectl does; subdirectories are not."""


class Source(NamedTuple):
    """A file's name, as messages show it, and its content (``limit`` + 1 bytes at most)."""

    name: str
    content: bytes


def read_sources(filenames: Iterable[str], limit: int) -> tuple[Source, ...]:
    """Read every file that is named, directories in the order of their names.

    No more than ``limit`` + 1 bytes of each are read, so that a file that never ends is told from one that is allowed.
    Raises :class:`CommandFailed` for a file that cannot be read, and for a directory without manifests.
    """
    return tuple(source for name in dict.fromkeys(filenames) for source in _read(name, limit))


def _read(name: str, limit: int) -> Iterator[Source]:
    if name == STDIN:
        yield Source(STDIN, sys.stdin.buffer.read(limit + 1))
        return
    path = Path(name)
    try:
        if not path.is_dir():
            yield Source(name, _content(path, limit))
            return
        members = sorted(member for member in path.iterdir() if member.suffix in SUFFIXES and not member.is_dir())
        if not members:
            raise CommandFailed(f"error: {name}: no *.yaml, *.yml or *.json in this directory")
        for member in members:
            yield Source(str(member), _content(member, limit))
    except OSError as error:
        raise CommandFailed(f"error: cannot read {error.filename or name}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise CommandFailed(f"error: cannot read {name!r}: {error}") from error


def _content(path: Path, limit: int) -> bytes:
    with path.open("rb") as file:
        return file.read(limit + 1)
