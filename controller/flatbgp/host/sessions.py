"""Reading BGP sessions from their packets: pure, one packet in, events out.

gobgpd's API tells no reason for the end of a session, in any version; the wire does.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from flatbgp.host.model import Connection, Outcome, PeerHeard, SessionMessage
from flatbgp.host.packets import ip
from flatbgp.host.packets.bgpstream import PATIENCE, Message, Stream
from flatbgp.host.packets.bpf import BGP_PORT
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.tcp import Flag, TcpSegment
from flatbgp.resources.ip import IPAddress

SessionEvent = PeerHeard | SessionMessage | Connection
Pair = tuple[IPAddress, IPAddress]

# Dead connections leave no trace but their entry: peers that reset every few seconds must not fill the memory.
_MAX_CONNECTIONS = 256

_ICMP_UNREACHABLE, _ICMP_TIME_EXCEEDED = 3, 11
_ICMPV6_UNREACHABLE, _ICMPV6_TIME_EXCEEDED = 1, 3
_ICMP_OUTCOMES = {
    (ip.PROTOCOL_ICMP, _ICMP_UNREACHABLE): Outcome.UNREACHABLE,
    (ip.PROTOCOL_ICMP, _ICMP_TIME_EXCEEDED): Outcome.TTL_EXCEEDED,
    (ip.PROTOCOL_ICMPV6, _ICMPV6_UNREACHABLE): Outcome.UNREACHABLE,
    (ip.PROTOCOL_ICMPV6, _ICMPV6_TIME_EXCEEDED): Outcome.TTL_EXCEEDED,
}
_ICMP_HEADER = 8


@dataclass(slots=True)
class _Connection:
    """Both directions of one TCP connection. ``opening``: our SYN is out, and no answer has come."""

    sent: Stream = field(default_factory=Stream)
    received: Stream = field(default_factory=Stream)
    opening: bool = False


class SessionReader:
    """Follows the sessions between pairs of (local, peer) addresses."""

    def __init__(self) -> None:
        self._pairs: frozenset[Pair] = frozenset()
        self._connections: OrderedDict[tuple[Pair, int, int], _Connection] = OrderedDict()
        self._unanswered: dict[Pair, float] = {}

    def watch(self, pairs: frozenset[Pair]) -> None:
        """Follow these pairs from now on, and forget all others."""
        self._pairs = pairs
        for key in [key for key in self._connections if key[0] not in pairs]:
            del self._connections[key]
        self._unanswered = {pair: since for pair, since in self._unanswered.items() if pair in pairs}

    def feed(self, at: float, data: bytes, mac: str) -> list[SessionEvent]:
        """Take one IP packet, seen at ``at`` from ``mac``; packets of no pair, or broken ones, tell nothing."""
        try:
            packet = ip.decode_ip(data)
            if packet.protocol == ip.PROTOCOL_TCP:
                return self._segment(at, packet, TcpSegment.decode(packet.payload), mac)
            return self._icmp(at, packet)
        except MalformedPacket:
            return []

    def expire(self, at: float) -> list[SessionEvent]:
        """Give up segments that were waited for in vain; to be called some :data:`PATIENCE` after a packet."""
        events: list[SessionEvent] = []
        for (pair, _, _), connection in self._connections.items():
            for sent, stream in ((True, connection.sent), (False, connection.received)):
                events += _said(at, pair, sent, stream.expire(at))
        return events

    def next_expiry(self) -> float | None:
        """When :meth:`expire` has something to do; ``None``: nothing is being waited for."""
        waiting = [
            stream.waits_since
            for connection in self._connections.values()
            for stream in (connection.sent, connection.received)
            if stream.waits_since is not None
        ]
        return min(waiting) + PATIENCE if waiting else None

    def _segment(self, at: float, packet: ip.IPPacket, segment: TcpSegment, mac: str) -> list[SessionEvent]:
        if BGP_PORT not in {segment.source_port, segment.destination_port}:
            return []
        if (packet.source, packet.destination) in self._pairs:
            pair = (packet.source, packet.destination)
            connection = self._connection(pair, segment.source_port, segment.destination_port)
            return self._sent(at, pair, connection, segment)
        if (packet.destination, packet.source) in self._pairs:
            pair = (packet.destination, packet.source)
            connection = self._connection(pair, segment.destination_port, segment.source_port)
            heard = PeerHeard(at, pair[0], pair[1], mac)
            return [heard, *self._received(at, pair, connection, segment)]
        return []

    def _sent(self, at: float, pair: Pair, connection: _Connection, segment: TcpSegment) -> list[SessionEvent]:
        if segment.flags & Flag.SYN:
            connection.sent.begin(segment.sequence)
            if segment.flags & Flag.ACK:
                return []
            connection.opening = True
            since = self._unanswered.setdefault(pair, at)
            return [] if since == at else [Connection(at, *pair, Outcome.UNANSWERED, since=since)]
        return _said(at, pair, True, connection.sent.feed(at, segment.sequence, segment.payload))

    def _received(self, at: float, pair: Pair, connection: _Connection, segment: TcpSegment) -> list[SessionEvent]:
        events: list[SessionEvent] = []
        opening = connection.opening
        if segment.flags & Flag.SYN:
            connection.received.begin(segment.sequence)
        events += _said(at, pair, False, connection.received.feed(at, segment.sequence, segment.payload))
        if opening and segment.flags & (Flag.SYN | Flag.RST):
            connection.opening = False
            self._unanswered.pop(pair, None)
            refused = bool(segment.flags & Flag.RST)
            events.append(Connection(at, *pair, Outcome.REFUSED if refused else Outcome.CONNECTED))
        elif segment.flags & Flag.RST:
            events.append(Connection(at, *pair, Outcome.RESET))
        elif segment.flags & Flag.FIN:
            events.append(Connection(at, *pair, Outcome.CLOSED))
        return events

    def _icmp(self, at: float, packet: ip.IPPacket) -> list[SessionEvent]:
        outcome = _ICMP_OUTCOMES.get((packet.protocol, packet.payload[0] if packet.payload else -1))
        if outcome is None:
            return []
        quoted = ip.decode_ip(packet.payload[_ICMP_HEADER:])
        pair = (quoted.source, quoted.destination)
        # An ICMP error quotes no more than 8 octets of TCP for certain (RFC 792): the two ports are in them.
        ports = (int.from_bytes(quoted.payload[:2], "big"), int.from_bytes(quoted.payload[2:4], "big"))
        if quoted.protocol != ip.PROTOCOL_TCP or BGP_PORT not in ports or pair not in self._pairs:
            return []
        return [Connection(at, *pair, outcome, reporter=packet.source)]

    def _connection(self, pair: Pair, local_port: int, peer_port: int) -> _Connection:
        key = (pair, local_port, peer_port)
        connection = self._connections.setdefault(key, _Connection())
        self._connections.move_to_end(key)
        while len(self._connections) > _MAX_CONNECTIONS:
            self._connections.popitem(last=False)
        return connection


def _said(at: float, pair: Pair, sent: bool, messages: list[Message]) -> list[SessionEvent]:
    return [SessionMessage(at, *pair, sent, message) for message in messages]
