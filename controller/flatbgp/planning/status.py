"""What objects say about themselves: statuses and conditions of group, mode, peers and ranges.

Each function returns the status that an object should have; the caller writes it only if it differs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flatbgp.planning.blocks import Block, block_of
from flatbgp.planning.configuration import Configuration, Group, Mode, Peer, Verdict, judge
from flatbgp.planning.holdings import Holding, Sightings
from flatbgp.planning.phrases import some_of
from flatbgp.planning.podcidrs import CIDRConfig, Shortage, Usage
from flatbgp.planning.routes import RoutePlan
from flatbgp.planning.sessions import PeerPlan, SessionId, SessionPlan
from flatbgp.resources.bgppeer import BGPPeerStatus
from flatbgp.resources.clustercidrconfig import ClusterCIDRConfigStatus
from flatbgp.resources.conditions import Condition, merge
from flatbgp.resources.flatipmode import FlatIPModeStatus
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.meta import Meta
from flatbgp.resources.networkgatewaygroup import FloatingIPStatus, NetworkGatewayGroupStatus, printed
from flatbgp.resources.reasons import Reason


@dataclass(frozen=True, slots=True)
class Facts:
    """What was planned and seen, of which the statuses tell. ``secret_conflicts`` are names of Secrets."""

    config: Configuration
    sessions: SessionPlan
    established: Mapping[SessionId, str]
    holdings: Sequence[Holding] = ()
    sightings: Sightings = field(default_factory=dict)
    routes: RoutePlan = field(default_factory=RoutePlan)
    shortages: tuple[Shortage, ...] = ()
    flat_ipv4: bool | None = None
    secret_conflicts: frozenset[str] = frozenset()


def _condition(meta: Meta, kind: str, *, holds: bool, reason: Reason, message: str = "") -> Condition:
    return Condition(kind, "True" if holds else "False", reason, message, observed_generation=meta.generation or None)


def _refused(meta: Meta, verdict: Verdict) -> list[Condition]:
    return [_condition(meta, "Ready", holds=False, reason=verdict.reason, message=verdict.message)]


def group_status(group: Group, facts: Facts, wall: datetime) -> NetworkGatewayGroupStatus:
    """Return the status of a NetworkGatewayGroup: who holds which address, since when, and why not."""
    before = group.status or NetworkGatewayGroupStatus()
    verdict = facts.config.verdicts.get((group.kind.name, group.key))
    if verdict is not None and verdict.reason is not Reason.INVALID:
        return NetworkGatewayGroupStatus(conditions=merge(before.conditions, _refused(group.meta, verdict), wall))
    known = {entry.address: entry for entry in before.floating_ips}
    entries = tuple(_entry(holding, facts.sightings, known.get(holding.address), wall) for holding in facts.holdings)
    if verdict is not None:
        conditions = _refused(group.meta, verdict)
    else:
        missing = [entry for entry in entries if entry.reason is not Reason.HELD]
        reason = next((entry.reason for entry in missing if entry.reason), Reason.READY)
        message = " ".join(entry.message for entry in missing) or f"All {len(entries)} floating IPs are held."
        conditions = [_condition(group.meta, "Ready", holds=not missing, reason=reason, message=message)]
    return NetworkGatewayGroupStatus(entries, printed(entries), merge(before.conditions, conditions, wall))


def _entry(holding: Holding, sightings: Sightings, before: FloatingIPStatus | None, wall: datetime) -> FloatingIPStatus:
    address, node = holding.address, holding.holder
    if node:
        reason, message = Reason.HELD, f"{node} holds {address}."
    else:
        sighting = sightings.get(address)
        heard = sighting.lease.content.probe if sighting else ""
        if not heard:
            reason, message = Reason.NO_GATEWAY, _vacant(holding)
        elif holding.node:
            reason = Reason.HELD_BY_UNREACHABLE_NODE
            message = f"{holding.node} no longer renews its Lease of {address}, but the address is in use: {heard}."
        else:
            reason = Reason.ADDRESS_CONFLICT
            message = f"Another host has {address}, so no node takes it: {heard}."
    same = before is not None and (before.node, before.reason) == (node, reason)
    return FloatingIPStatus(address, node, before.since if same and before else wall, reason, message)


def _vacant(holding: Holding) -> str:
    if not holding.held_before:
        return f"No node has claimed {holding.address} yet."
    if holding.node:
        return f"{holding.node} no longer renews its Lease of {holding.address}, and no other node has it."
    return f"No node holds {holding.address}."


def peer_status(peer: Peer, facts: Facts, wall: datetime) -> BGPPeerStatus:
    """Return the status of a BGPPeer: whether it is used, how many sessions it has, and what is missing."""
    before = peer.status or BGPPeerStatus()
    verdict = facts.config.verdicts.get((peer.kind.name, peer.key))
    plan = facts.sessions.peers.get(peer.meta.name) if verdict is None or verdict.reason is Reason.INVALID else None
    if plan is None:
        refusal = verdict or Verdict(Reason.INVALID, "It is left out.")
        return BGPPeerStatus(conditions=merge(before.conditions, _refused(peer.meta, refusal), wall))
    wanted = [session for session in plan.sessions if not session.surplus]
    up = sum(1 for session in wanted if session.id in facts.established)
    conditions = _refused(peer.meta, verdict) if verdict else [_peer_ready(peer, plan, facts)]
    if plan.selected and plan.reason is not Reason.CONFLICTING:
        conditions += [_established(peer.meta, plan, up, len(wanted)), _sessions_complete(peer.meta, plan)]
    return BGPPeerStatus(len(wanted), up, merge(before.conditions, conditions, wall))


def _established(meta: Meta, plan: PeerPlan, up: int, planned: int) -> Condition:
    holds = bool(planned) and up == planned
    waits = plan.reason not in (Reason.READY, Reason.INSUFFICIENT_FLOATING_IPS)
    reason = Reason.ESTABLISHED if holds else plan.reason if waits else Reason.CONNECTING
    return _condition(
        meta, "Established", holds=holds, reason=reason, message=f"{up} of {planned} planned sessions are up."
    )


def _sessions_complete(meta: Meta, plan: PeerPlan) -> Condition:
    """Return whether there are as many floating IPs, each on its own node, as sessions were asked for."""
    possible = sum(1 for session in plan.sessions if session.node and not session.surplus)
    if possible >= plan.wanted:
        message = f"All {plan.wanted} sessions have a floating IP."
        return _condition(meta, "SessionsComplete", holds=True, reason=Reason.READY, message=message)
    reason = Reason.INSUFFICIENT_FLOATING_IPS if possible else Reason.NO_GATEWAY
    message = plan.message if plan.reason is reason else f"{possible} of {plan.wanted} sessions are possible."
    return _condition(meta, "SessionsComplete", holds=False, reason=reason, message=message)


def _peer_ready(peer: Peer, plan: PeerPlan, facts: Facts) -> Condition:
    reason, message = plan.reason, plan.message
    reference = peer.spec.password_secret_ref if peer.spec else None
    if reference is not None and reference.name in facts.secret_conflicts:
        reason = Reason.SECRET_CONFLICT
        message = (
            f"Secret {reference.name} is on the user cluster and not a copy of the mirror's; it is not overwritten."
        )
    # A shortfall is no error: what is possible works. It has a condition of its own.
    holds = reason in (Reason.READY, Reason.INSUFFICIENT_FLOATING_IPS)
    return _condition(peer.meta, "Ready", holds=holds, reason=Reason.READY if holds else reason, message=message)


def mode_status(mode: Mode, facts: Facts, wall: datetime) -> FlatIPModeStatus:
    """Return the status of the FlatIPMode: peers and sessions, and whether every pod CIDR is announced."""
    before = mode.status or FlatIPModeStatus()
    verdict = facts.config.verdicts.get((mode.kind.name, mode.key))
    if verdict is not None and verdict.reason is not Reason.INVALID:
        return FlatIPModeStatus(conditions=merge(before.conditions, _refused(mode.meta, verdict), wall))
    selected = [plan for plan in facts.sessions.peers.values() if plan.selected]
    sessions = [session for plan in selected for session in plan.sessions if not session.surplus]
    up = sum(1 for session in sessions if session.id in facts.established)
    ready = _refused(mode.meta, verdict) if verdict else [_mode_ready(mode, selected, facts)]
    conditions = merge(before.conditions, [*ready, _complete(mode.meta, facts)], wall)
    return FlatIPModeStatus(len(selected), len(sessions), up, conditions)


def _mode_ready(mode: Mode, selected: Collection[PeerPlan], facts: Facts) -> Condition:
    if mode.spec is not None and mode.spec.enable_bgp_ipv4 and facts.flat_ipv4 is False:
        reason, message = Reason.FLAT_IPV4_OFF, "The Cluster has flatIPv4: false; IPv4 pod CIDRs are not announced."
    elif not selected:
        reason, message = Reason.NO_MATCHING_PEER, "The peerSelector matches no BGPPeer; there is no session."
    else:
        reason, message = Reason.READY, f"{facts.routes.total} routes for {len(selected)} BGPPeers."
    return _condition(mode.meta, "Ready", holds=reason is Reason.READY, reason=reason, message=message)


def _complete(meta: Meta, facts: Facts) -> Condition:
    routes, found = facts.routes, []
    if facts.shortages:
        nodes = [f"{shortage.node} ({shortage.message.rstrip('.')})" for shortage in facts.shortages]
        found.append((Reason.CIDR_NOT_AVAILABLE, f"No pod CIDR for {some_of(nodes)}."))
    if routes.without_address:
        nodes = [f"{node} ({family})" for node, family in routes.without_address]
        found.append((Reason.NO_ADDRESS, f"No address of the family, so not announced: {some_of(nodes)}."))
    if routes.duplicates:
        pairs = [f"{prefix} of {node}" for prefix, node in routes.duplicates]
        found.append((Reason.POD_CIDR_CONFLICT, f"Announced for an older Node with the same: {some_of(pairs)}."))
    reason = found[0][0] if found else Reason.READY
    message = " ".join(text for _, text in found) or "Every pod CIDR of the enabled families is announced."
    return _condition(meta, "RoutesComplete", holds=not found, reason=reason, message=message)


def range_status(
    config: CIDRConfig,
    usage: Usage | None,
    others: Mapping[str, Iterable[IPNetwork]],
    addresses: Iterable[tuple[IPAddress, str]],
    *,
    mirrored: bool,
    wall: datetime,
    rival: str = "",
) -> ClusterCIDRConfigStatus:
    """Return the status of a ClusterCIDRConfig.

    ``others`` are the ranges it should not overlap, by what they are ("Service range", "ClusterCIDRConfig x");
    ``addresses`` those of nodes, with what they are. ``usage`` is ``None`` if the allocator does not use the object,
    ``rival`` what is to be said of another allocator (empty: there is none).
    """
    before = config.status or ClusterCIDRConfigStatus()
    verdict = judge(config, mirrored=mirrored)
    if verdict is not None or usage is None or config.spec is None:
        refusal = verdict or Verdict(Reason.INVALID, "It is left out.")
        return ClusterCIDRConfigStatus(conditions=merge(before.conditions, _refused(config.meta, refusal), wall))
    conditions = [_active(config.meta, usage, rival)]
    if config.meta.deleting:
        message = f"In use by {some_of(usage.nodes)}." if usage.nodes else "No node uses it any more."
        conditions.append(
            _condition(config.meta, "Terminating", holds=True, reason=Reason.TERMINATING, message=message)
        )
    own = [block_of(given.cidr) for given in (config.spec.ipv4, config.spec.ipv6) if given is not None]
    overlaps = [*_overlapped(own, others), *_inside(own, addresses)]
    if overlaps:
        message = f"Overlaps {some_of(overlaps)}; blocks are kept apart."
        conditions.append(
            _condition(config.meta, "Overlapping", holds=True, reason=Reason.OVERLAPPING, message=message)
        )
    return ClusterCIDRConfigStatus(len(usage.nodes), usage.free, merge(before.conditions, conditions, wall))


def _active(meta: Meta, usage: Usage, rival: str) -> Condition:
    if meta.deleting:
        return _condition(meta, "Active", holds=False, reason=Reason.TERMINATING, message="It gives no more blocks.")
    if rival:
        return _condition(meta, "Active", holds=False, reason=Reason.OTHER_ALLOCATOR, message=rival)
    if not usage.free:
        message = f"No block is free for another node; {len(usage.nodes)} nodes have one."
        return _condition(meta, "Active", holds=False, reason=Reason.EXHAUSTED, message=message)
    return _condition(
        meta, "Active", holds=True, reason=Reason.ALLOCATABLE, message=f"Room for {usage.free} more nodes."
    )


def _overlapped(own: Sequence[Block], others: Mapping[str, Iterable[IPNetwork]]) -> Iterable[str]:
    for what in sorted(others):
        for network in others[what]:
            if any(block.overlaps(block_of(network)) for block in own):
                yield f"{what} {network}"


def _inside(own: Sequence[Block], addresses: Iterable[tuple[IPAddress, str]]) -> Iterable[str]:
    for address, what in addresses:
        if any(block_of(address).within(block) for block in own):
            yield f"{what} {address}"
