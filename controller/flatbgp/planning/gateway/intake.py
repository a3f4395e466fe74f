"""Taking events in: each goes to the part that it concerns, and most of them are no news."""

from dataclasses import dataclass, field

from flatbgp.planning.gateway.claim import Claims, obstacle
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.departure import Leave
from flatbgp.planning.gateway.events import (
    AddressPut,
    AddressRemoved,
    EngineAnswered,
    Event,
    InterfacesSeen,
    LanHeard,
    LeaseRead,
    LeaseReadFailed,
    LeaseSeen,
    LeasesListed,
    LeaseSwapped,
    PeerHeard,
    SessionsWithdrawn,
    SwapOutcome,
    Tick,
    Voice,
)
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.leftovers import Leftovers, move_place
from flatbgp.planning.gateway.records import same_but_renewed
from flatbgp.planning.gateway.spread import Spread
from flatbgp.planning.gateway.timings import ENGINE_FRESH, RETRY_PUT
from flatbgp.resources.ip import IPAddress


@dataclass(slots=True)
class Parts:
    """What a gateway consists of: an address is in ``holds``, in ``leaves``, or (if it is listed) a candidate."""

    ctx: Context
    holds: dict[IPAddress, Hold] = field(default_factory=dict)
    leaves: dict[IPAddress, Leave] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    spread: Spread = field(default_factory=Spread)
    leftovers: Leftovers = field(default_factory=Leftovers)

    def candidates(self) -> list[IPAddress]:
        """Return the addresses of the group that are neither held nor leaving, in its order."""
        group = self.ctx.facts.group or ()
        return [address for address in group if address not in self.holds and address not in self.leaves]

    @property
    def acting(self) -> bool:
        """Whether an address is held, let go of or being claimed, and not only wanted."""
        return bool(self.holds or self.leaves or self.claims.attempt or self.claims.contests)

    def take(self, event: Event) -> bool:
        """Take an event in; return whether something may be decided anew."""
        match event:
            case LanHeard():
                return self._lan_heard(event)
            case PeerHeard():
                return event.mac not in self.ctx.facts.own_macs and self.ctx.evidence.heard(
                    self.ctx.now, event.at, event.address, None
                )
            case EngineAnswered():
                return self._engine_answered(event)
            case LeaseSeen():
                return self._lease_seen(event)
            case LeaseSwapped():
                return self._lease_swapped(event)
            case LeaseRead() | LeaseReadFailed() | LeasesListed():
                self._take_lease(event)
            case AddressPut():
                return self._address_put(event)
            case AddressRemoved():
                self._address_removed(event)
            case SessionsWithdrawn():
                if event.address in self.leaves:
                    self.leaves[event.address].withdrawn(self.ctx)
            case Tick():
                return False
            case _:
                self.ctx.facts.learn(self.ctx.now, event)
                if isinstance(event, InterfacesSeen):
                    self._interfaces_seen(event)
        return True

    def _lan_heard(self, event: LanHeard) -> bool:
        ctx = self.ctx
        if event.mac in ctx.facts.own_macs:
            return False
        hold = self.holds.get(event.address)
        if hold is not None:
            hold.heard(ctx, event)
            return event.voice is not Voice.PROBE
        news = self.claims.heard(ctx, event)
        if event.voice is Voice.ANSWER:
            news = ctx.evidence.heard(ctx.now, event.at, event.address, event.interface) or news
        return news

    def _engine_answered(self, event: EngineAnswered) -> bool:
        facts = self.ctx.facts
        news = facts.engine_at is None or self.ctx.now - facts.engine_at > ENGINE_FRESH
        facts.learn(self.ctx.now, event)
        facts.engine_since = max(facts.engine_since or event.at, event.at)
        return news

    def _take_lease(self, event: LeaseRead | LeaseReadFailed | LeasesListed) -> None:
        ctx = self.ctx
        match event:
            case LeasesListed():
                if ctx.facts.foreign is None:
                    ctx.leases.list_done(ctx.now)
                    ctx.facts.failing = None
            case LeaseRead():
                self._lease_read(event)
            case LeaseReadFailed():
                ctx.facts.failing = event.error
                if event.address in self.holds:
                    self.holds[event.address].read_failed(ctx, event.error)
                if event.address in self.leaves:
                    self.leaves[event.address].read_failed(ctx)
                self.claims.read_failed(ctx, event.address)

    def _lease_seen(self, event: LeaseSeen) -> bool:
        """Take what the watch shows; that a healthy holder renews once more is no news."""
        ctx, address, lease = self.ctx, event.address, event.lease
        if ctx.facts.foreign is not None or ctx.leases.is_echo(address, lease):
            return False
        known, hold = ctx.leases.get(address), self.holds.get(address)
        if hold is None:
            routine = bool(ctx.leases.live_holder(ctx.now, address)) and same_but_renewed(known, lease)
            ctx.leases.see(ctx.now, address, lease)
            if address in self.leaves and not ctx.leases.ours(address):
                self.leaves[address].seen()
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
        ctx, address = self.ctx, event.address
        if ctx.facts.foreign is not None:
            return
        ctx.facts.failing = None
        ctx.leases.see(ctx.now, address, event.lease)
        if address in self.holds:
            self.holds[address].read(ctx, event.lease)
        if address in self.leaves:
            self.leaves[address].read(ctx, event.lease)
        self.claims.read(address)

    def _lease_swapped(self, event: LeaseSwapped) -> bool:
        """Take the outcome of a swap; that one more renewal of our own was confirmed is no news."""
        ctx, address = self.ctx, event.address
        ctx.facts.failing = (event.error or "no answer") if event.outcome is SwapOutcome.UNKNOWN else None
        if event.outcome is SwapOutcome.CONFIRMED and not ctx.leases.is_echo(address, event.lease):
            ctx.leases.see(ctx.now, address, event.lease)
        self.spread.swapped(ctx, event)
        if address in self.holds:
            routine = self.holds[address].swapped(ctx, event)
            return not routine
        if address in self.leaves:
            self.leaves[address].swapped(ctx, event)
        else:
            self._claim_swapped(event)
        return True

    def _claim_swapped(self, event: LeaseSwapped) -> None:
        ctx, address = self.ctx, event.address
        outcome = self.claims.swapped(ctx, event)
        if outcome is None:
            return
        if isinstance(outcome, str):
            self.leaves[address] = Leave.of_lease(ctx, address, f"{outcome} answers for it", f"{outcome} answers")
            return
        if obstacle(ctx, address) is not None:
            self.leaves[address] = Leave.of_lease(ctx, address, "this node may not have it any more")
            return
        self.holds[address] = outcome
        outcome.begin(ctx)

    def _address_put(self, event: AddressPut) -> bool:
        hold = self.holds.get(event.address)
        if hold is None:
            return False
        first = not hold.on
        hold.put(self.ctx, event)
        if hold.letting_go is not None:
            self.claims.not_before[event.address] = self.ctx.now + RETRY_PUT
        return first or hold.letting_go is not None

    def _address_removed(self, event: AddressRemoved) -> None:
        if not event.error:
            self.leftovers.removed_at[event.address] = self.ctx.now
        if event.address in self.leaves:
            self.leaves[event.address].removed(self.ctx, event)

    def _interfaces_seen(self, event: InterfacesSeen) -> None:
        present = {address.interface.ip for interface in event.interfaces for address in interface.addresses}
        for address, hold in self.holds.items():
            if address not in present and hold.on and event.at > hold.put_at:
                hold.missing(self.ctx)
            hold.place = move_place(self.ctx, hold)
