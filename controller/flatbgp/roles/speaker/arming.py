"""Adding a neighbour shortly before its address is there, since gobgpd dials only some time after it was told to.

Until the address is on the interface nothing can leave from it: the kernel refuses to send from an address that the
host does not have (unless net.ipv4.ip_nonlocal_bind says otherwise: then nothing is done ahead). So the time that
gobgpd rests passes while the claim goes on, not after it: with 4.8 the session follows the address after 0.5 to 1 s
instead of 1.5 to 2 s; with 3.10, after a power cut, 2 to 6 s instead of 5 to 9 s.

A dial that comes too early would fail, and the next one is seconds away. So the neighbour is taken away again in time,
and is added anew once the address is there.
"""

from dataclasses import dataclass
from typing import Final

from flatbgp.resources.ip import IPAddress

ROOM: Final = 0.5
"""How much later than expected the address may be there, for a store and a machine that are busy."""

EARLY: Final = 0.1
"""How long before the first dial a neighbour whose address is not there is taken away again."""


@dataclass(slots=True)
class Arming:
    """For which address neighbours are prepared. ``first_dial`` is how long the daemon rests (``FIRST_DIAL``)."""

    _address: IPAddress | None = None
    _began: float | None = None

    def choose(
        self, expected: tuple[IPAddress, float] | None, now: float, first_dial: float
    ) -> tuple[IPAddress | None, float | None]:
        """Return the address to prepare for now, if any, and after how many seconds to ask again.

        ``expected`` is the address that is about to come, and when. Each is prepared for once: what comes to nothing
        is not tried again before something else was expected.
        """
        if expected is None or first_dial <= ROOM:
            self._address, self._began = None, None
            return None, None
        address, at = expected
        if address != self._address:
            self._address, self._began = address, None
        begin = at - (first_dial - ROOM)
        if self._began is None:
            if now < begin:
                return None, begin - now
            self._began = now
        left = self._began + first_dial - EARLY - now
        return (address, left) if left > 0 else (None, None)
