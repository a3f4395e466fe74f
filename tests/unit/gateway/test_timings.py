"""The arithmetic between the times that a person may set."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flatbgp.planning.gateway.timings import (
    DEFAULT,
    ENGINE_SILENT,
    FAST,
    LIFETIME_MARGIN,
    PROBE_WINDOW,
    WAIT_CHANCE,
    Timings,
    contradictions,
    next_beat,
)
from flatbgp.resources.takeover import WORST_SECONDS

KERNEL_LATE = 0.4
"""As measured: how long after the end of its lifetime an address may still be there."""

anything = st.builds(
    Timings,
    lease=st.integers(-1, 20),
    renewal=st.floats(-1, 12, allow_nan=False),
    request=st.none() | st.floats(-1, 12, allow_nan=False),
)


@st.composite
def sound(draw: st.DrawFn) -> Timings:
    """Timings that somebody may choose; half of the candidates are at the edge of what is refused."""
    lease = draw(st.integers(2, 10))
    renewal = draw(st.just(lease / 2) | st.floats(0.01, lease / 2))
    limit = Timings(lease, renewal).request_limit
    request = draw(st.none() | st.floats(0.001, max(0.001, limit)))
    timings = Timings(lease, renewal, request)
    assume(not contradictions(timings))
    return timings


@given(sound())
def test_an_outage_of_the_store_never_takes_the_address_of_sound_timings_away(timings: Timings) -> None:
    """The renewal that fails is known to have failed while the address is still on the interface."""
    lifetime = math.floor(timings.lease - LIFETIME_MARGIN)
    assert lifetime >= 1, "the kernel counts whole seconds"
    assert 0 < timings.renewal + timings.request_timeout < lifetime


@given(sound())
def test_the_kernel_has_taken_the_address_off_before_anybody_else_of_sound_timings_puts_it_on(timings: Timings) -> None:
    assert timings.lease - LIFETIME_MARGIN + KERNEL_LATE < timings.lease + PROBE_WINDOW


@given(sound())
def test_no_sound_timings_outlast_what_restart_times_count_on(timings: Timings) -> None:
    assert timings.lease <= ENGINE_SILENT
    assert timings.lease + WAIT_CHANCE + PROBE_WINDOW < WORST_SECONDS


@given(anything)
def test_timings_are_sound_or_the_arithmetic_says_which_number_is_wrong(timings: Timings) -> None:
    sound = (
        2 <= timings.lease <= ENGINE_SILENT
        and 0 < timings.renewal <= timings.lease / 2
        and 0 < timings.request_timeout < timings.request_limit
    )
    found = contradictions(timings)
    assert bool(found) is not sound
    numbers = (timings.lease, timings.renewal, timings.request_timeout)
    assert all(any(f"{number:g} s" in sentence for number in numbers) for sentence in found)


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
