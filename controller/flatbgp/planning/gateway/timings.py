"""Every time of the protocol, in seconds, and the arithmetic between them."""

import math
from dataclasses import dataclass
from typing import Final

# --- addresses and Leases

LIFETIME_MARGIN: Final = 0.3
"""An address's lifetime ends this much before its Lease: the kernel was measured 0.01 to 0.4 s late, never early."""

REFRESH: Final = 0.25
"""Between two looks at whether an address's lifetime can be set anew: a finer grain than its whole seconds."""

LATE: Final = 0.5
"""A store that keeps us waiting until so shortly before the address ends is taken for one that does not answer."""

MISSED_RENEWALS: Final = 2.5
"""A Lease unchanged for this many renewals has missed two (the half is for the watch): others get ready to claim."""

# --- the LAN

EVIDENCE: Final = 3.0
"""For how long a packet of another host proves that the LAN works."""

ASK: Final = 0.5
ASK_AGAIN: Final = 0.1
"""Between two questions; the second once the newest answer is older than the first (asked once a second, a loss of
30 % alone made holders let go)."""

ASK_VAINLY: Final = 10.0
"""With no answer for so long, the questions go back to the slower pace."""

UNHEARD: Final = 3.0
"""For how long nobody answers before it is asked whether there are others to ask than those that were listed."""

ASK_NODES: Final = 8
"""How many other nodes are asked at a time."""

GAP: Final = 0.5
"""Being called this much later than asked for means that this process, or the machine, was stopped."""

GAP_GRACE: Final = 1.0
"""After a gap: how long the LAN may take to answer before its silence counts."""

ROUTER_STEADY: Final = 5.0
"""How long a node must have heard a router before it takes an address from a holder that hears none."""

# --- claiming

PROBES: Final = 10
PROBE_WINDOW: Final = 0.4
PROBE_INTERVAL: Final = PROBE_WINDOW / PROBES
"""The probes before a claim. Three would miss a live holder in 13 % at a loss of 30 %."""

CONTESTED_PROBE: Final = 0.1
CONTESTED_SILENCE: Final = 2.0
CONTESTED_PROBES: Final = 18
"""An address that answered is free only after this silence, with so many probes unanswered."""

CONTESTED_PATIENCE: Final = 10.0
CONTESTED_PATIENT_PROBE: Final = 0.5
"""An address that goes on answering for the first is probed at the slower pace (cf. RFC 5227 RATE_LIMIT_INTERVAL)."""

WAIT_FIRST: Final = 2.0
WAIT_AGAIN: Final = 0.3
"""For each address that the claimant holds already: to one that nobody ever held (nodes start one after another), and
to one that lost its holder."""

WAIT_WANTED: Final = 1.0
WAIT_NO_ROUTER: Final = 2.0
WAIT_CHANCE: Final = 0.1

RETRY_PUT: Final = 5.0
"""How long an address is left to others after this node's kernel refused it."""

# --- holding

ANNOUNCEMENTS: Final = (0.0, 0.25, 1.0, 2.0)
ANNOUNCE_AGAIN: Final = 30.0
"""When an address is announced after it was put, and at which interval from then on."""

OWN_PROBE: Final = 30.0
OWN_PROBE_DOUBTFUL: Final = 1.0
OWN_PROBE_OUTAGE: Final = 0.5
"""Between two probes for an address that we hold: usually, after a conflict, and without the store."""

DEFENCE_INTERVAL: Final = 0.5
CONFLICTS: Final = 4
CONFLICT_WINDOW: Final = 10.0
"""Conflicts closer together than the first are one; so many in the window, and the address is let go."""

ENGINE_SILENT: Final = 10.0
"""A gobgpd that has not answered for so long does not work."""

ENGINE_FRESH: Final = 2.5
"""Claiming needs an answer of gobgpd that is not older (it is asked once a second)."""

# --- letting go, spreading

WITHDRAWAL: Final = 2.5
"""How long a removal waits for routes and Cease to have left."""

RELEASE_AGAIN: Final = 0.5
REMOVE_AGAIN: Final = 0.2
STOP: Final = 1.8
"""After SIGTERM the moves are done, or given up: the process has 2 s."""

SPREAD_SEEN: Final = 60.0
SPREAD_EVERY: Final = 60.0
SPREAD_CHANCE: Final = 5.0
"""How long a node without address sees one that has several before it asks (plus chance, lest all ask at once), and
how often a holder hands one over."""

INTEREST: Final = 60.0
"""How long a speaker that needs nothing any more goes on watching everything: watches are not opened and closed at
each hiccup of a holder."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a person may set: ``lease`` in whole seconds, and how often it is renewed.

    ``request`` is the time limit of one request to the store; ``None``: 86 % of what the arithmetic allows.
    """

    lease: int = 5
    renewal: float = 1.0
    request: float | None = None

    @property
    def request_timeout(self) -> float:
        """The time limit of one request to the store."""
        return self.request if self.request is not None else round(0.86 * self.request_limit, 3)

    @property
    def request_limit(self) -> float:
        """What a request must stay below.

        The address lives for floor(lease - 0.3) whole seconds from a renewal; the next renewal is sent ``renewal``
        later and must have failed before the address is gone, or a mere outage of the store takes it away [4 s instead
        of 2.5 s: in 97 % of outages].
        """
        return math.floor(self.lease - LIFETIME_MARGIN) - self.renewal - 0.1


DEFAULT: Final = Timings()
FAST: Final = Timings(lease=2, renewal=0.5)


def next_beat(now: float, period: float, phase: float) -> float:
    """Return the first time after ``now`` that is ``phase`` and a multiple of ``period``."""
    return phase + (math.floor((now - phase) / period) + 1) * period


def last_beat(at: float, period: float, phase: float) -> float:
    """Return the last time, at most ``at``, that is ``phase`` and a multiple of ``period``."""
    return phase + math.floor((at - phase) / period + 1e-9) * period


def contradictions(timings: Timings) -> tuple[str, ...]:
    """Return what cannot be in these timings, each with its arithmetic; empty if they are sound."""
    found: list[str] = []
    if timings.lease < 2 or timings.lease > ENGINE_SILENT:
        found.append(
            f"a lease of {timings.lease} s: it must be 2 to {ENGINE_SILENT:g} whole seconds (an address's lifetime is "
            f"whole seconds, {LIFETIME_MARGIN} s less; and the restart time of sessions counts on {ENGINE_SILENT:g} s "
            "until any failure is noticed)"
        )
    if timings.renewal <= 0 or timings.renewal > timings.lease / 2:
        found.append(
            f"a renewal every {timings.renewal:g} s: it must be more than 0 and at most half the lease "
            f"({timings.lease / 2:g} s), so that one lost renewal is not the end"
        )
    limit = round(timings.request_limit, 3)
    if not found and not 0 < timings.request_timeout < limit:
        found.append(
            f"a time limit of {timings.request_timeout:g} s for requests to the store: it must be more than 0 and "
            f"below floor(lease {timings.lease} - {LIFETIME_MARGIN}) - renewal {timings.renewal:g} - 0.1 = {limit:g} s,"
            " or an outage of the store would take addresses away; shorten it, renew more often, or lengthen the lease"
        )
    return tuple(found)
