"""The gateway itself: events in, actions out, no clock and no I/O of its own."""

import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flatbgp.planning.gateway.actions import Action, AskLan, Finished, WatchEverything
from flatbgp.planning.gateway.claim import Claims, obstacle
from flatbgp.planning.gateway.context import Context, Randomness
from flatbgp.planning.gateway.departure import Leave, Stage
from flatbgp.planning.gateway.events import (
    AddressPut,
    AddressRemoved,
    EngineAnswered,
    Event,
    GroupSeen,
    InterfacesSeen,
    LanHeard,
    LeaseRead,
    LeaseReadFailed,
    LeaseSeen,
    LeasesListed,
    LeaseSwapped,
    NeighborhoodSeen,
    NodeSeen,
    PeerHeard,
    SessionsWithdrawn,
    SwapOutcome,
    Tick,
    Voice,
)
from flatbgp.planning.gateway.evidence import Evidence
from flatbgp.planning.gateway.facts import Facts
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.leases import LeaseBook
from flatbgp.planning.gateway.leftovers import Leftovers, move_place
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.records import same_but_renewed
from flatbgp.planning.gateway.reporting import Reports
from flatbgp.planning.gateway.spread import Spread
from flatbgp.planning.gateway.status import AddressStatus
from flatbgp.planning.gateway.timings import (
    ENGINE_FRESH,
    GAP,
    INTEREST,
    MISSED_RENEWALS,
    REFRESH,
    RETRY_PUT,
    STOP,
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
        self._holds: dict[IPAddress, Hold] = {}
        self._leaves: dict[IPAddress, Leave] = {}
        self._claims = Claims()
        self._spread = Spread()
        self._leftovers = Leftovers()
        self._reports = Reports()
        self._questions: Mapping[str, frozenset[IPAddress]] | None = None
        self._places: set[Place] = set()
        self._watching = False
        self._interest_until = -math.inf
        self._finished = False
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
        if self._take(event) or gap or now >= self._due:
            self._advance()
        return tuple(ctx.actions)

    def next_deadline(self) -> float | None:
        """Return when ``handle`` must be called again at the latest, or ``None``."""
        return self._due if self._due < math.inf else None

    @property
    def held(self) -> Mapping[IPAddress, str]:
        """The addresses from which this node may have sessions now, with their interface."""
        return {address: hold.place.interface for address, hold in self._holds.items() if hold.expires is not None}

    @property
    def statuses(self) -> Mapping[IPAddress, AddressStatus]:
        """How it is with each address of the group on this node."""
        return MappingProxyType(self._reports.statuses)

    @property
    def questions(self) -> Mapping[str, frozenset[IPAddress]]:
        """The addresses to listen for on each interface: our floating IPs there, and those that we ask for."""
        if self._questions is None:
            found = self._ctx.evidence.listening()
            for address in {*(self._ctx.facts.group or ()), *self._holds}:
                place = self._holds[address].place if address in self._holds else self._ctx.facts.place(address)
                if place is not None:
                    found.setdefault(place.interface, set()).add(address)
            self._questions = {name: frozenset(addresses) for name, addresses in found.items()}
        return self._questions

    # --- events

    def _take(self, event: Event) -> bool:
        """Take an event in; return whether something may be decided anew."""
        match event:
            case LanHeard():
                return self._lan_heard(event)
            case PeerHeard():
                return event.mac not in self._ctx.facts.own_macs and self._ctx.evidence.heard(
                    self._ctx.now, event.at, event.address, None
                )
            case EngineAnswered():
                return self._engine_answered(event)
            case LeaseSeen():
                return self._lease_seen(event)
            case LeaseRead() | LeaseReadFailed() | LeaseSwapped() | LeasesListed():
                self._take_lease(event)
            case AddressPut():
                return self._address_put(event)
            case AddressRemoved():
                self._address_removed(event)
            case SessionsWithdrawn():
                if event.address in self._leaves:
                    self._leaves[event.address].withdrawn(self._ctx)
            case Tick():
                return False
            case _:
                self._ctx.facts.learn(self._ctx.now, event)
                if isinstance(event, GroupSeen | NeighborhoodSeen | InterfacesSeen | NodeSeen):
                    self._questions = None
                if isinstance(event, InterfacesSeen):
                    self._interfaces_seen(event)
        return True

    def _lan_heard(self, event: LanHeard) -> bool:
        ctx = self._ctx
        if event.mac in ctx.facts.own_macs:
            return False
        hold = self._holds.get(event.address)
        if hold is not None:
            hold.heard(ctx, event)
            return event.voice is not Voice.PROBE
        news = self._claims.heard(ctx, event)
        if event.voice is Voice.ANSWER:
            news = ctx.evidence.heard(ctx.now, event.at, event.address, event.interface) or news
        return news

    def _engine_answered(self, event: EngineAnswered) -> bool:
        facts = self._ctx.facts
        news = facts.engine_at is None or self._ctx.now - facts.engine_at > ENGINE_FRESH
        facts.learn(self._ctx.now, event)
        facts.engine_since = max(facts.engine_since or event.at, event.at)
        return news

    def _take_lease(self, event: LeaseRead | LeaseReadFailed | LeaseSwapped | LeasesListed) -> None:
        ctx = self._ctx
        match event:
            case LeasesListed():
                if ctx.facts.foreign is None:
                    ctx.leases.list_done(ctx.now)
                    ctx.facts.failing = None
            case LeaseRead():
                self._lease_read(event)
            case LeaseReadFailed():
                ctx.facts.failing = event.error
                if event.address in self._holds:
                    self._holds[event.address].read_failed(ctx, event.error)
                if event.address in self._leaves:
                    self._leaves[event.address].read_failed(ctx)
                self._claims.read_failed(ctx, event.address)
            case LeaseSwapped():
                self._lease_swapped(event)

    def _lease_seen(self, event: LeaseSeen) -> bool:
        """Take what the watch shows; that a healthy holder renews once more is no news."""
        ctx, address, lease = self._ctx, event.address, event.lease
        if ctx.facts.foreign is not None or ctx.leases.is_echo(address, lease):
            return False
        known, hold = ctx.leases.get(address), self._holds.get(address)
        if hold is None:
            routine = bool(ctx.leases.live_holder(ctx.now, address)) and same_but_renewed(known, lease)
            ctx.leases.see(ctx.now, address, lease)
            if address in self._leaves and not ctx.leases.ours(address):
                self._leaves[address].seen()
            return not routine
        if lease is None or lease.content.owner != (ctx.node, ctx.instance):
            hold.doubted(ctx)
        elif known is not None and known.token == lease.token:
            if known.content == lease.content:
                return False
            ctx.leases.see(ctx.now, address, lease)  # an annotation by another node
        else:
            return False  # a renewal of our own, whose outcome is told otherwise
        return True

    def _lease_read(self, event: LeaseRead) -> None:
        ctx, address = self._ctx, event.address
        if ctx.facts.foreign is not None:
            return
        ctx.facts.failing = None
        ctx.leases.see(ctx.now, address, event.lease)
        if address in self._holds:
            self._holds[address].read(ctx, event.lease)
        if address in self._leaves:
            self._leaves[address].read(ctx, event.lease)
        self._claims.read(address)

    def _lease_swapped(self, event: LeaseSwapped) -> None:
        ctx, address = self._ctx, event.address
        ctx.facts.failing = (event.error or "no answer") if event.outcome is SwapOutcome.UNKNOWN else None
        if event.outcome is SwapOutcome.CONFIRMED and not ctx.leases.is_echo(address, event.lease):
            ctx.leases.see(ctx.now, address, event.lease)
        self._spread.swapped(ctx, event)
        if address in self._holds:
            self._holds[address].swapped(ctx, event)
        elif address in self._leaves:
            self._leaves[address].swapped(ctx, event)
        else:
            self._claim_swapped(event)

    def _claim_swapped(self, event: LeaseSwapped) -> None:
        ctx, address = self._ctx, event.address
        outcome = self._claims.swapped(ctx, event)
        if outcome is None:
            return
        if isinstance(outcome, str):
            self._leaves[address] = Leave.of_lease(ctx, address, f"{outcome} answers for it", f"{outcome} answers")
            return
        if obstacle(ctx, address) is not None:
            self._leaves[address] = Leave.of_lease(ctx, address, "this node may not have it any more")
            return
        self._holds[address] = outcome
        outcome.begin(ctx)

    def _address_put(self, event: AddressPut) -> bool:
        hold = self._holds.get(event.address)
        if hold is None:
            return False
        first = hold.expires is None
        hold.put(self._ctx, event)
        if hold.letting_go is not None:
            self._claims.not_before[event.address] = self._ctx.now + RETRY_PUT
        return first or hold.letting_go is not None

    def _address_removed(self, event: AddressRemoved) -> None:
        if not event.error:
            self._leftovers.removed_at[event.address] = self._ctx.now
        if event.address in self._leaves:
            self._leaves[event.address].removed(self._ctx, event)

    def _interfaces_seen(self, event: InterfacesSeen) -> None:
        present = {address.interface.ip for interface in event.interfaces for address in interface.addresses}
        for address, hold in self._holds.items():
            if address not in present and hold.expires is not None and event.at > hold.put_at:
                hold.missing(self._ctx)
            hold.place = move_place(self._ctx, hold)

    def _stopped(self) -> None:
        """Begin anew after a stop of this process: what was heard before says little about now."""
        self._ctx.evidence.gap(self._ctx.now)
        self._ctx.facts.engine_since = self._ctx.now
        self._claims.gap()

    # --- time

    def _advance(self) -> None:
        """Decide all that is due, and when something will be next."""
        ctx = self._ctx
        ctx.held = {address: hold.place for address, hold in self._holds.items()}
        self._look_around()
        self._sort_out()
        self._spread.grant(ctx, self._holds)
        for hold in list(self._holds.values()):
            hold.advance(ctx)
            if hold.letting_go is not None:
                del self._holds[hold.address]
                self._leaves[hold.address] = Leave.of_hold(ctx, hold, hold.letting_go)
        for leave in list(self._leaves.values()):
            leave.advance(ctx)
            if leave.stage is Stage.DONE:
                del self._leaves[leave.address]
        ctx.held = {address: hold.place for address, hold in self._holds.items()}
        self._claims.advance(ctx, self._candidates())
        self._spread.wish(ctx)
        self._leftovers.delete_leases(ctx)
        for place, targets in ctx.evidence.questions(ctx.now, ctx.phase):
            ctx.emit(AskLan(place.interface, targets))
        self._finish()
        self._report()
        self._due = min(self._deadlines(), default=math.inf)

    def _candidates(self) -> Iterator[IPAddress]:
        for address in self._ctx.facts.group or ():
            if address not in self._holds and address not in self._leaves:
                yield address

    def _look_around(self) -> None:
        """Ask for LAN evidence, and for everything else that a claim needs, where an address is held or wanted."""
        ctx = self._ctx
        places = {hold.place for hold in self._holds.values()}
        places.update(self._spread.places(ctx))
        if not (ctx.facts.stopping or ctx.facts.draining):
            for address in self._candidates():
                place, soon = ctx.facts.place(address), self._wanted_from(address)
                if place is not None and soon is not None and ctx.now >= soon:
                    places.add(place)
        if places != self._places:
            self._places, self._questions = places, None
        ctx.evidence.want(ctx.now, places)
        if places or self._leaves:
            self._interest_until = ctx.now + INTEREST
        if self._watching != (ctx.now < self._interest_until):
            self._watching = not self._watching
            ctx.emit(WatchEverything(self._watching))

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
        adopted, leaves = self._leftovers.sort_out(ctx, {*self._holds, *self._leaves})
        self._holds.update((hold.address, hold) for hold in adopted)
        self._leaves.update((leave.address, leave) for leave in leaves)
        if ctx.leases.listed_at is None or ctx.facts.foreign is not None:
            return
        for address in list(self._candidates()):
            if not ctx.leases.ours(address) or self._claims.busy(address):
                continue
            over = ctx.now >= ctx.leases.sighting(address).unchanged_since + ctx.timings.lease
            if ctx.facts.draining or ctx.facts.stopping or (over and obstacle(ctx, address) is not None):
                self._leaves[address] = Leave.of_lease(ctx, address, "this node can't have it")

    def _finish(self) -> None:
        ctx = self._ctx
        if ctx.facts.stop_at is None or self._finished:
            return
        waiting = self._leaves or self._holds or self._claims.swapping
        if not waiting or ctx.now >= ctx.facts.stop_at + STOP:
            self._finished = True
            ctx.emit(Finished())

    def _report(self) -> None:
        ctx = self._ctx
        for hold in self._holds.values():
            self._reports.hold(ctx, hold)
        for leave in self._leaves.values():
            self._reports.leave(ctx, leave)
        for address in self._candidates():
            self._reports.other(ctx, address, self._claims.contests.get(address))
        self._reports.keep({*ctx.facts.listed, *self._holds, *self._leaves})

    def _deadlines(self) -> Iterator[float]:
        ctx = self._ctx
        for hold in self._holds.values():
            yield from hold.deadlines(ctx)
        for leave in self._leaves.values():
            yield from leave.deadlines()
        for address in self._candidates():
            soon = self._wanted_from(address) if ctx.facts.place(address) is not None else None
            if soon is not None and soon > ctx.now:
                yield soon
        yield from self._claims.deadlines(ctx)
        yield from ctx.evidence.deadlines()
        yield from self._spread.deadlines(ctx, self._holds)
        yield from self._leftovers.deadlines()
        if self._watching and not self._places:
            yield self._interest_until
        if ctx.facts.stop_at is not None and not self._finished:
            yield ctx.facts.stop_at + STOP
