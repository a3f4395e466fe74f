"""What is to be said of a session: its state, since when, and why it is as it is.

The daemon tells whether a session is Established; it tells nobody why it is not (no version of its API carries the
NOTIFICATION). The reason is therefore put together from what was seen on the wire, from what the host knows of the way
to the router, and from what our own plan waits for. All of it arrives here as facts with a time; the newest fact that
says something wins, except that a NOTIFICATION of the present down time is never forgotten for a mere "no answer".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from flatbgp.planning.notifications import Names, Notification, explain
from flatbgp.resources.bgpsession import BGPSessionStatus, SessionFamily, SessionStatusState
from flatbgp.resources.ip import Family
from flatbgp.resources.reasons import Reason

AUTHENTICATION_SUSPECTED_AFTER = 10.0
"""Seconds without an answer to TCP on a session with a password after which the password is the likely cause.

A router that refuses a segment for its MD5 signature (RFC 2385) drops it in silence.
"""


_SAME_END_SECONDS = 2.0
"""A TCP connection that ends so soon after a NOTIFICATION ended because of it."""


class ConnectFailure(StrEnum):
    """How an attempt to open the TCP connection failed."""

    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"
    TTL_EXCEEDED = "ttl exceeded"
    LOST = "lost"  # it came up, and ended without a NOTIFICATION


@dataclass(frozen=True, slots=True)
class Wire:
    """What the wire showed of one session since it was configured.

    ``notification`` is the last one of the present down time, with its arrival time; ``previous`` the one that ended
    the session before; ``failure`` the outcome of the last attempt to connect (``None``: it connected, or none was
    made) and ``failing_since`` when attempts began to fail that way.
    """

    notification: Notification | None = None
    notified_at: float = 0.0
    previous: Notification | None = None
    failure: ConnectFailure | None = None
    failing_since: float = 0.0

    def notified(self, notification: Notification, now: float) -> "Wire":
        """Return the record with a NOTIFICATION added; the connection that carried it did come up."""
        return replace(self, notification=notification, notified_at=now, failure=None)

    def opened(self) -> "Wire":
        """Return the record with an OPEN of the peer added: the connection that carried it did come up."""
        return replace(self, failure=None)

    def failed(self, failure: ConnectFailure, now: float) -> "Wire":
        """Return the record with a failed attempt to connect added; the end that follows a NOTIFICATION is no news."""
        told = self.notification is not None and now - self.notified_at < _SAME_END_SECONDS
        if failure is ConnectFailure.LOST and told:
            return self
        since = self.failing_since if self.failure is failure else now
        return replace(self, failure=failure, failing_since=since)

    def connected(self) -> "Wire":
        """Return the record with a TCP connection that came up; what ended the one before it is still the news."""
        return self if self.failure is ConnectFailure.LOST else replace(self, failure=None)

    def established(self, since: float) -> "Wire":
        """Return the record of a session that is up ``since`` then: what came before is history."""
        if self.notification is not None and self.notified_at < since:
            return replace(self, failure=None, notification=None, previous=self.notification)
        return replace(self, failure=None)


@dataclass(frozen=True, slots=True)
class Observation:
    """What is known of one session at one moment.

    ``waits`` is why the plan does not open it at all; ``engine_error`` why the daemon cannot be asked. ``established``
    is ``None`` while the daemon has no such neighbour. ``next_hop_answers`` is false when nobody answers ARP or
    Neighbor Discovery for the router (or the gateway to it), so that no SYN ever leaves.
    """

    established: bool | None
    wire: Wire = Wire()
    waits: Reason | None = None
    waits_message: str = ""
    engine_error: str = ""
    has_password: bool = False
    has_route: bool = True
    next_hop_answers: bool = True
    single_hop: bool = False
    prefix_limit_exceeded: bool = False
    families: Mapping[Family, tuple[int, int]] = field(default_factory=dict)  # advertised, received
    wanted_families: frozenset[Family] = frozenset()


def assess(
    before: BGPSessionStatus | None, seen: Observation, names: Names, now: float, wall: datetime
) -> BGPSessionStatus:
    """Return the status to show; ``last_report`` is left for the writer.

    ``since`` moves only when the state changes; ``flaps`` counts the times that an Established session was lost.
    """
    state = SessionStatusState.ESTABLISHED if seen.established else SessionStatusState.NOT_ESTABLISHED
    reason, message = _why(seen, names, now)
    if seen.established:
        message = _up_message(before, seen)
    changed = before is None or before.state is not state
    lost = (
        before is not None
        and before.state is SessionStatusState.ESTABLISHED
        and state is SessionStatusState.NOT_ESTABLISHED
    )
    return BGPSessionStatus(
        state=state,
        last_report=None,
        since=wall if changed or before is None else before.since,
        reason=reason,
        message=message,
        families=tuple(
            SessionFamily(family=family, advertised=counts[0], received=counts[1])
            for family, counts in sorted(seen.families.items())
        )
        if seen.established
        else (),
        flaps=(before.flaps if before else 0) + (1 if lost else 0),
    )


def _up_message(before: BGPSessionStatus | None, seen: Observation) -> str:
    """Say what an Established session lacks, and how it was last lost."""
    parts = []
    withheld = sorted(seen.wanted_families - set(seen.families))
    if withheld:
        parts.append(
            f"The router does not offer {' and '.join(withheld)}: routes of that family are not sent to it; "
            "activate the address family for this neighbour on the router."
        )
    last = _last_loss(before, seen)
    if last:
        parts.append(last)
    return " ".join(parts)


def _last_loss(before: BGPSessionStatus | None, seen: Observation) -> str:
    last = seen.wire.notification or seen.wire.previous
    if last is not None:
        return f"Last down: {explain(last).headline}."
    if before is not None and before.state is SessionStatusState.ESTABLISHED:
        start = before.message.find("Last down: ")
        return before.message[start:] if start >= 0 else ""
    return ""


def _why(seen: Observation, names: Names, now: float) -> tuple[Reason, str]:
    """Return the reason and the sentence, the most certain cause first."""
    if seen.established:
        return Reason.ESTABLISHED, ""
    if seen.waits is not None:
        return seen.waits, seen.waits_message
    if seen.engine_error:
        return Reason.ENGINE_UNAVAILABLE, f"gobgpd on {names.node} cannot be used: {seen.engine_error}"
    if seen.prefix_limit_exceeded:
        return Reason.MAX_PREFIXES, (
            f"{names.peer_ip} announced more prefixes than prefixLimit allows; the session is closed and tried again "
            "after 5 minutes. Let the router announce less to us (we use none of it), or raise prefixLimit."
        )
    wire = seen.wire
    if wire.notification is not None:
        told = explain(wire.notification)
        return told.reason, " ".join(part for part in (told.sentence(names), _failure(seen, names, now)[1]) if part)
    reason, message = _failure(seen, names, now)
    if message:
        return reason, message
    return Reason.CONNECTING, f"Opening the session from {names.local_ip} to {names.peer_ip} (TCP port 179)."


def _failure(seen: Observation, names: Names, now: float) -> tuple[Reason, str]:
    """Return what the failing attempts to connect mean; an empty sentence when none fails."""
    wire = seen.wire
    way = f"from {names.local_ip} to {names.peer_ip}"
    if not seen.has_route:
        return Reason.NO_ROUTE, (f"{names.node} has no route {way}: add one, or correct the BGPPeer's peerIP.")
    if not seen.next_hop_answers:
        return Reason.UNREACHABLE, (
            f"Nobody answers ARP or Neighbor Discovery on the way {way}: look whether {names.peer_ip} (or the gateway "
            "to it) is up and in the same VLAN."
        )
    if wire.failure is None:
        return Reason.CONNECTING, ""
    if wire.failure is ConnectFailure.REFUSED:
        return Reason.CONNECTION_REFUSED, (
            f"{names.peer_ip} refuses TCP connections to port 179 {way}: start BGP there, and configure "
            f"{names.local_ip} as a neighbour with remote AS {names.local_asn}."
        )
    if wire.failure is ConnectFailure.LOST:
        return Reason.CONNECTION_LOST, (
            f"{names.peer_ip} closed the TCP connection {way} without a NOTIFICATION: BGP stopped or was killed there, "
            f"or the router has no neighbour {names.local_ip} with remote AS {names.local_asn}."
        )
    if wire.failure is ConnectFailure.TTL_EXCEEDED:
        return Reason.TTL_EXCEEDED, (
            f"{names.peer_ip} is more than one hop away {way}, and the session is single-hop: set ebgpMultihop to "
            f"true, and ebgp-multihop for {names.local_ip} on the router."
        )
    if wire.failure is ConnectFailure.UNREACHABLE:
        return Reason.UNREACHABLE, (
            f"A router on the way {way} answers that the host or port is unreachable: look at the routing between them."
        )
    silent = now - wire.failing_since
    if seen.has_password and silent >= AUTHENTICATION_SUSPECTED_AFTER:
        return Reason.AUTHENTICATION_SUSPECTED, (
            f"{names.peer_ip} has not answered TCP {way} for {int(silent)} s, and the session has a password: the "
            "router most likely has another one (or none) for this neighbour and drops our segments. Compare the two."
        )
    hint = (
        " The session is single-hop (ebgpMultihop: false, TTL 1): a router more than one hop away never sees it."
        if seen.single_hop
        else ""
    )
    return Reason.CONNECT_TIMEOUT, (
        f"{names.peer_ip} does not answer TCP {way} for {int(silent)} s: look whether it is up, whether a filter "
        f"stands between, and whether it has a route back to {names.local_ip}.{hint}"
    )
