"""Every time of the protocol, and the arithmetic between them."""

import math
from dataclasses import dataclass

LIFETIME_MARGIN = 0.3
"""Seconds by which an address's lifetime ends before its Lease: the kernel was measured 0.01 to 0.4 s late."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a person may set, in seconds: ``lease`` (whole seconds) and ``renewal`` bound a take-over.

    ``request`` is the time limit of one request to the store; ``None``: as long as the arithmetic allows.
    """

    lease: int = 5
    renewal: float = 1.0
    request: float | None = None
    restart: int = 60

    @property
    def request_timeout(self) -> float:
        """The time limit of one request."""
        return self.request if self.request is not None else round(0.86 * request_limit(self.lease, self.renewal), 3)


def request_limit(lease: float, renewal: float) -> float:
    """Return the time that a request to the store must stay below."""
    return math.floor(lease - LIFETIME_MARGIN) - renewal - 0.1
