"""Listening to the BGP sessions of this host on one interface."""

import asyncio
from collections.abc import Callable, Iterable

from flatbgp.host.clock import boottime
from flatbgp.host.model import PeerHeard
from flatbgp.host.packets import bpf
from flatbgp.host.packetsocket import PacketSocket, Received
from flatbgp.host.sessions import Pair, SessionEvent, SessionReader


class BgpWire:
    """Reads OPEN, NOTIFICATION and the fate of connections from the packets of an interface, both directions.

    One interface, not all of them: a socket that also sees what a host sends costs a copy of each packet, and a node
    sends a lot on the interfaces of its pods.
    """

    def __init__(self, interface: str, emit: Callable[[SessionEvent], None]) -> None:
        self._interface = interface
        self._pairs: frozenset[Pair] = frozenset()
        self._emit = emit
        self._reader = SessionReader()
        self._loop = asyncio.get_running_loop()
        self._expiry: asyncio.TimerHandle | None = None
        self._socket = PacketSocket(interface, None, bpf.bgp_filter(()), self._heard, cooked=True)

    def watch(self, pairs: frozenset[Pair]) -> None:
        """Follow the sessions between these (local, peer) addresses, and no others."""
        self._pairs = pairs
        self._reader.watch(pairs)
        self._socket.set_filter(bpf.bgp_filter(peer for _, peer in pairs))

    @property
    def index(self) -> int:
        """The number of the interface that the socket is bound to."""
        return self._socket.index

    def reopened(self) -> "BgpWire":
        """Return the same on the interface that has the name now, and close this one."""
        wire = BgpWire(self._interface, self._emit)
        wire.watch(self._pairs)
        self.close()
        return wire

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        if self._expiry is not None:
            self._expiry.cancel()

    def _heard(self, packets: Iterable[Received]) -> None:
        events = [event for packet in packets for event in self._reader.feed(packet.at, packet.data, packet.mac)]
        for event in _without_repetition(events):
            self._emit(event)
        self._plan_expiry()

    def _plan_expiry(self) -> None:
        due = self._reader.next_expiry()
        if due is not None and self._expiry is None:
            self._expiry = self._loop.call_later(max(0.0, due - boottime()) + 0.001, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        for event in self._reader.expire(boottime()):
            self._emit(event)
        self._plan_expiry()


def _without_repetition(events: list[SessionEvent]) -> list[SessionEvent]:
    """Keep the last of the mere signs of life of each peer; a full table comes in thousands of segments."""
    last = {(event.local, event.peer): event for event in events if isinstance(event, PeerHeard)}
    return [event for event in events if not isinstance(event, PeerHeard) or last[event.local, event.peer] is event]
