"""FlatIPMode, BGPPeers, their Secrets and the Cluster: whether they go together."""

from collections.abc import Iterable, Iterator
from typing import Any

from flatbgp.resources.crosscheck.addresses import Place
from flatbgp.resources.crosscheck.view import ConfigEntry, Entry, ModeEntry, PeerEntry, Scope
from flatbgp.resources.faults import Fault, Severity
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.secret import BASIC_AUTH


def peer_faults(scope: Scope) -> Iterator[Fault]:
    """Yield what contradicts each other, and warnings for what cannot have been meant."""
    for mode in scope.modes:
        yield from _flat_ipv4_faults(mode, scope)
        yield from _selector_warnings(mode, scope.peers)
    yield from _networking_warnings(scope)
    yield from _same_router_warnings(scope.peers)
    yield from _fallback_warnings(scope.configs)
    for peer in scope.peers:
        if _new(peer):
            yield from _secret_warnings(peer, scope)
        yield from _session_warnings(peer, scope)


def _new(*entries: Entry[Any, Any]) -> bool:
    return any(entry.manifest is not None for entry in entries)


def _flat_ipv4_faults(mode: ModeEntry, scope: Scope) -> Iterator[Fault]:
    for cluster in scope.clusters:
        if mode.spec.enable_bgp_ipv4 and not cluster.spec.cluster_network.flat_ipv4:
            problem = (
                f"needs flatIPv4: true in {cluster.subject}, which has false (fixed at creation): in island mode IPv4"
                " pod addresses are hidden behind the node's and not announced; set it to false"
            )
            if _new(mode):
                yield mode.fault(problem, "spec.enableBGPIPv4", value=True)
            elif _new(cluster):
                problem = f"must be true: {mode.subject} has enableBGPIPv4: true, which island mode excludes"
                yield cluster.fault(problem, "spec.clusterNetwork.flatIPv4", value=False)


def _selector_warnings(mode: ModeEntry, peers: Iterable[PeerEntry]) -> Iterator[Fault]:
    path, candidates = "spec.peerSelector", list(peers)
    if not _new(mode, *candidates):
        return
    if not mode.spec.peer_selector:
        if _new(mode):
            problem = "selects every BGPPeer, because it is empty; name a label if other BGPPeers are not for flat mode"
            yield mode.fault(problem, path, severity=Severity.WARNING)
    elif not any(mode.spec.selects(peer.resource.meta.labels) for peer in candidates):
        where = f"{len(candidates)} without these labels" if candidates else "none there"
        problem = f"matches no BGPPeer ({where}), so that nothing is announced; label the BGPPeers, or change it"
        yield mode.fault(problem, path, dict(mode.spec.peer_selector), Severity.WARNING)


def _networking_warnings(scope: Scope) -> Iterator[Fault]:
    for cluster in scope.clusters:
        if scope.modes and not cluster.spec.cluster_network.advanced_networking and _new(cluster):
            problem = "is false; the guide has it true for BGP (it is fixed at creation)"
            yield cluster.fault(problem, "spec.clusterNetwork.advancedNetworking", severity=Severity.WARNING)


def _same_router_warnings(peers: Iterable[PeerEntry]) -> Iterator[Fault]:
    first: dict[IPAddress, PeerEntry] = {}
    for peer in peers:
        other = first.setdefault(peer.spec.peer_ip, peer)
        if other is not peer and _new(peer, other):
            one, two = (peer, other) if _new(peer) else (other, peer)
            problem = f"is also the router of {two.subject}; only the older of the two gets sessions"
            yield one.fault(problem, "spec.peerIP", str(one.spec.peer_ip), Severity.WARNING)


def _fallback_warnings(configs: Iterable[ConfigEntry]) -> Iterator[Fault]:
    fallbacks = [c for c in configs if c.spec.node_selector is None or not c.spec.node_selector.requirements]
    if len(fallbacks) > 1:
        for config in fallbacks:
            if _new(config):
                others = ", ".join(other.subject for other in fallbacks if other is not config)
                problem = (
                    f"is missing or empty, as in {others}: all are for the same nodes; the fuller one is used first"
                )
                yield config.fault(problem, "spec.nodeSelector", severity=Severity.WARNING)


def _secret_warnings(peer: PeerEntry, scope: Scope) -> Iterator[Fault]:
    reference = peer.spec.password_secret_ref
    if reference is None:
        return
    secret = scope.secrets.get(reference.name)
    namespace = peer.resource.meta.namespace
    if secret is None:
        problem = f"names a Secret that is not there in {namespace}; no connection is tried without it"
    elif secret.spec.type != BASIC_AUTH:
        problem = f"names a Secret that is not of type {BASIC_AUTH}; no connection is tried without one"
    elif secret.spec.password is None:
        problem = "names a Secret without the key password; no connection is tried without it"
    else:
        return
    yield peer.fault(problem, "spec.passwordSecretRef.name", severity=Severity.WARNING)


def _session_warnings(peer: PeerEntry, scope: Scope) -> Iterator[Fault]:
    family = Family.of(peer.spec.peer_ip)
    for group in scope.groups:
        usable = sum(Family.of(address) is family for address in group.spec.floating_ips)
        if usable < peer.spec.sessions and _new(peer, group):
            place = Place(peer, "spec.sessions") if _new(peer) else Place(group, "spec.floatingIPs")
            problem = (
                f"{peer.subject} asks for {peer.spec.sessions} sessions, and {group.subject} has {usable} floating IPs"
                f" of its family ({family}); only so many come up"
            )
            yield place.entry.fault(problem, place.path, severity=Severity.WARNING)
