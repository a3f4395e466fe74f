"""How long routers may be without a session while another node takes a floating IP over: the arithmetic.

The graceful-restart time that we announce must exceed it, or routers drop routes whose nodes are alive. The figures are
those of the protocol of floating IPs (a test holds them to its timings); the last one is measured: 1.6 to 4 s with
GoBGP 4.8, 5 to 10 s with 3.10, and nobody knows beforehand which of them will be there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a take-over: what happens, and how many seconds it takes at worst."""

    what: str
    seconds: float


WORST = (
    Step("a frozen gobgpd is given up, or the longest Lease ends", 10.0),
    Step(
        "the claimant waits its turn", 3.4
    ),  # holds one address 0.3, another is wanted 1, no router heard 2, chance 0.1
    Step("the address must be silent", 2.4),  # ten probes 0.4, and 2 when it answered at first
    Step("the new session is Established, with GoBGP 3.10", 10.0),
)
"""The slowest take-over; every other fault is seen sooner."""

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
