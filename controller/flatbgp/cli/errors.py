"""From an exception to what a person reads: one line that says what failed, on what, why and what to do."""

import os
import traceback
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final

import click

DEBUG_VARIABLE: Final = "FLATBGP_DEBUG"
"""Set (to anything), it shows the traceback of an unexpected error."""


class CommandFailed(click.ClickException):
    """A command could not do what it was asked to: its lines go to stderr as they are, and the exit status is 1."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines."""
        click.echo(self.message, file=file, err=file is None)


def explain(error: Exception) -> click.ClickException | None:
    """Return what to print for an error that can be expected, ``None`` for one that is our own fault."""
    from flatbgp.store.url import BadStoreURL  # noqa: PLC0415 - only a failing command pays for it

    if isinstance(error, BadStoreURL):
        return click.UsageError(str(error))
    lines = []
    for leaf in _leaves(error):
        line = _sentence(leaf)
        if line is None:
            return None
        lines.append(f"error: {line}")
    return CommandFailed(*dict.fromkeys(lines))


def unexpected(error: BaseException) -> Sequence[str]:
    """Return what to print for an error that nobody foresaw."""
    if os.environ.get(DEBUG_VARIABLE):
        return traceback.format_exception(error)
    return (
        f"error: flatbgp failed in a way that nobody foresaw: {type(error).__name__}: {_short(error)}\n",
        f"Please report it to the maintainers, with the traceback that {DEBUG_VARIABLE}=1 shows.\n",
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _sentence(error: BaseException) -> str | None:
    # Imported here: only a failing command pays for them.
    from flatbgp.engine.protocol import EngineError  # noqa: PLC0415 - as above
    from flatbgp.lab.commands import LabError  # noqa: PLC0415 - as above
    from flatbgp.store.protocol import StoreError  # noqa: PLC0415 - as above

    if isinstance(error, StoreError | EngineError | LabError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return None


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:199] + "…"
