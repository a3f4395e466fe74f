"""From the TCP segments of BGP sessions to what was said in them.

The reader sits beside the conversation: it may come late, miss segments, and see some twice. It follows one direction
of one connection as a stream, and where it has lost the thread, it goes on at the next segment that begins with a
message (speakers write whole messages, so nearly every segment after a pause does).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from flatbgp.host.packets.bgp import (
    HEADER_LENGTH,
    Header,
    MessageType,
    Notification,
    Open,
    decode_notification,
    decode_open,
)
from flatbgp.host.packets.errors import MalformedPacket

# A hole in the stream is waited for: real ones are filled by a retransmission after 0.2 s at least (Linux's
# TCP_RTO_MIN), those of our own making (the socket's buffer was full) never are.
PATIENCE = 1.0
_MAX_HELD = 64
_SEQUENCE_SPACE = 1 << 32

Message = Open | Notification


@dataclass(slots=True)
class Stream:
    """One direction of one connection.

    ``_next`` is the sequence number that continues the stream (``None``: no thread yet), ``_skip`` the octets still to
    come of a message whose content does not concern us.
    """

    _next: int | None = None
    _buffer: bytearray = field(default_factory=bytearray)
    _skip: int = 0
    _held: deque[tuple[float, int, bytes]] = field(default_factory=deque)

    def begin(self, sequence: int) -> None:
        """Start at a SYN with this sequence number."""
        self._restart((sequence + 1) % _SEQUENCE_SPACE)
        self._held.clear()

    def feed(self, at: float, sequence: int, payload: bytes) -> list[Message]:
        """Take the payload of a segment seen at ``at`` (seconds); return the messages that it completes."""
        if not payload:
            return self.expire(at)
        if self._next is None:
            return self._join(sequence, payload)
        ahead = _distance(self._next, sequence)
        if ahead > 0:
            self._held.append((at, sequence, payload))
            if len(self._held) > _MAX_HELD:
                return self._give_up_hole()
            return self.expire(at)
        found = self._take(payload[-ahead:])
        return found + self._take_held() + self.expire(at)

    def expire(self, at: float) -> list[Message]:
        """Give up holes that were not filled in time."""
        found: list[Message] = []
        while self._held and at - self._held[0][0] > PATIENCE:
            found += self._give_up_hole()
        return found

    @property
    def waits_since(self) -> float | None:
        """When the oldest segment behind a hole was seen; ``None`` without a hole."""
        return self._held[0][0] if self._held else None

    def _join(self, sequence: int, payload: bytes) -> list[Message]:
        """Pick up the thread, if this segment begins with a message."""
        try:
            Header.decode(payload)
        except MalformedPacket:
            return []
        self._restart(sequence)
        return self._take(payload)

    def _give_up_hole(self) -> list[Message]:
        self._next = None
        found: list[Message] = []
        held = sorted(self._held, key=lambda item: _distance(self._held[0][1], item[1]))
        self._held.clear()
        for at, sequence, payload in held:
            found += self.feed(at, sequence, payload)
        return found

    def _take_held(self) -> list[Message]:
        """Take what has been waiting for the segment that just came."""
        found: list[Message] = []
        progress = True
        while progress and self._held and self._next is not None:
            progress = False
            for item in tuple(self._held):
                ahead = _distance(self._next, item[1])
                if ahead <= 0:
                    self._held.remove(item)
                    found += self._take(item[2][-ahead:])
                    progress = True
                    break
        return found

    def _take(self, payload: bytes) -> list[Message]:
        """Append what continues the stream, cut whole messages off its front."""
        if self._next is None:
            return []
        self._next = (self._next + len(payload)) % _SEQUENCE_SPACE
        skipped = min(self._skip, len(payload))
        self._skip -= skipped
        self._buffer += payload[skipped:]
        return list(self._messages())

    def _messages(self) -> Iterator[Message]:
        while len(self._buffer) >= HEADER_LENGTH:
            try:
                header = Header.decode(bytes(self._buffer[:HEADER_LENGTH]))
            except MalformedPacket:
                self._next = None
                self._buffer.clear()
                return
            if header.kind not in {MessageType.OPEN, MessageType.NOTIFICATION}:
                present = min(header.length, len(self._buffer))
                self._skip = header.length - present
                del self._buffer[:present]
                continue
            if len(self._buffer) < header.length:
                return
            body = bytes(self._buffer[HEADER_LENGTH : header.length])
            del self._buffer[: header.length]
            try:
                yield decode_open(body) if header.kind is MessageType.OPEN else decode_notification(body)
            except MalformedPacket:
                continue

    def _restart(self, sequence: int | None) -> None:
        self._next = sequence
        self._buffer.clear()
        self._skip = 0


def _distance(base: int, sequence: int) -> int:
    """Return how far ``sequence`` is ahead of ``base`` in the circle of sequence numbers; negative: behind."""
    ahead = (sequence - base) % _SEQUENCE_SPACE
    return ahead - _SEQUENCE_SPACE if ahead >= _SEQUENCE_SPACE // 2 else ahead
