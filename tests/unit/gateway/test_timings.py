"""The arithmetic between the times that a person may set."""

import pytest

from flatbgp.planning.gateway.timings import DEFAULT, FAST, Timings, contradictions, next_beat


def test_the_two_profiles_are_sound() -> None:
    assert contradictions(DEFAULT) == contradictions(FAST) == ()
    assert DEFAULT.request_limit == pytest.approx(2.9)
    assert DEFAULT.request_timeout == pytest.approx(2.5, abs=0.01)
    assert FAST.request_limit == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("timings", "words"),
    [
        (Timings(request=4.0), "floor(lease 5 - 0.3) - renewal 1 - 0.1 = 2.9"),
        (Timings(request=0.0), "more than 0"),
        (Timings(lease=1, renewal=0.5), "2 to 10"),
        (Timings(lease=11), "2 to 10"),
        (Timings(renewal=3.0), "at most half the lease (2.5 s)"),
        (Timings(renewal=0.0), "more than 0"),
    ],
)
def test_contradicting_times_are_refused_with_their_arithmetic(timings: Timings, words: str) -> None:
    (found,) = contradictions(timings)
    assert words in found


@pytest.mark.parametrize("now", [0.0, 0.1, 0.25, 1000.3, 123456.75])
def test_the_next_beat_is_later_and_at_most_one_period_away(now: float) -> None:
    due = next_beat(now, 0.25, 0.07)
    assert now < due <= now + 0.25 + 1e-9
