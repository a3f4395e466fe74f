"""Lists of names in a sentence."""

from collections.abc import Iterable
from typing import Final

NAMES_SHOWN: Final = 10
"""A sentence that may have thousands of objects names so many and counts the rest."""


def all_of(names: Iterable[str]) -> str:
    """Return "a, b and c", of one name at least."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def some_of(names: Iterable[object]) -> str:
    """Return "a, b, c", cut after :data:`NAMES_SHOWN`: "a, b, ... and 5 more"."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - NAMES_SHOWN} more" if len(texts) > NAMES_SHOWN else ""
    return ", ".join(texts[:NAMES_SHOWN]) + more
