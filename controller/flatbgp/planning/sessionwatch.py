"""BGPSession objects as the controller looks after them: silent speakers, lost gateways, objects without a session.

An object has one writer, the speaker of its node. The controller writes only what that speaker cannot: that nothing was
heard from it, or that nobody holds the address any more. It deletes what belongs to no planned session. Whether a
session that could be is planned is also a matter of when one began to look; there the speaker knows better, and the
object goes only when it is no longer reported, unless all that its peer should have are up.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from flatbgp.planning.sessions import PlannedSession, SessionId, SessionPlan
from flatbgp.resources.bgpsession import BGPSessionSpec, BGPSessionStatus, SessionStatusState
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.meta import Key
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource

Session = Resource[BGPSessionSpec, BGPSessionStatus]

MISSED_REPORTS: Final = 3
"""After so many intervals without a report the speaker counts as silent."""

LATE_REPORT: Final = 1.5
"""After so many intervals without a report the speaker has given the session up."""

GRACE_SECONDS: Final = 2.0
"""How long a session is left alone that is not in our plan, or whose address has no holder: a move takes less."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The last report of a session, and when *we* saw it (seconds of our own clock: the report's time is another's)."""

    report: datetime | None
    at: float


@dataclass(frozen=True, slots=True)
class Watch:
    """What is remembered from one look to the next: reports, and since when sessions are out of place."""

    heard: Mapping[Key, Heard] = field(default_factory=dict)
    stray_since: Mapping[Key, float] = field(default_factory=dict)

    def observe(self, sessions: Iterable[Session], now: float) -> "Watch":
        """Return the watch after the objects were read at ``now``."""
        heard = {}
        for session in sessions:
            report = session.status.last_report if session.status else None
            known = self.heard.get(session.key)
            heard[session.key] = known if known is not None and known.report == report else Heard(report, now)
        return Watch(heard, self.stray_since)

    def after_gap(self, now: float) -> "Watch":
        """Return the watch after a time in which we could not see reports: everything counts from now on again."""
        return Watch({key: replace(heard, at=now) for key, heard in self.heard.items()}, {})


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Statuses to write, objects to delete, and the watch for the next look.

    ``look_after`` is when time alone brings more to write (seconds from now), ``None`` if it does not.
    """

    statuses: tuple[tuple[Session, BGPSessionStatus], ...]
    deletions: tuple[Session, ...]
    watch: Watch
    look_after: float | None


def established_of(sessions: Iterable[Session]) -> Mapping[SessionId, str]:
    """Return the sessions that are up, as the objects say."""
    return {
        SessionId.of(session.spec.peer_ip, session.spec.local_ip, session.spec.node_name): session.spec.peer
        for session in sessions
        if session.spec is not None
        and session.status is not None
        and session.status.state is SessionStatusState.ESTABLISHED
    }


def look_after_sessions(
    sessions: Collection[Session],
    plan: SessionPlan,
    nodes: Collection[str],
    holders: Mapping[IPAddress, str],
    watch: Watch,
    *,
    now: float,
    wall: datetime,
    interval: float,
) -> Upkeep:
    """Return what the controller has to write.

    ``nodes`` are the Nodes that exist, ``holders`` says who holds which address, ``interval`` is that of reports.
    """
    watch = watch.observe(sessions, now)
    established = established_of(sessions)
    planned = {session.id: session for session in plan.sessions}
    statuses: list[tuple[Session, BGPSessionStatus]] = []
    deletions: list[Session] = []
    strays: dict[Key, float] = {}
    looks: list[float] = []
    for session in sorted(sessions, key=lambda each: each.key):
        stray = _stray(session, planned, nodes)
        silent_in = watch.heard[session.key].at + MISSED_REPORTS * interval - now
        if stray is not None:
            strays[session.key] = since = watch.stray_since.get(session.key, now)
            grace_ends = since + GRACE_SECONDS
            if (
                stray is Reason.NOT_SELECTED
                and session.spec is not None
                and _possible(session.spec, plan, holders, established)
            ):
                grace_ends = max(grace_ends, watch.heard[session.key].at + LATE_REPORT * interval)
            if now < grace_ends:
                looks.append(grace_ends - now)
            elif stray is Reason.NO_GATEWAY:
                message = f"No node holds {session.spec.local_ip if session.spec else 'the floating IP'} any more."
                statuses += _down(session, stray, message, wall)
            else:
                deletions.append(session)
        elif silent_in <= 0:
            node = session.spec.node_name if session.spec else "its node"
            seconds = MISSED_REPORTS * interval
            message = f"The speaker on {node} has not reported for {seconds:g} s; what it last said is not trusted."
            statuses += _down(session, Reason.SPEAKER_SILENT, message, wall)
        else:
            looks.append(silent_in)
    return Upkeep(tuple(statuses), tuple(deletions), Watch(watch.heard, strays), min(looks, default=None))


def _possible(
    spec: BGPSessionSpec,
    plan: SessionPlan,
    holders: Mapping[IPAddress, str],
    established: Collection[SessionId],
) -> bool:
    """Return whether a session could be planned as far as objects say, the choice between several aside.

    It is no matter of choice once the peer has all its sessions: then this one was taken back.
    """
    peer = plan.peers.get(spec.peer)
    return (
        peer is not None
        and peer.reason not in (Reason.NOT_SELECTED, Reason.CONFLICTING)
        and holders.get(spec.local_ip) == spec.node_name
        and sum(session.id in established for session in peer.sessions) < peer.wanted
    )


def _stray(session: Session, planned: Mapping[SessionId, PlannedSession], nodes: Collection[str]) -> Reason | None:
    """Return why an object is out of place, ``None`` if it is not.

    ``NOT_SELECTED`` is one that belongs to no session, ``NO_GATEWAY`` one that waits for a new holder of its address.
    """
    spec = session.spec
    if spec is None or spec.node_name not in nodes:
        return Reason.NOT_SELECTED
    if SessionId.of(spec.peer_ip, spec.local_ip, spec.node_name) in planned:
        return None
    waiting = SessionId.of(spec.peer_ip, spec.local_ip, "") in planned
    return Reason.NO_GATEWAY if waiting else Reason.NOT_SELECTED


def _down(session: Session, reason: Reason, message: str, wall: datetime) -> list[tuple[Session, BGPSessionStatus]]:
    """Return the status NotEstablished, if it is not there already."""
    before = session.status or BGPSessionStatus(SessionStatusState.NOT_ESTABLISHED)
    if session.status is not None and (before.state, before.reason) == (SessionStatusState.NOT_ESTABLISHED, reason):
        return []
    was_up = before.state is SessionStatusState.ESTABLISHED
    after = replace(
        before,
        state=SessionStatusState.NOT_ESTABLISHED,
        since=wall if was_up or before.since is None else before.since,
        reason=reason,
        message=message,
        families=(),
        flaps=before.flaps + was_up,
    )
    return [(session, after)]
