"""The one clock of the host shell, and the moment at which a packet arrived."""

import time
from collections.abc import Callable


def boottime() -> float:
    """Return CLOCK_BOOTTIME in seconds: never set, and it counts the time of a suspend."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ArrivalClock:
    """Turns the kernel's receive timestamps into CLOCK_BOOTTIME.

    The kernel stamps packets with CLOCK_REALTIME only (SO_TIMESTAMPNS, SO_TIMESTAMPING and the packet rings alike),
    and that clock may be set between arrival and reading. Two facts bound the answer whatever the clock does: a packet
    that we read now came after the socket was last found empty, and not later than now. Within these bounds the stamp
    is placed by the difference of the clocks then and now; where they disagree, the earlier moment is taken, since
    believing a packet to be newer than it is may keep an address that should be let go.
    """

    def __init__(self, now: Callable[[], float] = boottime, realtime: Callable[[], float] = time.time) -> None:
        self._now = now
        self._realtime = realtime
        self._empty_at = now()
        self._offset = realtime() - self._empty_at

    def found_empty(self, at: float) -> None:
        """Note that at ``at`` (taken before looking) no packet was waiting."""
        self._empty_at = at
        self._offset = self._realtime() - self._now()

    def arrival(self, stamp: float | None) -> float:
        """Return when a packet came that bears this CLOCK_REALTIME stamp; without one: the earliest it can be."""
        now = self._now()
        earliest = min(self._empty_at, now)
        if stamp is None:
            return earliest
        offset = self._realtime() - now
        candidates = sorted({stamp - self._offset, stamp - offset})
        # The two clocks are read one after the other, so a packet may seem to come a little out of its bounds.
        slack = 0.01
        fitting = [moment for moment in candidates if earliest - slack <= moment <= now + slack]
        return min(max(fitting[0], earliest), now) if fitting else earliest
