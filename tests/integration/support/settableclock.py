"""A wall clock that a test sets, for the roles of one machine alone.

Network namespaces share the machine's clock, and time namespaces (time_namespaces(7)) have only CLOCK_MONOTONIC and
CLOCK_BOOTTIME of their own. libfaketime would give a process another CLOCK_REALTIME, but 0.9.10 (Debian 12) has
``time.sleep`` fail with EINVAL: it takes the monotonic moment that clock_nanosleep(2) sleeps until for a time of day.
Nor does it move the kernel's stamps of packets, which on every machine are of the same clock. So the roles run as
:mod:`support.clockedflatbgp`, where both are moved.
"""

import json
import sys
import time
from pathlib import Path

_PROGRAM = Path(__file__).with_name("clockedflatbgp.py")


class SettableClock:
    """One machine's wall clock. It goes right until it is set."""

    def __init__(self, history: Path) -> None:
        self._history = history
        self._steps: list[tuple[float, float]] = []
        self.set_ahead(0.0)

    @property
    def flatbgp(self) -> tuple[str, ...]:
        """How flatbgp is called by this clock."""
        return (sys.executable, "-P", str(_PROGRAM), str(self._history))

    def set_ahead(self, seconds: float) -> None:
        """Set it so many seconds ahead of the right time (behind, if negative)."""
        self._steps.append((time.time(), seconds))
        new = self._history.with_suffix(".new")
        new.write_text(json.dumps(self._steps))
        new.rename(self._history)  # it is read at any moment
