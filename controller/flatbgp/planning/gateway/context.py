"""What the parts of a gateway share during one call of ``handle``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flatbgp.planning.gateway.actions import Action, ReadLease, SwapLease
from flatbgp.planning.gateway.evidence import Evidence
from flatbgp.planning.gateway.facts import Facts
from flatbgp.planning.gateway.leases import LeaseBook
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord
from flatbgp.planning.gateway.timings import Timings, next_beat
from flatbgp.resources.ip import IPAddress


class Randomness(Protocol):
    """The part of ``random.Random`` that is used."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


@dataclass(slots=True)
class Context:
    """Who we are, what is known, what time it is (``now``), and what is to be done (``actions``).

    ``phase`` shifts the grid of what is done again and again: each gateway of a machine has its own.
    """

    node: str
    instance: str
    timings: Timings
    rng: Randomness
    facts: Facts
    evidence: Evidence
    leases: LeaseBook
    now: float = 0.0
    actions: list[Action] = field(default_factory=list)
    last_token: int = 0
    held: Mapping[IPAddress, Place] = field(default_factory=dict)
    phase: float = 0.0

    def next_beat(self, period: float) -> float:
        """Return the next time on a grid of this gateway's own, so that many addresses wake it as seldom as one."""
        return next_beat(self.now, period, self.phase)

    def emit(self, action: Action) -> None:
        """Want something done."""
        self.actions.append(action)

    def swap(self, address: IPAddress, before: LeaseRecord | None, content: LeaseContent, *, renew: bool) -> int:
        """Want a Lease written; return the token by which the outcome is known."""
        self.last_token += 1
        timeout = self.timings.request_timeout
        self.emit(SwapLease(address, self.last_token, before, content, renew, timeout))
        return self.last_token

    def read(self, address: IPAddress) -> None:
        """Want a Lease read from the store itself."""
        self.emit(ReadLease(address, self.timings.request_timeout))

    def owned(self, place: Place, *, wanted_by: str = "") -> LeaseContent:
        """Return what we write into a Lease that is (to be) ours; a claimant's note of what it heard is dropped."""
        return LeaseContent(
            holder=self.node,
            instance=self.instance,
            duration=self.timings.lease,
            subnet=place.subnet,
            router_heard=self.evidence.router_heard(self.now, place),
            wanted_by=wanted_by,
        )
