import pytest

from flatbgp.planning.gateway import timings
from flatbgp.resources.takeover import WORST, WORST_SECONDS, restart_time_problem


def test_the_steps_are_those_of_the_gateway_s_timings() -> None:
    noticed, turn, silent, established = (step.seconds for step in WORST)
    assert noticed == timings.ENGINE_SILENT
    assert timings.contradictions(timings.Timings(lease=int(noticed))) == (), "no Lease is longer"
    assert timings.contradictions(timings.Timings(lease=int(noticed) + 1)) != ()
    waits = timings.WAIT_AGAIN + timings.WAIT_WANTED + timings.WAIT_NO_ROUTER + timings.WAIT_CHANCE
    assert turn == pytest.approx(waits)
    assert silent == pytest.approx(timings.PROBE_WINDOW + timings.CONTESTED_SILENCE)
    assert established >= 10, "as measured with GoBGP 3.10; 4.8 took 3.9 at most"


def test_a_restart_time_must_exceed_the_worst_take_over() -> None:
    assert restart_time_problem(60) is None
    assert restart_time_problem(int(WORST_SECONDS) + 1) is None
    problem = restart_time_problem(int(WORST_SECONDS))
    assert problem is not None
    assert " + ".join(f"{step.seconds:g} s ({step.what})" for step in WORST) in problem
    assert f"use {int(WORST_SECONDS) + 1} to 4095" in problem
