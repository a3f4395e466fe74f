"""P1 to P5 through random schedules of one to four faults, each made from one seed.

A failure prints its seed; ``FLATBGP_SCHEDULES=10000`` runs that many instead of the usual thousand.
"""

import os

import pytest
from simulated_run import Schedule, run

COUNT = int(os.environ.get("FLATBGP_SCHEDULES", "1000"))
CHUNK = 50


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_properties_hold_through_random_faults(first: int) -> None:
    broken = []
    for seed in range(first, min(first + CHUNK, COUNT)):
        schedule = Schedule.random(seed)
        world = run(schedule)
        if world.violations:
            broken.append(f"{schedule}\n    " + "\n    ".join(map(str, world.violations)))
    assert not broken, "\n".join(broken)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_properties_hold_without_any_fault(loss: float) -> None:
    for seed in range(20):
        schedule = Schedule.random(seed, loss=loss)
        schedule.faults = []
        assert not run(schedule).violations
