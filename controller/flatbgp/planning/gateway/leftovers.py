"""What an earlier time left behind: addresses, their connections, and Leases of addresses that are no longer listed.

An address that the Lease still gives to this node is adopted at once, which needs neither gobgpd nor the lists (a
restart of both would otherwise lose it); every other one comes off before anything else. An IPv6 address that is gone
already is treated alike, once: where nobody ran when its lifetime ended, its connections are still there, and the
kernel sends on from it. (From an IPv4 address that is gone it sends nothing.)
"""

from collections.abc import Container
from dataclasses import dataclass, field

from flatbgp.planning.gateway.actions import AddressHeld, DeleteLease, RemoveAddress
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.departure import Leave
from flatbgp.planning.gateway.events import HostAddress, Interface
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.places import Place
from flatbgp.planning.gateway.timings import EVIDENCE, OWN_PROBE
from flatbgp.resources.ip import IPAddress

_DELETE_AFTER = 10.0
_DELETE_CHANCE = 5.0


@dataclass(slots=True)
class Leftovers:
    """``removed_at`` tells a snapshot of the interfaces that is older than a removal from one that is newer."""

    removed_at: dict[IPAddress, float] = field(default_factory=dict)
    _silenced: set[IPAddress] = field(default_factory=set)
    _delete_at: dict[IPAddress, float] = field(default_factory=dict)

    def sort_out(self, ctx: Context, handled: Container[IPAddress]) -> tuple[list[Hold], list[Leave]]:
        """Return what to adopt and what to take off, of the addresses that are on the host and not ``handled``."""
        adopted: list[Hold] = []
        leaves: list[Leave] = []
        if ctx.facts.interfaces is None:
            return adopted, leaves
        for address, interface, found in ctx.facts.floating:
            if address in handled or ctx.facts.interfaces_at <= self.removed_at.get(address, -1.0):
                continue
            if address in {*(each.address for each in adopted), *(each.address for each in leaves)}:
                continue
            hold = self._adopt(ctx, address, interface, found)
            if hold is not None:
                adopted.append(hold)
            elif ctx.leases.listed_at is not None and ctx.facts.foreign is None:
                leaves.append(Leave.of_leftover(ctx, address, "an earlier process left it on the interface"))
        self._silence(ctx, handled)
        return adopted, leaves

    def _silence(self, ctx: Context, handled: Container[IPAddress]) -> None:
        """End what is left of the connections of IPv6 addresses that are not on the host."""
        present = {*(address for address, _, _ in ctx.facts.floating), *ctx.facts.local}
        for address in sorted(ctx.facts.listed - self._silenced - present, key=int):
            if address.version == 6 and address not in handled:
                ctx.emit(RemoveAddress(address))
        self._silenced |= ctx.facts.listed

    def _adopt(self, ctx: Context, address: IPAddress, interface: Interface, found: HostAddress) -> Hold | None:
        """Adopt an address whose life proves that an earlier process of this node held it until a moment ago.

        Without the store nothing can be known of its Lease; then it is held as it would be, had the process not
        ended: only as long as it has been on the interface without a break.
        """
        outage = ""
        if ctx.leases.listed_at is None:
            outage = ctx.facts.foreign or ctx.facts.failing or ""
            if not outage or not found.ours:
                return None
        elif not ctx.leases.ours(address):
            return None
        place = ctx.facts.place_of_held(address, interface.name)
        if place is None or found.valid_until is None or ctx.now >= found.valid_until or ctx.facts.stopping:
            return None
        ctx.evidence.start_grace(ctx.now, place, EVIDENCE)
        hold = Hold(
            address,
            place,
            deadline=min(found.valid_until, ctx.now + ctx.timings.lease),
            next_renewal=ctx.now,
            next_probe=ctx.now if outage else ctx.now + OWN_PROBE,
            next_refresh=ctx.now,
            expires=found.valid_until,
            put_at=ctx.now,
            since=ctx.now,
            outage=outage,
        )
        hold.announce(ctx)
        ctx.emit(AddressHeld(address, place.interface))
        return hold

    # --- Leases of addresses that the group no longer lists

    def delete_leases(self, ctx: Context) -> None:
        """Delete Leases that are nobody's (any more) and whose address is not listed; any node of the subnet may."""
        facts = ctx.facts
        if facts.group is None or ctx.leases.listed_at is None or facts.foreign is not None or facts.stopping:
            return
        unlisted = [address for address in ctx.leases.addresses() if address not in facts.listed]
        for address in [each for each in self._delete_at if each in facts.listed]:
            del self._delete_at[address]
        for address in unlisted:
            record, since = ctx.leases.get(address), ctx.leases.claimable_since(address)
            if record is None or facts.place(address) is None or since is None or ctx.now < since:
                self._delete_at.pop(address, None)
                continue
            due = self._delete_at.setdefault(address, ctx.now + _DELETE_AFTER + ctx.rng.random() * _DELETE_CHANCE)
            if ctx.now >= due:
                self._delete_at[address] = ctx.now + _DELETE_AFTER
                ctx.last_token += 1
                ctx.emit(DeleteLease(address, ctx.last_token, record, ctx.timings.request_timeout))

    def deadlines(self) -> list[float]:
        """Return when something is due."""
        return list(self._delete_at.values())


def move_place(ctx: Context, hold: Hold) -> Place:
    """Return where a held address is after the interfaces changed: its subnet's own address may be another now."""
    place = ctx.facts.place_of_held(hold.address, hold.place.interface)
    if place is None or place == hold.place:
        return hold.place
    ctx.evidence.start_grace(ctx.now, place, EVIDENCE)
    return place
