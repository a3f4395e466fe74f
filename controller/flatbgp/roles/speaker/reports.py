"""The BGPSession objects of this node, as its speaker sees its sessions.

An object is written when what it says changed, and otherwise every report interval with nothing but ``lastReport``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from flatbgp.planning.happenings import Happening, of_session
from flatbgp.planning.sessions import PlannedSession
from flatbgp.resources.bgpsession import BGP_SESSION, BGPSessionSpec, BGPSessionStatus
from flatbgp.resources.codec import encode, encode_spec, encode_status
from flatbgp.resources.meta import Key, Meta
from flatbgp.resources.names import session_name
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import AlreadyExists, NotFound, Store

Session = Resource[BGPSessionSpec, BGPSessionStatus]


@dataclass(frozen=True, slots=True)
class Report:
    """A session and what is to be said of it (``status.last_report`` is set when it is written)."""

    session: PlannedSession
    status: BGPSessionStatus

    @property
    def name(self) -> str:
        """The object's name."""
        return session_name(self.session.peer_ip, self.session.node)

    @property
    def spec(self) -> BGPSessionSpec:
        """The object's spec."""
        session = self.session
        return BGPSessionSpec(
            local_asn=session.spec.local_asn,
            peer_asn=session.spec.peer_asn,
            local_ip=session.local_ip,
            peer_ip=session.peer_ip,
            node_name=session.node,
            peer=session.peer,
        )


@dataclass(slots=True)
class _Written:
    """What was last written of a session, when, and over which stored version; ``seen``: the watch has shown it."""

    report: Report
    at: float
    over: str
    seen: bool = False


@dataclass(slots=True)
class Reporter:
    """Writes reports; remembers what it wrote, so that nothing is written twice.

    ``record`` takes what is worth a line in a session's history.
    """

    store: Store
    wall: Callable[[], datetime]
    interval: float
    record: Callable[[Iterable[Happening]], None]
    _written: dict[str, _Written] = field(default_factory=dict)

    def due(self, now: float) -> float | None:
        """Return the seconds until the next report must be renewed, ``None`` if there is none."""
        ends = [known.at + self.interval - now for known in self._written.values()]
        return max(0.0, min(ends)) if ends else None

    async def write(self, reports: Iterable[Report], stored: Mapping[Key, Session], now: float) -> None:
        """Write what is new or due; ``stored`` are the objects as last seen, ``now`` is monotonic.

        An object that disappeared, or that somebody else wrote, is written again.
        """
        current = {report.name: report for report in reports}
        self._written = {name: known for name, known in self._written.items() if name in current}
        for name, report in current.items():
            there = stored.get(Key(USER_NAMESPACE, name))
            if not self._stands(self._written.get(name), report, there, now):
                before = self._last_said(name, there)
                meta = await self._put(name, report, there)
                self.record(of_session(BGP_SESSION, meta, before, report.status))
                self._written[name] = _Written(report, now, there.meta.resource_version if there else "")

    def _last_said(self, name: str, there: Session | None) -> BGPSessionStatus | None:
        """Return the status that people see until the next write: the controller may have called us silent."""
        known = self._written.get(name)
        if known is not None and not known.seen:
            return known.report.status
        return there.status if there is not None else None

    def _stands(self, known: _Written | None, report: Report, there: Session | None, now: float) -> bool:
        """Return whether the last write still says it all."""
        if known is None or known.report != report or now - known.at >= self.interval:
            return False
        if there is not None and _same(there, report):
            known.seen = True
            return True
        # A watch that has not caught up with our own write shows the version that we wrote over.
        return not known.seen and known.over == (there.meta.resource_version if there else "")

    async def _put(self, name: str, report: Report, there: Session | None) -> Meta:
        status = encode_status(BGP_SESSION, replace(report.status, last_report=self.wall()))
        if there is None or there.spec != report.spec:
            spec = encode_spec(BGP_SESSION, report.spec)
            try:
                await self.store.patch(BGP_SESSION, name, USER_NAMESPACE, {"spec": spec})
            except NotFound:
                meta = Meta(name=name, namespace=USER_NAMESPACE)
                try:
                    await self.store.create(BGP_SESSION, encode(BGP_SESSION, meta, report.spec))
                except AlreadyExists:
                    await self.store.patch(BGP_SESSION, name, USER_NAMESPACE, {"spec": spec})
        absent = {key: None for key in ("reason", "message", "families") if key not in status}
        written = await self.store.patch(
            BGP_SESSION, name, USER_NAMESPACE, {"status": {**status, **absent}}, subresource="status"
        )
        return written.meta


def _same(there: Session, report: Report) -> bool:
    """Return whether the stored object says what the report says, the time of the report aside."""
    return (
        there.spec == report.spec
        and there.status is not None
        and replace(there.status, last_report=None) == report.status
    )
