"""LAN evidence: proof that this node and another host of a subnet hear each other.

A holder without it may be the one that is cut off, so it lets go; a node without it would find every address silent, so
it claims nothing. Proof is an answer (ARP reply, solicited NA) to a question of ours, or a packet of a BGP session.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from flatbgp.planning.gateway.facts import Facts
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.timings import (
    ASK,
    ASK_AGAIN,
    ASK_NODES,
    ASK_VAINLY,
    EVIDENCE,
    GAP_GRACE,
    next_beat,
)
from flatbgp.resources.ip import IPAddress

_NEVER = -math.inf


@dataclass(slots=True)
class SubnetEvidence:
    """What was heard in one subnet. Times are of arrival."""

    place: Place
    heard_at: float = _NEVER
    router_at: float = _NEVER
    router_since: float = _NEVER
    grace_until: float = _NEVER
    asking_since: float = _NEVER
    next_question: float = _NEVER
    first: int = 0
    asked: dict[IPAddress, float] = field(default_factory=dict)

    def targets(self, facts: Facts) -> tuple[IPAddress, ...]:
        """Return who is asked now: all routers and gateways, and some of the other nodes."""
        subnet = self.place.subnet
        routers, others = facts.routers(subnet) + facts.gateways(subnet), facts.others(subnet)
        if len(others) <= ASK_NODES:
            return routers + others
        start = self.first % len(others)
        return routers + (others + others)[start : start + ASK_NODES]

    def urgent(self, now: float, facts: Facts) -> bool:
        """Whether to ask at the quicker pace: an answer is overdue (anybody's, or a router's), but not for long."""
        awaited = (self.heard_at, self.router_at) if facts.routers(self.place.subnet) else (self.heard_at,)
        return any(now - at > ASK and now - max(at, self.asking_since) < ASK_VAINLY for at in awaited)


class Evidence:
    """The evidence of all subnets in which this gateway has an interest."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._subnets: dict[Place, SubnetEvidence] = {}

    def want(self, now: float, places: set[Place]) -> None:
        """Ask in these subnets from now on, and in no others."""
        for place in [place for place in self._subnets if place not in places]:
            del self._subnets[place]
        for place in places:
            if place not in self._subnets:
                self._subnets[place] = SubnetEvidence(place, asking_since=now, next_question=now)

    def start_grace(self, now: float, place: Place, seconds: float) -> None:
        """Let the silence of a subnet count only after so many seconds (nobody was asked before)."""
        known = self._subnets.get(place)
        if known is None:
            known = self._subnets[place] = SubnetEvidence(place, asking_since=now, next_question=now)
        known.grace_until = max(known.grace_until, now + seconds)

    def gap(self, now: float) -> None:
        """Ask at once after a stop of this process, and allow some time for an answer."""
        for subnet in self._subnets.values():
            subnet.grace_until = now + GAP_GRACE
            subnet.next_question = now

    def heard(self, now: float, at: float, address: IPAddress, interface: str | None) -> bool:
        """Note an answer from ``address``, or (``interface`` ``None``) a BGP packet; return whether it is news.

        It is news when there was no evidence before, so that something may be decided anew.
        """
        news = False
        for subnet in self._subnets.values():
            if address not in subnet.place.subnet or address == subnet.place.own.ip:
                continue
            if interface is not None and (interface != subnet.place.interface or address not in subnet.asked):
                continue
            news = news or now - subnet.heard_at > EVIDENCE
            subnet.heard_at = max(subnet.heard_at, at)
            if address in self._facts.routers(subnet.place.subnet):
                if at - subnet.router_at > EVIDENCE:
                    news = True
                    subnet.router_since = at
                subnet.router_at = max(subnet.router_at, at)
        return news

    def questions(self, now: float, phase: float) -> Iterator[tuple[Place, tuple[IPAddress, ...]]]:
        """Yield whom to ask now, and where."""
        for subnet in self._subnets.values():
            if now < subnet.next_question:
                continue
            if now - subnet.heard_at > ASK:
                subnet.first += ASK_NODES
            targets = subnet.targets(self._facts)
            subnet.asked = {each: at for each, at in subnet.asked.items() if now - at <= EVIDENCE}
            subnet.asked.update(dict.fromkeys(targets, now))
            subnet.next_question = now + ASK_AGAIN if subnet.urgent(now, self._facts) else next_beat(now, ASK, phase)
            if targets:
                yield subnet.place, targets

    def fresh(self, now: float, place: Place) -> bool:
        """Whether the LAN is known to work: what a claim needs."""
        known = self._subnets.get(place)
        return known is not None and now - known.heard_at <= EVIDENCE

    def sustained_until(self, place: Place) -> float:
        """Return until when a holder may go on as things stand."""
        known = self._subnets.get(place)
        return max(known.heard_at + EVIDENCE, known.grace_until) if known is not None else _NEVER

    def router_heard(self, now: float, place: Place) -> bool | None:
        """Whether a router of the subnet is heard; ``None``: there is none, or it is too early to tell."""
        known = self._subnets.get(place)
        if known is None or not self._facts.routers(place.subnet):
            return None
        if now - known.router_at <= EVIDENCE:
            return True
        return None if now - known.asking_since <= EVIDENCE or now < known.grace_until else False

    def router_steady_since(self, now: float, place: Place) -> float | None:
        """Return since when a router has been heard without a break, or ``None`` if none is heard."""
        known = self._subnets.get(place)
        if known is None or now - known.router_at > EVIDENCE:
            return None
        return known.router_since

    def listening(self) -> dict[str, set[IPAddress]]:
        """Return whose answers are awaited, by interface."""
        found: dict[str, set[IPAddress]] = {}
        for known in self._subnets.values():
            subnet, facts = known.place.subnet, self._facts
            targets = (*facts.routers(subnet), *facts.gateways(subnet), *facts.others(subnet))
            found.setdefault(known.place.interface, set()).update(targets)
        return found

    def deadlines(self) -> Iterator[float]:
        """Yield when the next questions are due."""
        for subnet in self._subnets.values():
            yield subnet.next_question
