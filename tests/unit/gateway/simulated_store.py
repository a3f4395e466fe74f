"""A store of Leases with delays, lost answers and outages, seen by each node through a link of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flatbgp.planning.gateway.actions import DeleteLease, ReadLease, SwapLease
from flatbgp.planning.gateway.events import LeaseRead, LeaseReadFailed, LeaseSwapped, SwapOutcome
from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord
from flatbgp.resources.ip import IPAddress

if TYPE_CHECKING:
    from simulated_node import Node
    from simulation import World


@dataclass
class Link:
    """A node's way to the store.

    ``broken``: "" (works), "refuse" (fails at once), "hang" (no answer at all). ``delay``: seconds one way.
    ``lost_answers``: the chance that a request arrives and its answer does not.
    """

    broken: str = ""
    delay: tuple[float, float] = (0.001, 0.006)
    lost_answers: float = 0.0


@dataclass
class Store:
    """Leases by address; versions count up. ``foreign``: what answers now is another store."""

    world: World
    leases: dict[IPAddress, LeaseRecord] = field(default_factory=dict)
    foreign: bool = False
    writes: int = 0
    _version: int = 0
    _renewals: int = 0

    def request(self, node: Node, action: SwapLease | DeleteLease | ReadLease) -> None:
        """Carry a request and its answer."""
        clock, rng, link = self.world.clock, self.world.rng, node.link
        asked = clock.now
        if link.broken == "refuse":
            clock.after(rng.uniform(0.001, 0.01), self._fail, node, action, "connection refused", node.boot)
            return
        clock.at(asked + action.timeout, self._fail, node, action, "timeout", node.boot)
        if link.broken == "hang":
            return
        clock.after(rng.uniform(*link.delay), self._arrive, node, action, node.boot)

    def _arrive(self, node: Node, action: SwapLease | DeleteLease | ReadLease, boot: int) -> None:
        link, rng = node.link, self.world.rng
        if link.broken and rng.random() < 0.5:
            return  # the outage began while the request was on its way
        if self.foreign:
            self._answer(node, action, "foreign", boot)
            return
        answer = self._execute(action)
        if link.broken or rng.random() < link.lost_answers:
            return
        self.world.clock.after(rng.uniform(*link.delay), self._answer, node, action, answer, boot)

    def _execute(self, action: SwapLease | DeleteLease | ReadLease) -> LeaseRecord | str | None:
        now = self.leases.get(action.address)
        if isinstance(action, ReadLease):
            return now
        expected = action.before.version if action.before is not None else None
        if (now.version if now is not None else None) != expected:
            return "conflict"
        self.writes += 1
        if isinstance(action, DeleteLease):
            del self.leases[action.address]
            self._publish(action.address)
            return None
        return self._write(action.address, action.content, renew=action.renew)

    def _write(self, address: IPAddress, content: LeaseContent, *, renew: bool) -> LeaseRecord:
        before = self.leases.get(address)
        self._version += 1
        renewed = before.renewed if before is not None else ""
        if renew:
            self._renewals += 1
            renewed = f"t{self._renewals}"
        transitions = before.transitions if before is not None else 0
        if before is not None and content.holder and content.owner != before.content.owner:
            transitions += 1
        record = LeaseRecord(str(self._version), content, renewed, transitions)
        self.leases[address] = record
        self._publish(address)
        return record

    def edit(self, address: IPAddress, **changes: object) -> None:
        """Change a Lease as a person would."""
        self._write(address, replace(self.leases[address].content, **changes), renew=False)  # type: ignore[arg-type]

    def _answer(
        self, node: Node, action: SwapLease | DeleteLease | ReadLease, answer: LeaseRecord | str | None, boot: int
    ) -> None:
        if node.link.broken:
            return
        if answer == "foreign":
            self._fail(node, action, "not the store that was learned", boot)
        elif isinstance(action, ReadLease):
            assert not isinstance(answer, str)
            node.answered(action, LeaseRead(action.address, answer), boot)
        elif isinstance(answer, str):
            node.answered(action, LeaseSwapped(action.address, action.token, SwapOutcome.CONFLICT), boot)
        else:
            confirmed = LeaseSwapped(action.address, action.token, SwapOutcome.CONFIRMED, answer)
            node.answered(action, confirmed, boot)

    def _fail(self, node: Node, action: SwapLease | DeleteLease | ReadLease, why: str, boot: int) -> None:
        if isinstance(action, ReadLease):
            node.answered(action, LeaseReadFailed(action.address, why), boot)
        else:
            node.answered(action, LeaseSwapped(action.address, action.token, SwapOutcome.UNKNOWN, error=why), boot)

    def _publish(self, address: IPAddress) -> None:
        for node in self.world.nodes:
            node.watched(address, self.leases.get(address))
