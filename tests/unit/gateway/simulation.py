"""A discrete-event world in which real gateways run: a clock, a LAN, and everything that is on it.

Nothing waits: time jumps from event to event, so that a minute of a cluster's life takes milliseconds, and a seed
replays it exactly.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flatbgp.planning.gateway.events import LanHeard, Voice
from flatbgp.planning.gateway.timings import DEFAULT, Timings
from flatbgp.resources.ip import IPAddress, IPInterface

if TYPE_CHECKING:
    from simulated_node import Node
    from simulated_store import Store


class Clock:
    """Time, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._queue: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, time: float, what: Callable[..., None], *arguments: Any) -> None:
        """Have something happen at a time (now, if that is past)."""
        self._count += 1
        heapq.heappush(self._queue, (max(time, self.now), self._count, what, arguments))

    def after(self, seconds: float, what: Callable[..., None], *arguments: Any) -> None:
        """Have something happen after a while."""
        self.at(self.now + seconds, what, *arguments)

    def run_until(self, time: float) -> None:
        """Let everything happen up to a time."""
        queue = self._queue
        while queue and queue[0][0] <= time:
            self.now, _, what, arguments = heapq.heappop(queue)
            what(*arguments)
        self.now = time


@dataclass(eq=False)
class Host:
    """Anything with a MAC address on the LAN. ``segment``: hosts of one hear each other."""

    name: str
    mac: str
    addresses: set[IPAddress]
    up: bool = True
    segment: int = 0

    def has(self, address: IPAddress) -> bool:
        """Whether its kernel answers for the address now."""
        return address in self.addresses


@dataclass
class Lan:
    """One layer-2 domain with loss and delay."""

    clock: Clock
    rng: random.Random
    loss: float = 0.0
    hosts: list[Host] = field(default_factory=list)

    def reaches(self, a: Host, b: Host) -> bool:
        """Whether two hosts hear each other."""
        return a.up and b.up and a.segment == b.segment

    def _lost(self) -> bool:
        return self.loss > 0 and self.rng.random() < self.loss

    def ask(self, asker: Node, target: IPAddress) -> None:
        """Carry a question and its answers."""
        for host in self.hosts:
            heard = host is not asker and host.has(target) and self.reaches(asker, host)
            if heard and not self._lost() and not self._lost():
                self._deliver(asker, target, host.mac, Voice.ANSWER)

    def probe(self, prober: Node, address: IPAddress) -> None:
        """Carry a probe: to whoever has the address, who answers, and to the speakers that listen."""
        for host in self.hosts:
            if host is prober or not self.reaches(prober, host) or not host.has(address) or self._lost():
                continue
            if not self._lost():
                self._deliver(prober, address, host.mac, Voice.ANSWER)
            self._deliver(host, address, prober.mac, Voice.PROBE)

    def announce(self, sender: Host, address: IPAddress) -> None:
        """Carry an announcement to everybody."""
        for host in self.hosts:
            if host is not sender and self.reaches(sender, host) and not self._lost():
                self._deliver(host, address, sender.mac, Voice.ANNOUNCEMENT)

    def _deliver(self, to: Host, address: IPAddress, mac: str, voice: Voice) -> None:
        arrival = self.clock.now + self.rng.uniform(0.0002, 0.002)
        self.clock.at(arrival, self._arrive, to, LanHeard(arrival, "eth0", address, mac, voice))

    def _arrive(self, to: Host, heard: LanHeard) -> None:
        receive = getattr(to, "receive", None)
        if receive is not None and to.up:
            receive(heard)


@dataclass(frozen=True)
class Violation:
    """A broken property: which, when, and what was seen."""

    law: str
    at: float
    what: str

    def __str__(self) -> str:
        return f"{self.law} at {self.at:.3f}: {self.what}"


