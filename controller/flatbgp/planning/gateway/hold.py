"""Holding an address: renew its Lease, keep its lifetime going, defend it, and know when to let go."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from flatbgp.planning.gateway.actions import AddressHeld, Announce, Departure, Probe, PutAddress
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.events import AddressPut, LanHeard, LeaseSwapped, SwapOutcome, Voice
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.records import LeaseRecord
from flatbgp.planning.gateway.status import AddressReason
from flatbgp.planning.gateway.timings import (
    ANNOUNCE_AGAIN,
    ANNOUNCEMENTS,
    CONFLICT_WINDOW,
    CONFLICTS,
    DEFENCE_INTERVAL,
    ENGINE_SILENT,
    LATE,
    OWN_PROBE,
    OWN_PROBE_DOUBTFUL,
    OWN_PROBE_OUTAGE,
    REFRESH,
    last_beat,
)
from flatbgp.resources.ip import IPAddress


@dataclass(frozen=True, slots=True)
class LettingGo:
    """Why an address is let go, how, and (``heard``) what a conflicting host said, for the Lease's readers."""

    departure: Departure
    why: str
    reason: AddressReason = AddressReason.LEAVING
    heard: str = ""


@dataclass(slots=True)
class Hold:
    """One address that this node holds.

    ``deadline`` is until when it may be on the interface: a Lease's duration after the last confirmed renewal was
    sent. ``expires`` is when the kernel takes it off (``None``: it is not on); ``vanished``: something else on this
    host took it off before. In an ``outage`` the store does not answer for this Lease, and the deadline is made anew as
    long as the LAN works. ``keep_wish``: another node's wish for the address will be granted, so it stays in the Lease.
    ``taken_over``: it was held before, by another node or by this one.
    """

    address: IPAddress
    place: Place
    deadline: float
    next_renewal: float
    next_probe: float
    next_refresh: float
    expires: float | None = None
    vanished: bool = False
    put_at: float = 0.0
    since: float | None = None
    outage: str = ""
    keep_wish: bool = False
    taken_over: bool = False
    token: int = 0
    sent_at: float | None = None
    reading: bool = False
    challenged_at: float | None = None
    challenger: str = ""
    announced_at: float | None = None
    letting_go: LettingGo | None = None
    _announcements: list[float] = field(default_factory=list)
    _conflicts: deque[float] = field(default_factory=deque)

    # --- time

    @property
    def on(self) -> bool:
        """Whether the address is on the interface, as far as is known."""
        return self.expires is not None and not self.vanished

    @property
    def _going(self) -> bool:
        """Whether something decided to let go meanwhile."""
        return self.letting_go is not None

    def advance(self, ctx: Context) -> None:
        """Do what is due, or let go."""
        if self.letting_go is None:
            self._judge(ctx)
        if self.letting_go is not None:
            return
        now = ctx.now
        if now >= self.next_renewal and self.sent_at is None and not self.reading:
            self._renew(ctx)
        elif self._late(now):
            self._lost_store(ctx, "no answer yet")
        if self._going:
            return
        if now >= self.next_refresh:
            self._refresh(ctx)
        if self.expires is None:
            return
        while self._announcements and now >= self._announcements[0]:
            del self._announcements[0]
            self.announce(ctx)
            if not self._announcements:
                self._announcements.append(now + ANNOUNCE_AGAIN)
        if now >= self.next_probe:
            ctx.emit(Probe(self.place.interface, self.address))
            self.next_probe = now + (OWN_PROBE_OUTAGE if self.outage else OWN_PROBE)

    def deadlines(self, ctx: Context) -> Iterator[float]:
        """Yield the times at which something is due."""
        yield self.deadline
        yield ctx.evidence.sustained_until(self.place)
        yield self.next_refresh
        if not self.outage and ctx.facts.engine_since is not None:
            yield ctx.facts.engine_since + ENGINE_SILENT
        if self.sent_at is None and not self.reading:
            yield self.next_renewal
        if self.expires is not None:
            if self.outage:
                yield self.expires
            yield from self._announcements[:1]
            yield self.next_probe

    def _judge(self, ctx: Context) -> None:
        now, facts = ctx.now, ctx.facts
        engine_since = facts.engine_since if facts.engine_since is not None else now
        if facts.stopping:
            self._let_go("the speaker was asked to stop")
        elif facts.group is not None and self.address not in facts.listed:
            self.letting_go = LettingGo(Departure.REMOVAL, "the NetworkGatewayGroup no longer lists it")
        elif facts.draining:
            self._let_go("the node is drained", AddressReason.DRAINING)
        elif facts.node_gone:
            self._let_go("the Node object is gone or being deleted", AddressReason.NO_NODE)
        elif now >= self.deadline:
            self._let_go("its Lease could not be renewed in time", AddressReason.STORE_UNREACHABLE)
        elif self.outage and (self.expires is None or now >= self.expires):
            self._let_go("it left the interface while the store was unreachable", AddressReason.STORE_UNREACHABLE)
        elif now >= ctx.evidence.sustained_until(self.place):
            self._let_go(f"no other host of {self.place.subnet} answers", AddressReason.NO_LAN_EVIDENCE)
        elif not self.outage and now >= engine_since + ENGINE_SILENT:
            self._let_go(f"gobgpd has been silent for {ENGINE_SILENT:g} s", AddressReason.ENGINE_UNAVAILABLE)

    def _let_go(self, why: str, reason: AddressReason = AddressReason.LEAVING, heard: str = "") -> None:
        self.letting_go = LettingGo(Departure.MOVE, why, reason, heard)

    def hand_over(self, why: str) -> None:
        """Let go of it for a node that asked for it."""
        self._let_go(why)

    # --- the Lease

    def _renew(self, ctx: Context) -> None:
        """Send a renewal; an emptied store gets its Lease back (created, so that another one's is no victim)."""
        if ctx.facts.foreign is not None:
            self._lost_store(ctx, ctx.facts.foreign)
            self.next_renewal = ctx.now + ctx.timings.renewal
            return
        before = ctx.leases.get(self.address)
        wanted_by = before.content.wanted_by if before is not None and self.keep_wish else ""
        self.token = ctx.swap(self.address, before, ctx.owned(self.place, wanted_by=wanted_by), renew=True)
        self.sent_at = ctx.now

    def swapped(self, ctx: Context, event: LeaseSwapped) -> bool:
        """Take the outcome of a renewal; return whether it was just one more."""
        sent_at, routine = self.sent_at, not self.outage and self.challenged_at is None
        if event.token != self.token or sent_at is None:
            return False
        self.sent_at = None
        if event.outcome is SwapOutcome.CONFIRMED:
            self.deadline = max(self.deadline, sent_at + ctx.timings.lease)
            self.next_renewal = self._renewal_after(ctx, sent_at)
            if self.outage:
                self.outage = ""
                self.next_probe = ctx.now + OWN_PROBE
            self._refresh(ctx)
            if self.challenged_at is not None:
                self._confirmed_against_challenger(ctx, sent_at)
            return routine
        if event.outcome is SwapOutcome.CONFLICT:
            # No lost Lease yet: an annotation by a claimant is a conflict too.
            self.reading = True
            ctx.read(self.address)
        else:
            self._lost_store(ctx, event.error)
            self.next_renewal = max(ctx.now, sent_at + ctx.timings.renewal)
        return False

    @staticmethod
    def _renewal_after(ctx: Context, sent_at: float) -> float:
        """Return when to renew next: together with a refresh, a little earlier than asked for, if there is one."""
        wanted = sent_at + ctx.timings.renewal
        together = last_beat(wanted, REFRESH, ctx.phase)
        return together if together > ctx.now else wanted

    def read(self, ctx: Context, record: LeaseRecord | None) -> None:
        """Take the Lease as the store has it now."""
        self.reading = False
        if record is not None and record.content.owner != (ctx.node, ctx.instance):
            holder = f"node {record.content.holder} holds its Lease" if record.content.holder else "its Lease was freed"
            self._let_go(holder)
            return
        self.next_renewal = ctx.now

    def read_failed(self, ctx: Context, error: str) -> None:
        """Take it that the store doesn't answer."""
        self.reading = False
        self._lost_store(ctx, error)
        self.next_renewal = ctx.now + ctx.timings.renewal

    def doubted(self, ctx: Context) -> None:
        """Ask the store itself before believing a watch that shows another holder."""
        if not self.reading and self.sent_at is None:
            self.reading = True
            ctx.read(self.address)

    def _late(self, now: float) -> bool:
        """Whether the address is about to end while the store still keeps us waiting.

        A slow answer may leave so little of the Lease that waiting for the next one to time out is too long.
        """
        waiting = (self.sent_at is not None or self.reading) and not self.outage
        return waiting and self.expires is not None and now >= self.expires - LATE

    def _lost_store(self, ctx: Context, error: str) -> None:
        """Begin (or go on with) an outage; only with the address on, and before its deadline."""
        if self.challenged_at is not None:
            self._let_go(
                f"{self.challenger} answers for it, and the store does not confirm our Lease", *self._conflict()
            )
        elif not self.on or self.expires is None or ctx.now >= min(self.deadline, self.expires):
            self._let_go("the store does not answer", AddressReason.STORE_UNREACHABLE)
        elif not self.outage:
            self.outage = error or "no answer"
            self.next_refresh = self.next_probe = ctx.now
        else:
            self.outage = error or "no answer"

    # --- the address

    def _refresh(self, ctx: Context) -> None:
        """Set the lifetime anew from the deadline, which in an outage is made anew first."""
        now = ctx.now
        self.next_refresh = ctx.next_beat(REFRESH)
        if self.outage and ctx.evidence.fresh(now, self.place):
            self.deadline = max(self.deadline, now + ctx.timings.lease)
        expires = self.expires if self.on else None
        put = PutAddress(self.address, self.place.interface, self.deadline, expires, create=not self.outage)
        if put.lifetime(now):
            ctx.emit(put)

    def begin(self, ctx: Context) -> None:
        """Put the address on the interface for the first time, past all sockets of an earlier session."""
        self.next_refresh = ctx.next_beat(REFRESH)
        ctx.emit(PutAddress(self.address, self.place.interface, self.deadline, None, create=True, fresh=True))

    def put(self, ctx: Context, event: AddressPut) -> None:
        """Take the outcome of a refresh."""
        self.put_at = ctx.now
        if event.valid_until is not None:
            first, new = not self.on, self.expires is None
            self.expires, self.vanished = event.valid_until, False
            if first:
                self.present(ctx, taken_over=new and self.taken_over)
            return
        if self.vanished:
            self.expires, self.vanished = None, False
        if event.error and self.expires is None:
            self._let_go(f"the kernel refused it: {event.error}", AddressReason.NO_SUBNET)
        elif self.expires is None:
            self._let_go("its Lease ran out before it was on the interface")

    def present(self, ctx: Context, *, taken_over: bool = False) -> None:
        """Say to the LAN and to the sessions that the address is (again) on the interface."""
        self.since = ctx.now
        self._announcements = [ctx.now + each for each in ANNOUNCEMENTS]
        ctx.emit(AddressHeld(self.address, self.place.interface, taken_over))

    def missing(self, ctx: Context) -> None:
        """Note that something else on this host took the address away.

        With a live Lease it comes back at once: meanwhile it counts as held, so that its sessions go on.
        """
        if self.outage:
            self.expires = None
        else:
            self.vanished, self.next_refresh = True, ctx.now

    # --- conflicts

    def announce(self, ctx: Context) -> None:
        """Announce the address once."""
        self.announced_at = ctx.now
        ctx.emit(Announce(self.place.interface, self.address))

    def heard(self, ctx: Context, event: LanHeard) -> None:
        """Take it that another host speaks of our address."""
        if event.interface != self.place.interface:
            return
        if event.voice is Voice.PROBE:
            self._probed(ctx)
            return
        if self.expires is None or self.since is None or event.at < self.since:
            return
        if self.outage:
            self._let_go(f"{event.mac} answers for it while the store is unreachable", *self._conflict(event.mac))
        elif self.challenged_at is None and not (self._conflicts and ctx.now - self._conflicts[-1] < DEFENCE_INTERVAL):
            self.challenged_at, self.challenger = ctx.now, event.mac
            self.next_renewal = ctx.now

    def _probed(self, ctx: Context) -> None:
        """Somebody is about to claim: answer with an announcement, besides the kernel's own answer.

        With a loss of 30 % ten probes then miss a live holder once in 25,000 claims, instead of once in 800.
        """
        said_long_ago = self.announced_at is None or ctx.now - self.announced_at >= OWN_PROBE_OUTAGE / 10
        if self.expires is not None and ctx.now < min(self.deadline, self.expires) and said_long_ago:
            self.announce(ctx)

    def _confirmed_against_challenger(self, ctx: Context, sent_at: float) -> None:
        """Defend the address: the store says that it is ours, if it was asked after the conflict."""
        if self.challenged_at is None or sent_at < self.challenged_at:
            self.next_renewal = ctx.now
            return
        self.challenged_at = None
        self._conflicts.append(ctx.now)
        while ctx.now - self._conflicts[0] > CONFLICT_WINDOW:
            self._conflicts.popleft()
        if len(self._conflicts) >= CONFLICTS:
            self._let_go(f"{self.challenger} claims it again and again", *self._conflict())
            return
        self.announce(ctx)
        self.next_probe = min(self.next_probe, ctx.now + OWN_PROBE_DOUBTFUL)

    def _conflict(self, mac: str = "") -> tuple[AddressReason, str]:
        return AddressReason.ADDRESS_CONFLICT, f"{mac or self.challenger} answers"
