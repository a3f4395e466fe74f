"""Spreading addresses over nodes, and healing a LAN split, by one annotation: ``wanted-by``.

There is no other preemption: a healthy holder keeps what it has, also when the former holder comes back.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from flatbgp.planning.gateway.claim import obstacle
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.events import LeaseSwapped, SwapOutcome
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.timings import EVIDENCE, ROUTER_STEADY, SPREAD_CHANCE, SPREAD_EVERY, SPREAD_SEEN
from flatbgp.resources.ip import IPAddress

_WISH_AGAIN = 5.0
"""How long a wish is left alone once it was sent to the store."""

_WISH_LOST = 0.1
"""The same for a wish that met a renewal: not for long, and by chance a little longer, lest it meets the next one."""


@dataclass(slots=True)
class Spread:
    """When this node last gave an address away, since when it sees one to ask for, and when it may ask."""

    given_at: float | None = None
    uneven_since: float | None = None
    patience: float = SPREAD_SEEN
    quiet_until: float = 0.0
    token: int = 0
    _surplus: tuple[IPAddress, ...] = ()
    _split_since: dict[IPAddress, float] = field(default_factory=dict)

    # --- the holder's side

    def grant(self, ctx: Context, holds: dict[IPAddress, Hold]) -> None:
        """Hand over what another node asks for, if it is right to."""
        for address, hold in holds.items():
            record = ctx.leases.get(address)
            wanted_by = record.content.wanted_by if record is not None else ""
            if not wanted_by or wanted_by == ctx.node or hold.letting_go is not None or hold.outage:
                hold.keep_wish = False
                continue
            if hold.expires is None:
                hold.keep_wish = True
                continue
            if ctx.evidence.router_heard(ctx.now, hold.place) is False:
                hold.hand_over(f"node {wanted_by} hears a router of the subnet, and this node does not")
                continue
            staying = sum(each.letting_go is None for each in holds.values())
            hold.keep_wish = staying >= 2 and ctx.facts.neighborhood.graceful_restart
            if hold.keep_wish and (self.given_at is None or ctx.now - self.given_at >= SPREAD_EVERY):
                self.given_at = ctx.now
                hold.hand_over(f"node {wanted_by} has no address, and this node several")

    def deadlines(self, ctx: Context, holds: dict[IPAddress, Hold]) -> Iterator[float]:
        """Yield when something may be due."""
        if self.given_at is not None and any(hold.keep_wish for hold in holds.values()):
            yield self.given_at + SPREAD_EVERY
        if self.uneven_since is not None:
            for due in (self.uneven_since + self.patience - EVIDENCE, self.uneven_since + self.patience):
                if due > ctx.now:
                    yield due
        if self.quiet_until > ctx.now:
            yield self.quiet_until
        for address in self._split_since:
            since = self._alone_with_router_since(ctx, address)
            if since is not None and since + ROUTER_STEADY > ctx.now:
                yield since + ROUTER_STEADY

    # --- the asking side

    def places(self, ctx: Context) -> Iterator[Place]:
        """Yield where this node needs LAN evidence to know whether it should ask for an address."""
        soon = self.uneven_since is not None and ctx.now >= self.uneven_since + self.patience - EVIDENCE
        for address in ctx.facts.group or ():
            if self._splits(ctx, address) or (soon and address in self._surplus):
                place = ctx.facts.place(address)
                if place is not None:
                    yield place

    def wish(self, ctx: Context) -> None:
        """Ask for an address, or take a wish back that no longer holds."""
        surplus = self._surplus = self._find_surplus(ctx)
        if not surplus:
            self.uneven_since = None
        elif self.uneven_since is None:
            self.uneven_since = ctx.now
            self.patience = SPREAD_SEEN + ctx.rng.random() * SPREAD_CHANCE
        split = [address for address in ctx.facts.group or () if self._splits(ctx, address)]
        self._split_since = {address: self._split_since.get(address, ctx.now) for address in split}
        if ctx.now < self.quiet_until:
            return
        for address in ctx.facts.group or ():
            record = ctx.leases.get(address)
            if record is None or not record.content.holder or ctx.leases.ours(address):
                continue
            mine = record.content.wanted_by == ctx.node
            if self._split_cured_by_us(ctx, address):
                if not record.content.wanted_by:
                    self._write(ctx, address, ctx.node)
                    return
            elif mine and address not in surplus:
                self._write(ctx, address, "")
                return
        if self.uneven_since is None or ctx.now < self.uneven_since + self.patience:
            return
        if any(self._wanted_by(ctx, address) for address in surplus):
            return
        for address in surplus:
            if obstacle(ctx, address) is None:
                self._write(ctx, address, ctx.node)
                return

    def _write(self, ctx: Context, address: IPAddress, wanted_by: str) -> None:
        record = ctx.leases.get(address)
        if record is not None and ctx.facts.foreign is None:
            self.quiet_until = ctx.now + _WISH_AGAIN
            self.token = ctx.swap(address, record, replace(record.content, wanted_by=wanted_by), renew=False)

    def swapped(self, ctx: Context, event: LeaseSwapped) -> None:
        """Take the outcome of a wish."""
        if event.token == self.token and event.outcome is SwapOutcome.CONFLICT:
            self.quiet_until = ctx.now + _WISH_LOST * (1 + 3 * ctx.rng.random())

    @staticmethod
    def _find_surplus(ctx: Context) -> tuple[IPAddress, ...]:
        """Return the addresses that this node, having none, could ask for: the group's last ones first."""
        facts = ctx.facts
        if ctx.held or facts.stopping or facts.draining or facts.node_gone or not facts.neighborhood.graceful_restart:
            return ()
        group = facts.group or ()
        counts = ctx.leases.counts(ctx.now, group)
        if not any(count >= 2 for count in counts.values()):
            return ()
        return tuple(
            address
            for address in reversed(group)
            if counts.get(ctx.leases.live_holder(ctx.now, address), 0) >= 2 and facts.place(address) is not None
        )

    @staticmethod
    def _wanted_by(ctx: Context, address: IPAddress) -> str:
        record = ctx.leases.get(address)
        return record.content.wanted_by if record is not None else ""

    @staticmethod
    def _splits(ctx: Context, address: IPAddress) -> bool:
        """Whether another node holds the address and hears no router."""
        record = ctx.leases.get(address)
        if record is None or record.content.router_heard is not False or ctx.leases.ours(address):
            return False
        return bool(ctx.leases.live_holder(ctx.now, address))

    def _alone_with_router_since(self, ctx: Context, address: IPAddress) -> float | None:
        """Return since when this node has steadily heard a router while the holder did not; ``None``: it is not so.

        Both at the same time: when a router dies, one node notices a moment before the other.
        """
        place, split_since = ctx.facts.place(address), self._split_since.get(address)
        heard_since = ctx.evidence.router_steady_since(ctx.now, place) if place is not None else None
        return max(split_since, heard_since) if split_since is not None and heard_since is not None else None

    def _split_cured_by_us(self, ctx: Context, address: IPAddress) -> bool:
        since = self._alone_with_router_since(ctx, address)
        return since is not None and ctx.now - since >= ROUTER_STEADY and obstacle(ctx, address) is None
