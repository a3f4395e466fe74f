"""How it is with each address on this node, in a reason and a sentence for people."""

from collections.abc import Callable, Collection

from flatbgp.planning.gateway.actions import StatusChanged
from flatbgp.planning.gateway.claim import Contest, obstacle
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.departure import Leave
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.status import AddressReason, AddressStatus
from flatbgp.resources.ip import IPAddress


class Reports:
    """The statuses as last reported; a sentence is only written when what it says has changed."""

    def __init__(self) -> None:
        self.statuses: dict[IPAddress, AddressStatus] = {}
        self._keys: dict[IPAddress, tuple[object, ...]] = {}

    def hold(self, ctx: Context, hold: Hold) -> None:
        """Report an address that this node holds."""
        key = (AddressReason.HELD, hold.expires is None, bool(hold.outage), ctx.facts.foreign)
        self._report(ctx, hold.address, key, lambda: _status_of_hold(ctx, hold))

    def leave(self, ctx: Context, leave: Leave) -> None:
        """Report an address on its way off this node."""
        said = leave.letting_go
        status = AddressStatus(said.reason, f"given up: {said.why}", held=leave.on_interface)
        self._report(ctx, leave.address, (AddressReason.LEAVING, said, leave.on_interface), lambda: status)

    def other(self, ctx: Context, address: IPAddress, contest: Contest | None) -> None:
        """Report an address that this node doesn't have."""
        holder = ctx.leases.live_holder(ctx.now, address)
        if holder and not ctx.leases.ours(address):
            status = AddressStatus(AddressReason.HELD_ELSEWHERE, f"held by node {holder}")
            self._report(ctx, address, (AddressReason.HELD_ELSEWHERE, holder), lambda: status)
        elif contest is not None:
            self._report(ctx, address, (contest.mac, holder), lambda: _contested(ctx, address, contest))
        else:
            blocked = obstacle(ctx, address)
            self._report(ctx, address, (blocked, ctx.facts.failing), lambda: _status_of_free(ctx, address, blocked))

    def keep(self, addresses: Collection[IPAddress]) -> None:
        """Forget all others."""
        for address in self.statuses.keys() - addresses:
            del self.statuses[address], self._keys[address]

    def _report(
        self, ctx: Context, address: IPAddress, key: tuple[object, ...], status: Callable[[], AddressStatus]
    ) -> None:
        if self._keys.get(address) == key:
            return
        self._keys[address], now = key, status()
        if self.statuses.get(address) != now:
            self.statuses[address] = now
            ctx.emit(StatusChanged(address, now))


def _status_of_hold(ctx: Context, hold: Hold) -> AddressStatus:
    if hold.expires is None:
        return AddressStatus(AddressReason.WAITING, f"its Lease is ours; being put on {hold.place.interface}")
    if not hold.outage:
        return AddressStatus(AddressReason.HELD, f"held by this node on {hold.place.interface}", held=True)
    stays = "the address stays as long as the LAN works, and nobody else can claim it meanwhile"
    if ctx.facts.foreign is not None:
        return AddressStatus(AddressReason.STORE_REPLACED, f"{ctx.facts.foreign}; {stays}", held=True)
    return AddressStatus(AddressReason.STORE_UNREACHABLE, f"the store does not answer; {stays}", held=True)


def _status_of_free(ctx: Context, address: IPAddress, blocked: AddressReason | None) -> AddressStatus:
    if blocked is None:
        return AddressStatus(AddressReason.WAITING, "nobody holds it; this node claims it when its turn comes")
    return AddressStatus(blocked, _why_not(ctx, address, blocked))


def _contested(ctx: Context, address: IPAddress, contest: Contest) -> AddressStatus:
    record = ctx.leases.get(address)
    holder = record.content.holder if record is not None else ""
    if holder:
        return AddressStatus(
            AddressReason.HELD_BY_UNREACHABLE_NODE,
            f"node {holder} no longer renews its Lease, but {contest.mac} still answers for the address, so nobody "
            f"takes it: look at node {holder}, which is cut off from the store, or stop it",
        )
    return AddressStatus(
        AddressReason.ADDRESS_CONFLICT,
        f"a host that is no holder answers for it: {contest.mac} on {contest.interface}; take the address from it",
    )


def _why_not(ctx: Context, address: IPAddress, reason: AddressReason) -> str:
    place = ctx.facts.place(address)
    match reason:
        case AddressReason.STORE_REPLACED:
            return ctx.facts.foreign or "the store is not the one that was learned"
        case AddressReason.NOT_LISTED:
            error = f" (the store does not answer: {ctx.facts.failing})" if ctx.facts.failing else ""
            return f"group, Leases, peers, routes and Secrets have not all been read yet{error}"
        case AddressReason.NO_NODE:
            return "this node's Node object does not exist or is being deleted; it claims nothing"
        case AddressReason.DRAINING:
            return "this node is drained; it claims nothing (flatbgp undrain ends that)"
        case AddressReason.NO_SUBNET:
            return "no interface of this node with carrier has a subnet that contains it; other nodes may"
        case AddressReason.ENGINE_UNAVAILABLE:
            return "this node's gobgpd does not answer; look at it"
        case AddressReason.NO_LAN_EVIDENCE:
            subnet = place.subnet if place is not None else "its subnet"
            return f"no router and no other node of {subnet} answers this node; look at its link, VLAN and filters"
        case AddressReason.ADDRESS_CONFLICT:
            return f"it is an address of this host already, on {ctx.facts.local[address]}; remove it there"
        case _:
            return "this speaker is stopping"
