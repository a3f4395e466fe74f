"""The gateway itself: events in, actions out, no clock and no I/O of its own."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flatbgp.planning.gateway.actions import Action, AskLan, Finished, WatchEverything
from flatbgp.planning.gateway.claim import obstacle
from flatbgp.planning.gateway.context import Context, Randomness
from flatbgp.planning.gateway.departure import Leave, Stage
from flatbgp.planning.gateway.events import (
    Event,
    GroupSeen,
    InterfacesSeen,
    LeaseSwapped,
    NeighborhoodSeen,
    NodeSeen,
)
from flatbgp.planning.gateway.evidence import Evidence
from flatbgp.planning.gateway.facts import Facts
from flatbgp.planning.gateway.intake import Parts
from flatbgp.planning.gateway.leases import LeaseBook
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.reporting import Reports
from flatbgp.planning.gateway.status import AddressStatus
from flatbgp.planning.gateway.timings import (
    GAP,
    INTEREST,
    MISSED_RENEWALS,
    REFRESH,
    STOP,
    UNHEARD,
    Timings,
)
from flatbgp.resources.ip import IPAddress


class Gateway:
    """Decides for one speaker about all floating IPs of the group.

    ``node`` and ``instance`` are who we are (the Lease's holderIdentity, and the machine-id); ``interface`` is the one
    to use instead of the choice by subnet. To be made only once the speaker's lock is held: that no other process acts
    for this node in this store is what adoption after a restart rests on.

    ``handle`` takes one event at a time, with the time at which it is handled, and must be called again at
    ``next_deadline`` at the latest (with ``Tick``); being called more than 0.5 s late is taken for a suspension.
    """

    def __init__(
        self, node: str, instance: str, timings: Timings, rng: Randomness, *, interface: str | None = None
    ) -> None:
        facts = Facts(interface)
        leases = LeaseBook((node, instance), timings.lease)
        self._ctx = Context(node, instance, timings, rng, facts, Evidence(facts), leases)
        self._ctx.phase = rng.random() * REFRESH
        self._parts = Parts(self._ctx)
        self._reports = Reports()
        self._questions: Mapping[str, frozenset[IPAddress]] | None = None
        self._places: set[Place] = set()
        self._watching = False
        self._following = False
        self._heard_at = -math.inf
        self._interest_until = -math.inf
        self._finished = False
        self._expected: tuple[IPAddress, float] | None = None
        self._due = math.inf

    # --- the interface to the shell

    def handle(self, now: float, event: Event) -> tuple[Action, ...]:
        """Take an event at ``now`` and return what is to be done, in order."""
        ctx = self._ctx
        ctx.now, ctx.actions = now, []
        if ctx.facts.engine_since is None:
            ctx.facts.engine_since = now
        gap = now - self._due > GAP
        if gap:
            self._stopped()
        if isinstance(event, GroupSeen | NeighborhoodSeen | InterfacesSeen | NodeSeen):
            self._questions = None
        if self._parts.take(event) or gap or now >= self._due:
            self._advance()
        elif isinstance(event, LeaseSwapped) and event.address in self._parts.holds:
            self._due = min(self._due, self._parts.holds[event.address].next_renewal)
        return tuple(ctx.actions)

    def next_deadline(self) -> float | None:
        """Return when ``handle`` must be called again at the latest, or ``None``."""
        return self._due if self._due < math.inf else None

    @property
    def held(self) -> Mapping[IPAddress, str]:
        """The addresses from which this node may have sessions now, with their interface."""
        return {
            address: hold.place.interface for address, hold in self._parts.holds.items() if hold.expires is not None
        }

    @property
    def statuses(self) -> Mapping[IPAddress, AddressStatus]:
        """How it is with each address of the group on this node."""
        return MappingProxyType(self._reports.statuses)

    @property
    def questions(self) -> Mapping[str, frozenset[IPAddress]]:
        """The addresses to listen for on each interface: our floating IPs there, and those that we ask for."""
        if self._questions is None:
            found = self._ctx.evidence.listening()
            for address in {*(self._ctx.facts.group or ()), *self._parts.holds}:
                place = (
                    self._parts.holds[address].place if address in self._parts.holds else self._ctx.facts.place(address)
                )
                if place is not None:
                    found.setdefault(place.interface, set()).add(address)
            self._questions = {name: frozenset(addresses) for name, addresses in found.items()}
        return self._questions

    @property
    def expected(self) -> tuple[IPAddress, float] | None:
        """The address that this node, which has none, is about to have, and when; so that a session can be prepared.

        Nothing is promised: its holder may come back, or another node be quicker.
        """
        return self._expected

    @property
    def holding(self) -> frozenset[IPAddress]:
        """The addresses that are this node's, also one that is still to be put on the interface."""
        return frozenset(self._parts.holds)

    # --- time

    def _expect(self) -> tuple[IPAddress, float] | None:
        ctx, holds = self._ctx, self._parts.holds
        if self._parts.leaves or ctx.facts.stopping or len(holds) > 1:
            return None
        for hold in holds.values():
            return (hold.address, ctx.now) if hold.expires is None and self._expected is not None else None
        return self._parts.claims.soonest(ctx, self._parts.candidates())

    def _stopped(self) -> None:
        """Begin anew after a stop of this process: what was heard before says little about now."""
        self._ctx.evidence.gap(self._ctx.now)
        self._ctx.facts.engine_since = self._ctx.now
        self._parts.claims.gap()

    def _advance(self) -> None:
        """Decide all that is due, and when something will be next."""
        ctx = self._ctx
        ctx.held = {address: hold.place for address, hold in self._parts.holds.items()}
        self._look_around()
        self._sort_out()
        self._parts.spread.grant(ctx, self._parts.holds)
        for hold in list(self._parts.holds.values()):
            hold.advance(ctx)
            if hold.letting_go is not None:
                del self._parts.holds[hold.address]
                self._parts.leaves[hold.address] = Leave.of_hold(ctx, hold, hold.letting_go)
        for leave in list(self._parts.leaves.values()):
            leave.advance(ctx)
            if leave.stage is Stage.DONE:
                del self._parts.leaves[leave.address]
        ctx.held = {address: hold.place for address, hold in self._parts.holds.items()}
        self._parts.claims.advance(ctx, self._parts.candidates())
        self._parts.spread.wish(ctx)
        self._parts.leftovers.delete_leases(ctx)
        for place, targets in ctx.evidence.questions(ctx.now, ctx.phase):
            ctx.emit(AskLan(place.interface, targets))
        self._expected = self._expect()
        self._finish()
        self._report()
        self._due = min(self._deadlines(), default=math.inf)

    def _look_around(self) -> None:
        """Ask for LAN evidence, and for everything else that a claim needs, where an address is held or wanted."""
        ctx = self._ctx
        places = {hold.place for hold in self._parts.holds.values()}
        places.update(self._parts.spread.places(ctx))
        if not ctx.facts.stopping:
            for address in self._parts.candidates():
                place, soon = ctx.facts.place(address), self._wanted_from(address)
                if place is not None and soon is not None and ctx.now >= soon:
                    places.add(place)
        if not self._places or all(ctx.evidence.fresh(ctx.now, place) for place in self._places):
            self._heard_at = ctx.now
        if places != self._places:
            self._places, self._questions = places, None
        ctx.evidence.want(ctx.now, places)
        if places or self._parts.leaves:
            self._interest_until = ctx.now + INTEREST
        self._watch(wanted=ctx.now < self._interest_until)

    def _watch(self, *, wanted: bool) -> None:
        """Say what must be watched, if that changed; what was followed once is followed until nothing is wanted.

        A node that hears nobody of those that it asks follows too: the one who would answer may not have been listed.
        """
        ctx = self._ctx
        unheard = bool(self._places) and ctx.now - self._heard_at >= UNHEARD
        following = wanted and (self._following or self._parts.acting or unheard)
        if (wanted, following) != (self._watching, self._following):
            self._watching, self._following = wanted, following
            ctx.emit(WatchEverything(wanted, following))
            if not wanted:
                ctx.facts.forget_lists()

    def _wanted_from(self, address: IPAddress) -> float | None:
        """Return from when on an address that others hold is wanted: once its Lease has missed two renewals."""
        leases = self._ctx.leases
        claimable = leases.claimable_since(address)
        if claimable is None or not leases.sighting(address).holder or leases.ours(address):
            return claimable
        missed = leases.sighting(address).unchanged_since + MISSED_RENEWALS * self._ctx.timings.renewal
        return min(claimable, missed)

    def _sort_out(self) -> None:
        """Adopt or take off what an earlier process left, and free Leases that name this node in vain."""
        ctx = self._ctx
        adopted, leaves = self._parts.leftovers.sort_out(ctx, {*self._parts.holds, *self._parts.leaves})
        self._parts.holds.update((hold.address, hold) for hold in adopted)
        self._parts.leaves.update((leave.address, leave) for leave in leaves)
        if ctx.leases.listed_at is None or ctx.facts.foreign is not None:
            return
        for address in self._parts.candidates():
            if not ctx.leases.ours(address) or self._parts.claims.busy(address):
                continue
            over = ctx.now >= ctx.leases.sighting(address).unchanged_since + ctx.timings.lease
            if ctx.facts.draining or ctx.facts.stopping or (over and obstacle(ctx, address) is not None):
                self._parts.leaves[address] = Leave.of_lease(ctx, address, "this node can't have it")

    def _finish(self) -> None:
        ctx = self._ctx
        if ctx.facts.stop_at is None or self._finished:
            return
        waiting = self._parts.leaves or self._parts.holds or self._parts.claims.swapping
        if not waiting or ctx.now >= ctx.facts.stop_at + STOP:
            self._finished = True
            ctx.emit(Finished())

    def _report(self) -> None:
        ctx = self._ctx
        for hold in self._parts.holds.values():
            self._reports.hold(ctx, hold)
        for leave in self._parts.leaves.values():
            self._reports.leave(ctx, leave)
        for address in self._parts.candidates():
            self._reports.other(ctx, address, self._parts.claims.contests.get(address))
        self._reports.keep({*ctx.facts.listed, *self._parts.holds, *self._parts.leaves})

    def _deadlines(self) -> Iterator[float]:
        ctx = self._ctx
        for hold in self._parts.holds.values():
            yield from hold.deadlines(ctx)
        for leave in self._parts.leaves.values():
            yield from leave.deadlines()
        for address in self._parts.candidates():
            soon = self._wanted_from(address) if ctx.facts.place(address) is not None else None
            if soon is not None and soon > ctx.now:
                yield soon
        yield from self._parts.claims.deadlines(ctx)
        yield from ctx.evidence.deadlines()
        yield from self._parts.spread.deadlines(ctx, self._parts.holds)
        yield from self._parts.leftovers.deadlines()
        if self._watching and not self._places:
            yield self._interest_until
        if ctx.facts.stop_at is not None and not self._finished:
            yield ctx.facts.stop_at + STOP
