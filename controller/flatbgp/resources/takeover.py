"""How long routers may be without a session while another node takes a floating IP over: the arithmetic.

The graceful-restart time that we announce must exceed it, or routers drop routes whose nodes are alive. The figures are
those of the default timings (5 s lease); `docs/failover.md` tells where each comes from.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a take-over: what happens, and how many seconds it takes at worst."""

    what: str
    seconds: float


WORST = (
    Step("a frozen gobgpd is given up", 10.0),
    Step(
        "the claimant waits its turn (0.3 s an address that it holds, 2 s without a router heard, 0.1 s of chance)", 2.4
    ),
    Step("it probes the address", 0.4),
    Step("the new session is Established", 4.0),
)
"""The slowest take-over: every other fault is seen sooner."""

WORST_SECONDS = sum(step.seconds for step in WORST)


def restart_time_problem(seconds: int) -> str | None:
    """Return why a restart time is too short, with the arithmetic; ``None`` if it suffices."""
    if seconds > WORST_SECONDS:
        return None
    parts = " + ".join(f"{step.seconds:g} s ({step.what})" for step in WORST)
    return (
        f"must exceed the worst take-over of {WORST_SECONDS:g} s = {parts},"
        f" or routers drop routes meanwhile; use {int(WORST_SECONDS) + 1} to 4095"
    )
