"""Claiming an address that nobody holds: wait one's turn, probe, and let the compare-and-swap decide.

One claim at a time in a speaker. An address that answers is never taken; watching it until it falls silent does not
keep the speaker from claiming others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from flatbgp.planning.gateway.actions import Probe
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.events import LanHeard, LeaseSwapped, SwapOutcome, Voice
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.records import LeaseContent
from flatbgp.planning.gateway.status import AddressReason
from flatbgp.planning.gateway.timings import (
    CONTESTED_PATIENCE,
    CONTESTED_PATIENT_PROBE,
    CONTESTED_PROBE,
    CONTESTED_PROBES,
    CONTESTED_SILENCE,
    ENGINE_FRESH,
    MISSED_RENEWALS,
    OWN_PROBE,
    PROBE_INTERVAL,
    PROBE_WINDOW,
    PROBES,
    RELEASE_AGAIN,
    WAIT_AGAIN,
    WAIT_CHANCE,
    WAIT_FIRST,
    WAIT_NO_ROUTER,
    WAIT_WANTED,
)
from flatbgp.resources.ip import IPAddress


def obstacle(ctx: Context, address: IPAddress) -> AddressReason | None:
    """Return why this node may not claim the address now; ``None``: it may."""
    facts, now = ctx.facts, ctx.now
    if facts.foreign is not None:
        return AddressReason.STORE_REPLACED
    if facts.stopping:
        return AddressReason.LEAVING
    if address not in facts.listed or ctx.leases.listed_at is None:
        return AddressReason.NOT_LISTED
    if facts.node_gone:
        return AddressReason.NO_NODE
    if facts.draining:
        return AddressReason.DRAINING
    place = facts.place(address)
    if place is None:
        return AddressReason.NO_SUBNET
    if address in facts.local:
        return AddressReason.ADDRESS_CONFLICT
    if facts.node is None or not facts.lists_complete:
        return AddressReason.NOT_LISTED
    if facts.engine_at is None or now - facts.engine_at > ENGINE_FRESH:
        return AddressReason.ENGINE_UNAVAILABLE
    if not ctx.evidence.fresh(now, place):
        return AddressReason.NO_LAN_EVIDENCE
    return None


@dataclass(slots=True)
class Contest:
    """An address that answers although nobody renews its Lease: probed until it has been silent for long enough."""

    interface: str
    mac: str
    began: float
    answered_at: float
    next_probe: float
    unanswered: int = 0
    noted: str = ""

    def answered(self, at: float, mac: str) -> None:
        """Count anew."""
        self.answered_at, self.mac, self.unanswered = max(at, self.answered_at), mac, 0

    def probe_due(self, now: float) -> bool:
        """Whether to probe now; counts the probe."""
        if now < self.next_probe:
            return False
        patient = self.unanswered <= 1 and now - self.began > CONTESTED_PATIENCE
        self.next_probe = now + (CONTESTED_PATIENT_PROBE if patient else CONTESTED_PROBE)
        self.unanswered += 1
        return True

    def over(self, now: float) -> bool:
        """Whether it has been silent for long enough."""
        return now - self.answered_at >= CONTESTED_SILENCE and self.unanswered >= CONTESTED_PROBES


@dataclass(slots=True)
class Attempt:
    """The claim under way: probing until ``decide_at``, then waiting for the store (``sent_at`` is set)."""

    address: IPAddress
    place: Place
    began: float
    lease_token: tuple[str, str, str] | None
    decide_at: float
    sent: int = 0
    token: int = 0
    sent_at: float | None = None
    answered_by: str = ""

    @property
    def held_before(self) -> bool:
        """Whether anybody has held the address before this claim."""
        holder, _, renewed = self.lease_token or ("", "", "")
        return bool(holder or renewed)

    def next_step(self) -> float:
        """Return when the next probe is due, or the decision."""
        return self.began + self.sent * PROBE_INTERVAL if self.sent < PROBES else self.decide_at

    def probes_due(self, now: float) -> int:
        """Return how many probes to send now; counts them."""
        due = min(PROBES, int((now - self.began) / PROBE_INTERVAL + 1e-6) + 1) - self.sent
        self.sent += max(0, due)
        return max(0, due)


@dataclass(slots=True)
class Claims:
    """All that concerns claiming: the attempt, the contests, and when each address may be tried (again)."""

    attempt: Attempt | None = None
    contests: dict[IPAddress, Contest] = field(default_factory=dict)
    not_before: dict[IPAddress, float] = field(default_factory=dict)
    reading: set[IPAddress] = field(default_factory=set)
    read_again: dict[IPAddress, float] = field(default_factory=dict)
    _chance: dict[IPAddress, float] = field(default_factory=dict)
    _ready: dict[IPAddress, float] = field(default_factory=dict)
    _able_since: dict[IPAddress, float] = field(default_factory=dict)

    # --- time

    def advance(self, ctx: Context, candidates: Iterable[IPAddress]) -> None:
        """Go on with what is under way, and begin with what is due; ``candidates`` are not held and not leaving."""
        self._read_again(ctx)
        ready: dict[IPAddress, float] = {}
        for address in candidates:
            since = ctx.leases.claimable_since(address)
            blocked = since is None or ctx.now < since or obstacle(ctx, address) is not None
            if blocked or since is None or address in self.reading:
                self._drop(address)
                self._able_since.pop(address, None)
                if since is not None and since > ctx.now:
                    ready[address] = since
                continue
            self._able_since.setdefault(address, ctx.now)
            ready[address] = self._turn(ctx, address, since)
        for address in self.contests.keys() - ready.keys():
            del self.contests[address]
        if self.attempt is not None and self.attempt.sent_at is None and self.attempt.address not in ready:
            self.attempt = None
        self._ready = ready
        self._contested(ctx)
        self._attempt(ctx)
        if self.attempt is None:
            self._begin(ctx)

    def deadlines(self, ctx: Context) -> Iterator[float]:
        """Yield when something is due."""
        yield from self.read_again.values()
        if self.attempt is not None and self.attempt.sent_at is None:
            yield self.attempt.next_step()
        for contest in self.contests.values():
            yield contest.next_probe
        if self.attempt is None:
            for address, ready in self._ready.items():
                if address not in self.contests and ready > ctx.now:
                    yield ready

    def _drop(self, address: IPAddress) -> None:
        self.contests.pop(address, None)
        if self.attempt is not None and self.attempt.address == address and self.attempt.sent_at is None:
            self.attempt = None

    def gap(self) -> None:
        """Begin anew: this process was stopped, and probes that were to be spread over time prove nothing now."""
        if self.attempt is not None and self.attempt.sent_at is None:
            self.attempt = None
        self.contests.clear()

    # --- waiting

    def _turn(self, ctx: Context, address: IPAddress, since: float) -> float:
        """Return when it is this node's turn, counted from when the address became claimable, which is listed too.

        To an address that nobody ever held it counts from when this node can claim it, if that is later: the other
        nodes start as slowly as this one. Counted again each time: what this node holds changes meanwhile.
        """
        record, place = ctx.leases.get(address), ctx.facts.place(address)
        first = record is None or not record.held_before
        wait = len(ctx.held) * (WAIT_FIRST if first else WAIT_AGAIN)
        if record is not None and record.content.wanted_by not in {"", ctx.node}:
            wait += WAIT_WANTED
        routers = place is not None and ctx.facts.routers(place.subnet)
        if place is not None and routers and ctx.evidence.router_heard(ctx.now, place) is not True:
            wait += WAIT_NO_ROUTER
        if address not in self._chance:
            self._chance[address] = ctx.rng.random() * WAIT_CHANCE
        begin = max(since, ctx.facts.listed_since.get(address, since), self._able_since[address] if first else since)
        return max(begin + wait + self._chance[address], self.not_before.get(address, 0.0))

    def _begin(self, ctx: Context) -> None:
        """Begin with the address whose turn came first."""
        order = ctx.facts.group or ()
        due = [
            (ready, order.index(address), address)
            for address, ready in self._ready.items()
            if ready <= ctx.now and address not in self.contests
        ]
        if not due:
            return
        address = min(due)[2]
        place, record = ctx.facts.place(address), ctx.leases.get(address)
        if place is None:
            return
        token = record.token if record is not None else None
        self.attempt = Attempt(address, place, ctx.now, token, ctx.now + PROBE_WINDOW)
        self._attempt(ctx)

    # --- probing

    def _attempt(self, ctx: Context) -> None:
        attempt = self.attempt
        if attempt is None or attempt.sent_at is not None:
            return
        record = ctx.leases.get(attempt.address)
        if (record.token if record is not None else None) != attempt.lease_token:
            self.attempt = None
            return
        for _ in range(attempt.probes_due(ctx.now)):
            ctx.emit(Probe(attempt.place.interface, attempt.address))
        if ctx.now >= attempt.decide_at:
            self._swap(ctx, attempt)

    def _contested(self, ctx: Context) -> None:
        for address, contest in self.contests.items():
            place = ctx.facts.place(address)
            if place is None:
                continue
            if contest.over(ctx.now) and self.attempt is None and self._ready[address] <= ctx.now:
                record = ctx.leases.get(address)
                token = record.token if record is not None else None
                self.attempt = Attempt(address, place, ctx.now, token, ctx.now, sent=PROBES)
                continue
            if contest.probe_due(ctx.now):
                ctx.emit(Probe(place.interface, address))
            self._note(ctx, address, contest)
        if self.attempt is not None:
            self.contests.pop(self.attempt.address, None)

    def _note(self, ctx: Context, address: IPAddress, contest: Contest) -> None:
        """Write what was heard into the Lease, once, for whoever reads its status."""
        record, told = ctx.leases.get(address), f"{contest.mac} answers"
        content = record.content if record is not None else LeaseContent()
        if told not in {content.probe, contest.noted}:
            contest.noted = told
            ctx.swap(address, record, replace(content, probe=told), renew=False)

    def heard(self, ctx: Context, event: LanHeard) -> bool:
        """Somebody spoke of an address; return whether that changes a claim.

        A *probe* is no veto: two nodes that start together would veto each other, in the worst case for ever.
        """
        if event.voice is Voice.PROBE:
            return False
        contest, attempt = self.contests.get(event.address), self.attempt
        if contest is not None:
            if event.interface == contest.interface:
                contest.answered(event.at, event.mac)
            return False
        if attempt is None or attempt.address != event.address or event.at < attempt.began:
            return False
        if event.interface != attempt.place.interface:
            return False
        if attempt.sent_at is not None:
            attempt.answered_by = event.mac
            return False
        self.attempt = None
        self.contests[event.address] = Contest(event.interface, event.mac, ctx.now, event.at, ctx.now)
        return True

    # --- the store

    def _swap(self, ctx: Context, attempt: Attempt) -> None:
        before = ctx.leases.get(attempt.address)
        attempt.token = ctx.swap(attempt.address, before, ctx.owned(attempt.place), renew=True)
        attempt.sent_at = ctx.now

    def swapped(self, ctx: Context, event: LeaseSwapped) -> Hold | str | None:
        """Take the outcome of a claim; return the hold if it succeeded, or who answered meanwhile."""
        attempt = self.attempt
        if attempt is None or attempt.sent_at is None or event.token != attempt.token:
            return None
        self.attempt = None
        self._chance.pop(attempt.address, None)
        if event.outcome is not SwapOutcome.CONFIRMED:
            # Lost to another node, or to a mere annotation; or nobody knows: the store itself must tell.
            self.reading.add(attempt.address)
            ctx.read(attempt.address)
            return None
        if attempt.answered_by:
            return attempt.answered_by
        return Hold(
            attempt.address,
            attempt.place,
            deadline=attempt.sent_at + ctx.timings.lease,
            next_renewal=attempt.sent_at + ctx.timings.renewal,
            next_probe=ctx.now + OWN_PROBE,
            next_refresh=ctx.now,
            taken_over=attempt.held_before,
        )

    def read(self, address: IPAddress) -> None:
        """Go on with an address whose Lease has been read."""
        self.reading.discard(address)

    def read_failed(self, ctx: Context, address: IPAddress) -> None:
        """Try again: while the Lease is not known, it is not claimed."""
        if address in self.reading:
            self.read_again[address] = ctx.now + RELEASE_AGAIN

    def _read_again(self, ctx: Context) -> None:
        for address in [each for each, due in self.read_again.items() if ctx.now >= due]:
            del self.read_again[address]
            ctx.read(address)

    # --- for others

    def soonest(self, ctx: Context, candidates: Iterable[IPAddress]) -> tuple[IPAddress, float] | None:
        """Return the address that this node would claim next, and when it would have it; ``None``: nothing is near.

        Near is what nobody holds, and what has missed two renewals. An address that somebody answers for is not.
        """
        near: list[tuple[float, int, IPAddress]] = []
        order = ctx.facts.group or ()
        for address in candidates:
            since = ctx.leases.claimable_since(address)
            if since is None or address in self.contests or address in self.reading:
                continue
            missed = ctx.leases.sighting(address).unchanged_since + MISSED_RENEWALS * ctx.timings.renewal
            if ctx.now < min(since, missed) or obstacle(ctx, address) is not None:
                continue
            at = max(self._turn(ctx, address, since), ctx.now) + PROBE_WINDOW
            if self.attempt is not None and self.attempt.address == address:
                at = self.attempt.decide_at
            near.append((at, order.index(address), address))
        return (min(near)[2], min(near)[0]) if near else None

    @property
    def swapping(self) -> bool:
        """Whether a claim waits for the store."""
        return self.attempt is not None and self.attempt.sent_at is not None

    def busy(self, address: IPAddress) -> bool:
        """Whether a claim of this address waits for the store."""
        return address in self.reading or (
            self.swapping and self.attempt is not None and self.attempt.address == address
        )
