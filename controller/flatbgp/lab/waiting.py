"""Waiting for a condition, with a deadline: what the lab and the tests do in place of sleeping."""

import time
from collections.abc import Callable
from typing import TypeVar

from flatbgp.lab.commands import LabError

T = TypeVar("T")

POLL_INTERVAL = 0.02
"""Seconds between two looks; a look through an open vty takes well under a millisecond."""


class DeadlineExceeded(LabError):
    """The condition did not come true in time; the text holds what was seen last."""


def wait_until(
    what: str,
    probe: Callable[[], T],
    holds: Callable[[T], object] = bool,
    *,
    deadline: float = 30.0,
    interval: float = POLL_INTERVAL,
) -> T:
    """Call ``probe`` until what it returns satisfies ``holds``; return that.

    ``what`` names the condition in the error: "10.0.1.254 to be Established". A probe may raise :class:`LabError` (the
    daemon is not there yet): that counts as not yet.
    """
    end = time.monotonic() + deadline
    while True:
        seen: object
        try:
            seen = value = probe()
            if holds(value):
                return value
        except LabError as error:
            seen = error
        if time.monotonic() >= end:
            raise DeadlineExceeded(f"waited {deadline:g} s for {what}; last seen: {seen}")
        time.sleep(interval)
