"""The garbage collector, kept away from thousands of objects that are no garbage.

CPython's collector runs the more often the more objects are made, and each full run walks all there are: while 5,000
Nodes are decoded, that stopped the event loop for 50 to 150 ms at a time (measured). Decoded objects have no cycles, so
counting references frees them; what is there after a bulk load is therefore set aside (``gc.freeze``).
"""

import contextlib
import gc
from collections.abc import Iterator
from typing import Final

BULK: Final = 1000
"""From so many objects on it is worth it."""

_loads = 0


@contextlib.contextmanager
def bulk_load(count: int) -> Iterator[None]:
    """Have no collection while ``count`` objects are made, and none that walks them later; loads may overlap.

    Garbage with cycles that is made meanwhile is set aside too and stays: it is little, as bulk loads are rare (the
    first list, a list after a long outage, an ``apply`` of thousands).
    """
    global _loads  # noqa: PLW0603 - the collector is the process' own, and so is the count of who holds it off
    if count < BULK or not (gc.isenabled() or _loads):
        yield
        return
    _loads += 1
    gc.disable()
    try:
        yield
    finally:
        _loads -= 1
        if not _loads:
            gc.freeze()
            gc.enable()
