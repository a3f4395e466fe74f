"""What the wire showed of each session, kept until the session is configured anew."""

from dataclasses import dataclass, field

from flatbgp.host.model import Connection, HostEvent, Outcome, SessionMessage
from flatbgp.host.packets.bgp import Notification as WireNotification
from flatbgp.planning.notifications import Notification
from flatbgp.planning.sessionstate import ConnectFailure, Wire
from flatbgp.resources.ip import IPAddress

_FAILURES = {
    Outcome.REFUSED: ConnectFailure.REFUSED,
    Outcome.UNANSWERED: ConnectFailure.UNANSWERED,
    Outcome.UNREACHABLE: ConnectFailure.UNREACHABLE,
    Outcome.TTL_EXCEEDED: ConnectFailure.TTL_EXCEEDED,
    Outcome.RESET: ConnectFailure.LOST,
    Outcome.CLOSED: ConnectFailure.LOST,
}

_OWN_DOING = {(6, 2), (6, 3)}
"""What our daemon says when we remove a neighbour or configure it anew (Cease, RFC 4486): no reason for being down."""

_COLLISION = (6, 7)  # RFC 4486: Connection Collision Resolution

Pair = tuple[IPAddress, IPAddress]


def collision(event: SessionMessage) -> bool:
    """Return whether the router refuses this connection for the sake of another one of the same two ends."""
    message = event.message
    return not event.sent and isinstance(message, WireNotification) and (message.code, message.subcode) == _COLLISION


@dataclass(slots=True)
class WireRecord:
    """The evidence for every session, by (local address, peer address)."""

    _seen: dict[Pair, Wire] = field(default_factory=dict)

    def of(self, local: IPAddress, peer: IPAddress) -> Wire:
        """Return what was seen of a session since it was configured."""
        return self._seen.get((local, peer), Wire())

    def forget(self, peer: IPAddress) -> None:
        """Drop what was seen of sessions with a peer: it is configured anew, and the old evidence is about another."""
        for pair in [pair for pair in self._seen if pair[1] == peer]:
            del self._seen[pair]

    def established(self, local: IPAddress, peer: IPAddress, since: float) -> None:
        """Note that a session is up since then."""
        self._seen[local, peer] = self.of(local, peer).established(since)

    def take(self, event: HostEvent) -> bool:
        """Take an event of the host; whether it tells anything about a session."""
        if isinstance(event, SessionMessage):
            before = self.of(event.local, event.peer)
            message = event.message
            if isinstance(message, WireNotification):
                if event.sent and (message.code, message.subcode) in _OWN_DOING:
                    return False
                told = Notification(event.sent, message.code, message.subcode, message.text)
                after = before.notified(told, event.at)
            elif event.sent:
                return False
            else:
                after = before.opened()
        elif isinstance(event, Connection):
            before = self.of(event.local, event.peer)
            failure = _FAILURES.get(event.outcome)
            if failure is None:
                after = before.connected()
            else:
                after = before.failed(failure, event.at if event.since is None else event.since)
        else:
            return False
        self._seen[event.local, event.peer] = after
        return after != before
