"""Waiting for a condition."""

from collections.abc import Iterator

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.waiting import DeadlineExceeded, wait_until


def test_the_value_that_satisfies_is_returned() -> None:
    values = iter([0, 1, 5, 9])

    assert wait_until("a big number", lambda: next(values), lambda value: value > 4, interval=0) == 5


def test_a_probe_that_fails_counts_as_not_yet() -> None:
    def probes() -> Iterator[str]:
        yield ""
        yield "there"

    values = probes()

    def probe() -> str:
        value = next(values)
        if not value:
            raise LabError("not yet")
        return value

    assert wait_until("it", probe, interval=0) == "there"


def test_an_error_says_what_was_waited_for_and_what_was_seen_last() -> None:
    with pytest.raises(DeadlineExceeded, match=r"waited 0 s for three routes; last seen: \[1\]"):
        wait_until("three routes", lambda: [1], lambda seen: len(seen) == 3, deadline=0)


def test_the_last_failure_of_a_probe_is_shown() -> None:
    def probe() -> bool:
        raise LabError("no answer on bgpd.vty")

    with pytest.raises(DeadlineExceeded, match=r"last seen: no answer on bgpd\.vty"):
        wait_until("bgpd", probe, deadline=0)