class World:
    """Nodes, routers and foreign hosts on one LAN, beside one store."""

    def __init__(
        self,
        seed: int,
        nodes: int,
        addresses: tuple[IPAddress, ...],
        subnet: IPInterface,
        *,
        timings: Timings = DEFAULT,
        loss: float = 0.0,
        routers: int = 1,
    ) -> None:
        from simulated_node import Node
        from simulated_store import Store

        self.rng = random.Random(seed)  # noqa: S311 (a simulation)
        self.clock = Clock()
        self.lan = Lan(self.clock, self.rng, loss)
        self.group = addresses
        self.subnet = subnet
        self.timings = timings
        self.graceful_restart = True
        self.violations: list[Violation] = []
        self.trace: list[str] | None = None
        self.moves: list[tuple[float, IPAddress, str]] = []
        self.spread_at: dict[IPAddress, float] = {}
        self.joined_at = -math.inf
        self.store: Store = Store(self)
        base = subnet.network.network_address
        self.routers = [Host(f"router-{n}", f"02:00:00:00:01:{n:02x}", {base + 250 + n}) for n in range(1, routers + 1)]
        self.lan.hosts.extend(self.routers)
        self.nodes: list[Node] = [Node(self, n, base + n) for n in range(1, nodes + 1)]
        self.lan.hosts.extend(self.nodes)

    @property
    def now(self) -> float:
        return self.clock.now

    def log(self, who: str, what: object) -> None:
        """Keep a line for whoever looks into a failed run."""
        if self.trace is not None:
            self.trace.append(f"{self.clock.now:9.3f} {who}: {what}")

    def start(self) -> None:
        """Start all speakers, nearly at once."""
        for node in self.nodes:
            self.clock.after(self.rng.uniform(0, 0.3), node.start)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run_until(self.clock.now + seconds)

    def run_until(self, condition: Callable[[], object], limit: float, step: float = 0.01) -> float:
        """Let time pass until something is so; return for how long that took; fail after ``limit`` seconds."""
        began = self.clock.now
        while not condition():
            if self.clock.now - began > limit:
                raise AssertionError(f"not so within {limit} s; {self.violations}")
            self.clock.run_until(self.clock.now + step)
        return self.clock.now - began

    # --- who has what

    def havers(self, address: IPAddress) -> list[Node]:
        """Return the nodes that have the address configured."""
        return [node for node in self.nodes if address in node.addresses]

    def holder(self, address: IPAddress) -> Node | None:
        """Return the node that serves the address: alive, and on the LAN."""
        for node in self.nodes:
            if address in node.addresses and node.powered and not node.suspended and node.up:
                return node
        return None

    # --- P1

    def appeared(self, address: IPAddress, where: Host, claimed_at: float) -> None:
        """Note that the kernel of a node has an address: P1 holds at this very moment.

        Unless hosts heard each other again only after the node had asked the store for the Lease, having probed: then
        nothing can tell it, and :meth:`joined` holds.
        """
        self.moves.append((self.now, address, where.name))
        others = [node for node in self.havers(address) if node is not where and self.lan.reaches(node, where)]
        if others and not claimed_at <= self.joined_at:
            self.violate("P1", f"{address} put on {where.name} while {others[0].name} has it")

    def joined(self, why: str) -> None:
        """Note that hosts hear each other (again): an address on two of them must be on one within a second."""
        self.log("world", f"joined: {why}")
        self.joined_at = self.now
        self.clock.after(1.0, self._single, why)

    def _single(self, why: str, *, last: bool = False) -> None:
        for address in self.group:
            havers = self.havers(address)
            for a in havers:
                for b in havers:
                    if a is b or not self.lan.reaches(a, b):
                        continue
                    if not last and not (a.running and b.running):
                        # A machine whose speaker is stopped as well: the kernel ends it, within the Lease.
                        self.clock.after(self.timings.lease, lambda: self._single(why, last=True))
                    else:
                        self.violate("P1", f"{address} still on {a.name} and {b.name} 1 s after {why}")
                    return

    def violate(self, law: str, what: str) -> None:
        self.violations.append(Violation(law, self.now, what))
        self.log("VIOLATION", f"{law} {what}")
