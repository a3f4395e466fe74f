"""What is seen of this node's sessions, and said of them: as BGPSession objects, and as metrics."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flatbgp.engine.model import NeighborState, SessionState
from flatbgp.host.interface import Host
from flatbgp.host.model import NextHop, Route
from flatbgp.planning.notifications import Names
from flatbgp.planning.sessions import PlannedSession, SessionId
from flatbgp.planning.sessionstate import Observation, Wire, assess
from flatbgp.resources.bgpsession import BGPSessionStatus, SessionStatusState
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.roles.runtime_http import Sample
from flatbgp.roles.speaker.caches import Caches
from flatbgp.roles.speaker.daemon import Daemon
from flatbgp.roles.speaker.reports import Report, Reporter
from flatbgp.roles.speaker.wire import Pair, WireRecord

_UNKNOWN = Route("", None, NextHop.UNKNOWN)
_BUSY_SECONDS = 1.0


@dataclass(slots=True)
class SessionObserver:
    """Puts together what daemon, wire and host show of each planned session, and has it written.

    ``planned`` and ``held`` return this node's sessions and addresses of the moment; ``came_or_went`` is called when a
    session came up or went down.
    """

    host: Host
    daemon: Daemon
    wire: WireRecord
    reporter: Reporter
    wall: Callable[[], datetime]
    planned: Callable[[], tuple[PlannedSession, ...]]
    held: Callable[[], Mapping[IPAddress, str]]
    came_or_went: Callable[[], None]
    _statuses: dict[tuple[str, str], BGPSessionStatus] = field(default_factory=dict)
    _up: frozenset[SessionId] = frozenset()
    _ways: dict[Pair, Route | None] = field(default_factory=dict)

    async def report(self, caches: Caches) -> float | None:
        """Write what is to be said of this node's sessions; return when the next report is due."""
        now = self.host.now()
        if not caches.complete:
            return None
        if self.reporter.due(now) == 0:
            await self.daemon.look()  # counters are not worth an event; they are as old as the report at most
        sessions = self.planned()
        await self._look_for_routes(sessions)
        reports = list(self._reports(sessions, caches, now))
        self._take_note(reports)
        await self.reporter.write(reports, caches.sessions(), now)
        waits = [seconds for seconds in (self.reporter.due(self.host.now()),) if seconds is not None]
        if any(entry.status.state is SessionStatusState.NOT_ESTABLISHED for entry in reports):
            waits.append(_BUSY_SECONDS)  # "no answer for N s" is a matter of time
        return min(waits, default=None)

    def samples(self, node: str) -> Iterator[Sample]:
        """Return what is measured of each session."""
        for (name, local), status in sorted(self._statuses.items()):
            labels = (("node", node), ("session", name), ("local_ip", local))
            up = status.state is SessionStatusState.ESTABLISHED
            yield Sample("flatbgp_session_up", "Whether the session is Established.", float(up), labels=labels)
            yield Sample("flatbgp_session_flaps", "Times that the session was lost.", status.flaps, "counter", labels)

    async def _look_for_routes(self, sessions: tuple[PlannedSession, ...]) -> None:
        self._ways = {
            (session.local_ip, session.peer_ip): await self.host.route(session.local_ip, session.peer_ip)
            for session in sessions
            if session.local_ip in self.held()
        }

    def _reports(self, sessions: tuple[PlannedSession, ...], caches: Caches, now: float) -> Iterator[Report]:
        stored, config = caches.sessions(), caches.configuration()
        mode = config.mode.spec if config.mode is not None else None
        families = {Family.IPV4: mode.enable_bgp_ipv4, Family.IPV6: mode.enable_bgp_ipv6} if mode is not None else {}
        sight = _Sight(
            states=self.daemon.neighbors,
            engine_error=self.daemon.error,
            wire=self.wire.of,
            ways=self._ways,
            wanted_families=frozenset(family for family, enabled in families.items() if enabled),
        )
        wall = self.wall()
        for session in sessions:
            first = _report_of(session, None, sight, now, wall)
            before = self._statuses.get((first.name, str(session.local_ip)))
            there = stored.get(Key(USER_NAMESPACE, first.name))
            if before is None and there is not None:
                before = there.status
            yield _report_of(session, before, sight, now, wall)

    def _take_note(self, reports: Iterable[Report]) -> None:
        """Remember what was said; tell when a session came up or went, since one may replace another."""
        self._statuses = {(entry.name, str(entry.session.local_ip)): entry.status for entry in reports}
        up = {entry.session.id: entry for entry in reports if entry.status.state is SessionStatusState.ESTABLISHED}
        for entry in up.values():
            state = self.daemon.neighbors.get(entry.session.peer_ip)
            if state is not None and state.uptime is not None:
                since = self.daemon.looked_at - state.uptime
                self.wire.established(entry.session.local_ip, entry.session.peer_ip, since)
        if up.keys() != self._up:
            self._up = frozenset(up)
            self.came_or_went()


@dataclass(frozen=True, slots=True)
class _Sight:
    """What the shell knows of all sessions at one moment; ``ways`` are the routes to the peers of held addresses."""

    states: Mapping[IPAddress, NeighborState]
    engine_error: str
    wire: Callable[[IPAddress, IPAddress], Wire]
    ways: Mapping[Pair, Route | None]
    wanted_families: frozenset[Family]


def _report_of(
    session: PlannedSession, before: BGPSessionStatus | None, sight: _Sight, now: float, wall: datetime
) -> Report:
    """Return what is to be said of a session; ``before`` is what was said last, also by an earlier process."""
    spec = session.spec
    state = sight.states.get(session.peer_ip)
    if state is not None and state.local_address not in (None, session.local_ip):
        state = None  # the session with that router from another address, which is on its way out
    up = state is not None and state.state is SessionState.ESTABLISHED and not sight.engine_error
    way = sight.ways.get((session.local_ip, session.peer_ip), _UNKNOWN)
    seen = Observation(
        established=up if state is not None else None,
        wire=sight.wire(session.local_ip, session.peer_ip),
        waits=session.waits,
        waits_message=session.message,
        engine_error=sight.engine_error,
        has_password=spec.password_secret_ref is not None,
        has_route=way is not None,
        next_hop_answers=way is None or way.next_hop is not NextHop.UNRESOLVED,
        single_hop=not spec.ebgp_multihop and not spec.internal,
        prefix_limit_exceeded=state is not None and state.prefix_limit_exceeded,
        families={
            family: (counts.advertised, counts.received)
            for family, counts in (state.families if state is not None else {}).items()
            if counts.negotiated
        },
        wanted_families=sight.wanted_families,
    )
    names = Names(
        peer=session.peer,
        peer_ip=str(session.peer_ip),
        local_ip=str(session.local_ip),
        node=session.node,
        local_asn=spec.local_asn,
        peer_asn=spec.peer_asn,
    )
    return Report(session, assess(before, seen, names, now, wall))
