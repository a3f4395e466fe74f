"""Programs that the lab runs to their end, and the one error that all of the lab raises."""

import subprocess
from collections.abc import Sequence

COMMAND_DEADLINE = 30.0
"""Seconds that ``ip``, ``sysctl`` and their like may take; on an idle machine they take milliseconds."""


class LabError(Exception):
    """Something the lab could not do; the text says what, on what, why, and what to do."""


def run(command: Sequence[str], *, text: str | None = None, deadline: float = COMMAND_DEADLINE) -> str:
    """Run ``command`` to its end and return what it printed; ``text`` is its standard input.

    Raises :class:`LabError` with the program's own message when it fails, is missing or takes longer than ``deadline``.
    """
    line = " ".join(command)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=deadline, check=False)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed; 'make setup' as root installs what the lab needs") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"'{line}' did not end within {deadline:g} s") from None
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
        raise LabError(f"'{line}' failed: {reason}")
    return done.stdout
