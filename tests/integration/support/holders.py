"""Which nodes have which floating IPs configured, and since when: every change, as the kernels tell it.

Not by looking every now and then: each node's kernel says over netlink when an address comes or goes, so that two
holders for a hundredth of a second are seen as well.
"""

import socket
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from flatbgp.host.interfaces import RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR, decode_address
from flatbgp.host.packets.netlink import (
    FLAG_DUMP,
    FLAG_REQUEST,
    IFADDRMSG,
    Message,
    decode_messages,
    encode_message,
)
from flatbgp.lab.namespaces import Namespace
from flatbgp.resources.ip import IPAddress
from support.netns import inside

_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_BUFFER = 1 << 20
_SETTLED = 1.0
"""An address that was off for longer than this left; one that came back sooner was put back where it belongs."""


@dataclass(frozen=True, slots=True)
class Change:
    """An address appeared on a node, or went; ``at`` is of :func:`time.monotonic`."""

    at: float
    node: str
    address: IPAddress
    present: bool


@dataclass(frozen=True, slots=True)
class Double:
    """Two nodes or more had one address; ``until`` is infinite while it lasts."""

    address: IPAddress
    nodes: tuple[str, ...]
    since: float
    until: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.until - self.since


@dataclass(slots=True)
class Holders:
    """Who holds what. ``changes`` is all that happened; ``doubles`` are the times with more than one holder."""

    addresses: frozenset[IPAddress]
    changes: list[Change] = field(default_factory=list)
    doubles: list[Double] = field(default_factory=list)
    _present: dict[IPAddress, dict[str, float]] = field(default_factory=dict)
    _open: dict[IPAddress, tuple[float, tuple[str, ...]]] = field(default_factory=dict)
    _terms: dict[tuple[str, IPAddress], int] = field(default_factory=dict)
    _last: dict[IPAddress, tuple[str, float]] = field(default_factory=dict)

    def take(self, changes: Collection[Change]) -> None:
        """Take changes that were read together.

        The order of what several kernels say at one moment is lost in reading, so the nodes that lost an address come
        first; what one kernel says stays in its order.
        """
        at_last = {(change.node, change.address): change.present for change in changes}
        for change in sorted(changes, key=lambda each: at_last[each.node, each.address]):
            holding = self._present.setdefault(change.address, {})
            if change.address not in self.addresses or change.present == (change.node in holding):
                continue
            self.changes.append(change)
            if change.present:
                self._begin(change, holding)
            else:
                del holding[change.node]
                self._last[change.address] = (change.node, change.at)
            self._judge(change.address, change.at)

    def of(self, address: IPAddress) -> tuple[str, ...]:
        """Return who holds an address now."""
        return tuple(sorted(self._present.get(address, ())))

    def has(self, node: str, address: IPAddress) -> bool:
        """Whether a node holds an address now."""
        return node in self._present.get(address, ())

    def left_at(self, node: str, address: IPAddress) -> float | None:
        """Return when an address went from a node that was the last to have it."""
        last, at = self._last.get(address, ("", 0.0))
        return at if last == node else None

    def term(self, node: str, address: IPAddress) -> int:
        """Return a number that grows each time the address comes to the node anew (and not merely back)."""
        return self._terms.get((node, address), 0)

    def all_doubles(self) -> list[Double]:
        """Return every time with two holders, with those that last."""
        lasting = [Double(address, nodes, since, float("inf")) for address, (since, nodes) in self._open.items()]
        return self.doubles + lasting

    def _begin(self, change: Change, holding: dict[str, float]) -> None:
        last, at = self._last.get(change.address, ("", 0.0))
        if holding or last != change.node or change.at - at > _SETTLED:
            key = (change.node, change.address)
            self._terms[key] = self._terms.get(key, 0) + 1
        holding[change.node] = change.at

    def _judge(self, address: IPAddress, at: float) -> None:
        nodes = self.of(address)
        since, before = self._open.pop(address, (at, nodes))
        if len(nodes) > 1:
            self._open[address] = (since, tuple(sorted({*before, *nodes})))
        elif len(before) > 1:
            self.doubles.append(Double(address, before, since, at))


class AddressSocket:
    """Hears of the addresses of one node, beginning with those that are there."""

    def __init__(self, node: str, namespace: Namespace) -> None:
        self.node = node
        with inside(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind((0, _GROUPS))
        request = Message(RTM_GETADDR, FLAG_REQUEST | FLAG_DUMP, 1, IFADDRMSG.pack(0, 0, 0, 0, 0))
        self._socket.send(encode_message(request))

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def read(self) -> list[Change]:
        """Return what happened since the last call. A lost message (ENOBUFS) is an error: nothing may be missed."""
        found = []
        while True:
            try:
                data = self._socket.recv(_BUFFER)
            except BlockingIOError:
                return found
            at = time.monotonic()
            for message in decode_messages(data):
                if message.kind in {RTM_NEWADDR, RTM_DELADDR}:
                    address = decode_address(message)[1].ip
                    found.append(Change(at, self.node, address, message.kind == RTM_NEWADDR))

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def holders_of(addresses: Collection[IPAddress], nodes: Mapping[str, Namespace]) -> dict[IPAddress, tuple[str, ...]]:
    """Look once: return who holds these addresses now."""
    found = Holders(frozenset(addresses))
    for node, namespace in nodes.items():
        looking = AddressSocket(node, namespace)
        try:
            found.take(looking.read())
        finally:
            looking.close()
    return {address: found.of(address) for address in addresses}
