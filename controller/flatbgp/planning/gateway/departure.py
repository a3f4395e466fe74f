"""Letting go of an address, step by step: as a move, without a word to the routers, or as a removal, with all of them.

A move takes the address off first, with its TCP sockets, so that nothing of the old session can ever leave this host;
then it frees the Lease, before gobgpd is asked anything (it may be frozen); then the sessions are deleted. A removal
withdraws the routes and sends a Cease first, and deletes the Lease.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

from flatbgp.planning.gateway.actions import AddressLost, DeleteLease, Departure, RemoveAddress, WithdrawSessions
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.events import AddressRemoved, LeaseSwapped, SwapOutcome
from flatbgp.planning.gateway.hold import Hold, LettingGo
from flatbgp.planning.gateway.records import LeaseRecord
from flatbgp.planning.gateway.timings import LIFETIME_MARGIN, RELEASE_AGAIN, REMOVE_AGAIN, WITHDRAWAL
from flatbgp.resources.ip import IPAddress


class Stage(Enum):
    """What is waited for."""

    WITHDRAWING = auto()
    REMOVING = auto()
    RELEASING = auto()
    DONE = auto()


@dataclass(slots=True)
class Leave:
    """One address on its way off this node.

    ``again`` is when the present step is tried once more.
    """

    address: IPAddress
    letting_go: LettingGo
    stage: Stage = Stage.REMOVING
    again: float | None = None
    token: int = 0
    reading: bool = False
    told: bool = False

    @classmethod
    def of_hold(cls, ctx: Context, hold: Hold, letting_go: LettingGo) -> "Leave":
        """Begin to let go of an address that is held."""
        removal = letting_go.departure is Departure.REMOVAL and hold.expires is not None
        until = min(hold.deadline - LIFETIME_MARGIN, ctx.now + WITHDRAWAL) if removal else ctx.now
        leave = cls(hold.address, letting_go)
        if removal and until > ctx.now:
            leave.stage, leave.again = Stage.WITHDRAWING, until
            ctx.emit(WithdrawSessions(hold.address))
        else:
            leave.take_off(ctx)
        return leave

    @classmethod
    def of_leftover(cls, ctx: Context, address: IPAddress, why: str) -> "Leave":
        """Take off an address that this node doesn't hold (an earlier process left it)."""
        leave = cls(address, LettingGo(Departure.MOVE, why))
        leave.take_off(ctx)
        return leave

    @classmethod
    def of_lease(cls, ctx: Context, address: IPAddress, why: str, heard: str = "") -> "Leave":
        """Free a Lease that names this node, without the address being here."""
        leave = cls(address, LettingGo(Departure.MOVE, why, heard=heard), told=True)
        leave.release(ctx)
        return leave

    @property
    def on_interface(self) -> bool:
        """Whether the address may still be on the interface."""
        return self.stage in {Stage.WITHDRAWING, Stage.REMOVING}

    def advance(self, ctx: Context) -> None:
        """Take the next step when it is due."""
        if self.again is None or ctx.now < self.again:
            return
        self.again = None
        if self.on_interface:
            self.take_off(ctx)
        else:
            self.release(ctx)

    def deadlines(self) -> Iterator[float]:
        """Yield when something is due."""
        if self.again is not None:
            yield self.again

    def withdrawn(self, ctx: Context) -> None:
        """Go on: routes are withdrawn, and the Cease has left."""
        if self.stage is Stage.WITHDRAWING:
            self.take_off(ctx)

    def take_off(self, ctx: Context) -> None:
        """Take the address off the interface."""
        self.stage, self.again = Stage.REMOVING, None
        ctx.emit(RemoveAddress(self.address))

    def removed(self, ctx: Context, event: AddressRemoved) -> None:
        """Give the Lease up, then the sessions, once the address is off."""
        if self.stage is not Stage.REMOVING:
            return
        if event.error:
            self.again = ctx.now + REMOVE_AGAIN
            return
        self.release(ctx)
        if not self.told:
            self.told = True
            ctx.emit(AddressLost(self.address, self.letting_go.departure, self.letting_go.why))

    def release(self, ctx: Context) -> None:
        """Free the Lease (or delete it, in a removal), if it is ours."""
        self.stage = Stage.RELEASING
        before = ctx.leases.get(self.address)
        if not ctx.leases.ours(self.address) or before is None:
            self.stage = Stage.DONE
        elif ctx.facts.foreign is not None:
            self.again = ctx.now + RELEASE_AGAIN
        elif self.letting_go.departure is Departure.REMOVAL:
            ctx.last_token += 1
            self.token = ctx.last_token
            ctx.emit(DeleteLease(self.address, self.token, before, ctx.timings.request_timeout))
        else:
            content = replace(before.content, holder="", instance="", router_heard=None, probe=self.letting_go.heard)
            self.token = ctx.swap(self.address, before, content, renew=False)

    def swapped(self, ctx: Context, event: LeaseSwapped) -> None:
        """Take the outcome of freeing (or deleting) the Lease."""
        if event.token != self.token or self.stage is not Stage.RELEASING:
            return
        if event.outcome is SwapOutcome.CONFIRMED:
            self.stage = Stage.DONE
        elif event.outcome is SwapOutcome.CONFLICT:
            self.reading = True
            ctx.read(self.address)
        else:
            self.again = ctx.now + RELEASE_AGAIN

    def read(self, ctx: Context, record: LeaseRecord | None) -> None:
        """Take the Lease as the store has it now: try again if it is still ours."""
        self.reading = False
        if self.stage is not Stage.RELEASING:
            return
        if record is None or record.content.owner != (ctx.node, ctx.instance):
            self.stage = Stage.DONE
        else:
            self.release(ctx)

    def read_failed(self, ctx: Context) -> None:
        """Try again later: the store doesn't answer."""
        self.reading = False
        self.again = ctx.now + RELEASE_AGAIN

    def seen(self) -> None:
        """Be done: the Lease is no longer ours."""
        if self.stage is Stage.RELEASING:
            self.stage = Stage.DONE
