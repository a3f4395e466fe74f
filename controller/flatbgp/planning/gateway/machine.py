"""The gateway itself: events in, actions out, no clock and no I/O of its own."""

from collections.abc import Mapping
from typing import Protocol

from flatbgp.planning.gateway.actions import Action
from flatbgp.planning.gateway.events import Event
from flatbgp.planning.gateway.status import AddressStatus
from flatbgp.planning.gateway.timings import Timings
from flatbgp.resources.ip import IPAddress


class Randomness(Protocol):
    """The part of ``random.Random`` that is used."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


class Gateway:
    """Decides for one speaker about all floating IPs of the group.

    ``node`` and ``instance`` are who we are (the Lease's holderIdentity, and the machine-id); ``interface`` is the one
    to use instead of the choice by subnet. To be made only once the speaker's lock is held: that no other process acts
    for this node in this store is what adoption after a restart rests on.

    ``handle`` takes one event at a time, with the time at which it is handled, and must be called again at
    ``next_deadline`` at the latest (with ``Tick``); being called more than 0.5 s late is taken for a suspension.
    """

    def __init__(
        self, node: str, instance: str, timings: Timings, rng: Randomness, *, interface: str | None = None
    ) -> None: ...

    def handle(self, now: float, event: Event) -> tuple[Action, ...]:
        """Take an event at ``now`` and return what is to be done, in order."""

    def next_deadline(self) -> float | None:
        """Return when ``handle`` must be called again at the latest, or ``None``."""

    @property
    def held(self) -> Mapping[IPAddress, str]:
        """The addresses from which this node may have sessions now, with their interface."""

    @property
    def statuses(self) -> Mapping[IPAddress, AddressStatus]:
        """How it is with each address of the group on this node."""

    @property
    def questions(self) -> Mapping[str, frozenset[IPAddress]]:
        """The addresses to listen for on each interface: our floating IPs there, and those that we ask for."""
