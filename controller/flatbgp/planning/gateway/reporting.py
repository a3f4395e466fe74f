"""How it is with each address on this node, in a reason and a sentence for people."""

from flatbgp.planning.gateway.claim import Contest, obstacle
from flatbgp.planning.gateway.context import Context
from flatbgp.planning.gateway.departure import Leave
from flatbgp.planning.gateway.hold import Hold
from flatbgp.planning.gateway.status import AddressReason, AddressStatus
from flatbgp.resources.ip import IPAddress


def status_of_hold(ctx: Context, hold: Hold) -> AddressStatus:
    """Say how it is with an address that this node holds."""
    if hold.expires is None:
        return AddressStatus(AddressReason.WAITING, f"its Lease is ours; being put on {hold.place.interface}")
    if not hold.outage:
        return AddressStatus(AddressReason.HELD, f"held by this node on {hold.place.interface}", held=True)
    stays = "the address stays as long as the LAN works, and nobody else can claim it meanwhile"
    if ctx.facts.foreign is not None:
        return AddressStatus(AddressReason.STORE_REPLACED, f"{ctx.facts.foreign}; {stays}", held=True)
    return AddressStatus(AddressReason.STORE_UNREACHABLE, f"the store does not answer; {stays}", held=True)


def status_of_leave(leave: Leave) -> AddressStatus:
    """Say why an address is on its way off this node."""
    return AddressStatus(leave.letting_go.reason, f"given up: {leave.letting_go.why}", held=leave.on_interface)


def status_of_other(ctx: Context, address: IPAddress, contest: Contest | None) -> AddressStatus:
    """Say why this node doesn't have an address."""
    holder = ctx.leases.live_holder(ctx.now, address)
    if holder and not ctx.leases.ours(address):
        return AddressStatus(AddressReason.HELD_ELSEWHERE, f"held by node {holder}")
    if contest is not None:
        return _contested(ctx, address, contest)
    blocked = obstacle(ctx, address)
    if blocked is None:
        return AddressStatus(AddressReason.WAITING, "nobody holds it; this node claims it when its turn comes")
    return AddressStatus(blocked, _why_not(ctx, address, blocked))


def _contested(ctx: Context, address: IPAddress, contest: Contest) -> AddressStatus:
    record = ctx.leases.get(address)
    holder = record.content.holder if record is not None else ""
    if holder:
        return AddressStatus(
            AddressReason.HELD_BY_UNREACHABLE_NODE,
            f"node {holder} no longer renews its Lease, but {contest.mac} still answers for the address, so nobody takes "
            f"it: look at node {holder}, which is cut off from the store, or stop it",
        )
    return AddressStatus(
        AddressReason.ADDRESS_CONFLICT,
        f"a host that is no holder answers for it: {contest.mac} on {contest.interface}; take the address from that host",
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
            return f"it is an address of this host already, on {ctx.facts.local(address)}; remove it there"
        case _:
            return "this speaker is stopping"
