"""``flatbgp plan``: what would change, one sentence an action, each with its cost to sessions that exist."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flatbgp.planning.costs import SETTING_COSTS, Cost, dearest, words_of
from flatbgp.planning.drain import hand_over, is_draining
from flatbgp.planning.elsewhere import admin_only, with_sources
from flatbgp.planning.future import Future, Objects, future_of
from flatbgp.planning.holdings import Holding
from flatbgp.planning.neighbors import NeighborSettings, neighbor_for
from flatbgp.planning.sessions import PeerPlan, PlannedSession, SessionId
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.mergepatch import difference
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource

NAMED_ONE_BY_ONE: Final = 50
"""Beyond so many routes or Nodes of one kind of change, the rest is counted."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action: what it is about ("object", "pod CIDR", "floating IP", "session", "route"), a sentence, its cost."""

    about: str
    sentence: str
    cost: Cost = Cost.NONE

    def __str__(self) -> str:
        return f"{self.sentence} [{self.cost}]"


@dataclass(frozen=True, slots=True)
class Explanation:
    """All actions in the order in which they happen, and what will not work, as sentences."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """The dearest of all."""
        return dearest({step.cost for step in self.steps})


def explain(
    before: Iterable[Resource[Any, Any]],
    after: Iterable[Resource[Any, Any]],
    *,
    secret_namespace: str,
) -> Explanation:
    """Return what happens when the objects ``before`` of a store become ``after``, and the roles have done their work.

    With both the same it is what the roles have left to do. Deterministic: sorted, and without a clock.
    """
    was, will = with_sources(before, after)
    past, future = future_of(was.everything(), secret_namespace), future_of(will.everything(), secret_namespace)
    steps = [
        *_objects(was, will),
        *_assignments(future),
        *_floating_ips(past, will, future),
        *_routes(was, future),
        *_sessions(was, past, future),
    ]
    return Explanation(tuple(steps), (*_unseen(will), *_notes(future)))


def _objects(was: Objects, will: Objects) -> Iterator[Step]:
    old = {(each.kind.full_name, each.key): each for each in was.everything()}
    new = {(each.kind.full_name, each.key): each for each in will.everything()}
    for place, resource in new.items():
        name = f"{resource.kind.name} {resource.key}"
        if place not in old:
            yield Step("object", f"Create {name}.")
        elif fields := _changed_fields(old[place], resource):
            yield Step("object", f"Change {', '.join(fields)} of {name}.")
    for place, resource in old.items():
        if place not in new:
            yield Step("object", f"Delete {resource.kind.name} {resource.key}.")


def _changed_fields(old: Resource[Any, Any], new: Resource[Any, Any]) -> list[str]:
    """Return the paths of the fields that differ, as a person wrote them; values of a Secret are never named."""
    found = []
    for part in ("spec", "data", "type"):
        a, b = old.document.get(part), new.document.get(part)
        if a == b:
            continue
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += [f"{part}.{name}" for name in sorted(difference(a, b))]
        else:
            found.append(part)
    if old.meta.labels != new.meta.labels:
        found.append("labels")
    if old.meta.annotations != new.meta.annotations:
        found.append("annotations")
    return found


def _assignments(future: Future) -> Iterator[Step]:
    for assignment in future.assignments[:NAMED_ONE_BY_ONE]:
        blocks = " and ".join(str(network) for network in assignment.pod_cidrs)
        yield Step("pod CIDR", f"Give Node {assignment.node} {blocks} of ClusterCIDRConfig {assignment.config}.")
    yield from _rest("pod CIDR", len(future.assignments), "Nodes get their pod CIDRs", Cost.NONE)


def _rest(about: str, total: int, words: str, cost: Cost) -> Iterator[Step]:
    if total > NAMED_ONE_BY_ONE:
        yield Step(about, f"{total - NAMED_ONE_BY_ONE} more {words}.", cost)


def _floating_ips(past: Future, will: Objects, future: Future) -> Iterator[Step]:
    before = {holding.address: holding for holding in past.holdings}
    nodes = will.of(NODE)
    for holding in future.holdings:
        if holding.address not in before:
            yield Step("floating IP", f"A healthy node of its subnet claims {holding.address}.")
            continue
        node = nodes.get(Key("", holding.holder))
        if node is not None and is_draining(node):
            yield Step("floating IP", hand_over(holding, nodes), Cost.SESSION_RESET)
    kept = {holding.address for holding in future.holdings}
    for address, holding in before.items():
        if address not in kept:
            where = f"off {holding.holder}" if holding.holder else "out of use"
            yield Step("floating IP", f"Take {address} {where}, after its sessions have ended.")


def _routes(was: Objects, future: Future) -> Iterator[Step]:
    there = {
        str(route.spec.prefix): route.spec
        for route in was.of(BGP_ADVERTISED_ROUTE).values()
        if route.spec is not None and not route.meta.deleting
    }
    added, changed, removed = [], [], []
    for prefix, spec in future.routes.items():
        old = there.get(prefix)
        if old is None:
            added.append(f"Announce {prefix} via {spec.next_hop} ({spec.node_name}) on every session.")
        elif old.next_hop != spec.next_hop:
            changed.append(f"Announce {prefix} via {spec.next_hop} ({spec.node_name}) instead of {old.next_hop}.")
    for prefix, old in there.items():
        if prefix not in future.routes:
            removed.append(f"Withdraw {prefix} via {old.next_hop} ({old.node_name}) from every session.")
    for sentences, words in ((added, "are announced"), (changed, "get another next hop"), (removed, "are withdrawn")):
        for sentence in sorted(sentences)[:NAMED_ONE_BY_ONE]:
            yield Step("route", sentence, Cost.ROUTE_UPDATE)
        yield from _rest("route", len(sentences), f"routes {words}", Cost.ROUTE_UPDATE)


def _sessions(was: Objects, past: Future, future: Future) -> Iterator[Step]:
    there = {
        SessionId.of(session.spec.peer_ip, session.spec.local_ip, session.spec.node_name)
        for session in was.of(BGP_SESSION).values()
        if session.spec is not None
    }
    known = {session.id: session for session in past.sessions.sessions}
    planned = {session.id: session for session in future.sessions.sessions}
    unplaced = {holding.address for holding in future.holdings if holding.subnet is None}
    undecided = {name: plan for name, plan in sorted(future.sessions.peers.items()) if _is_undecided(plan, future)}
    for identity, session in planned.items():
        if identity not in there:
            if session.peer not in undecided or session.local_ip not in unplaced:
                yield _opened(session)
        elif identity in known:
            yield from _changed(known[identity], past, session, future)
    for plan in undecided.values():
        yield from _chosen_later(plan, past, future)
    for identity in sorted(there):
        left = planned.get(identity)
        if left is not None and not left.surplus:
            continue
        if SessionId(identity.peer_ip, identity.local_ip, "") in planned:
            continue  # it waits for the next holder of its address
        words = f"{identity.peer_ip} from {identity.local_ip} on {identity.node}"
        when = ", once one that replaces it is Established" if left is not None else ""
        yield Step("session", f"Withdraw all routes and end the session with {words}{when}.", Cost.SESSION_RESET)


def _usable(plan: PeerPlan, future: Future) -> Sequence[Holding]:
    """Return the floating IPs that sessions of a peer can come from."""
    router = plan.peer.spec.peer_ip if plan.peer.spec is not None else None
    return [h for h in future.holdings if router and h.address.version == router.version and h.address != router]


def _is_undecided(plan: PeerPlan, future: Future) -> bool:
    """Whether the choice of addresses depends on subnets that nobody has told yet: those of new addresses."""
    chosen = {session.local_ip: session.peer_ip for session in plan.sessions if not session.surplus}
    usable = _usable(plan, future)
    return (
        any(holding.subnet is None for holding in usable)
        and len(chosen) < len(usable)
        and any(h.address in chosen and (h.subnet is None or chosen[h.address] not in h.subnet) for h in usable)
    )


def _chosen_later(plan: PeerPlan, past: Future, future: Future) -> Iterator[Step]:
    unplaced = [holding.address for holding in _usable(plan, future) if holding.subnet is None]
    router = f"{plan.sessions[0].peer_ip} (BGPPeer {plan.peer.meta.name})"
    waiting = sum(session.local_ip in unplaced for session in plan.sessions)
    known = {holding.address for holding in past.holdings}
    new = ", ".join(str(address) for address in unplaced if waiting or address not in known)
    if waiting:
        noun = "a session" if waiting == 1 else f"{waiting} sessions"
        words = f"Open {noun} with {router} from {new}, once nodes hold them: from those in its subnet first"
        yield Step("session", f"{words}, then in this order.")
    elif new:
        words = f"Move a session with {router} to one of {new} that proves to be in its subnet, once a node holds it"
        yield Step("session", f"{words}.", Cost.SESSION_RESET)


def _opened(session: PlannedSession) -> Step:
    where = f" on {session.node}" if session.node else ""
    ends = f"with {session.peer_ip} (BGPPeer {session.peer}) from {session.local_ip}{where}"
    if session.waits is Reason.NO_GATEWAY:
        return Step("session", f"Open a session {ends}, once a node holds that address.")
    if session.waits is not None:
        return Step("session", f"Open a session {ends}, once this is mended: {session.message}")
    return Step("session", f"Open a session {ends}.")


def _changed(old: PlannedSession, past: Future, new: PlannedSession, future: Future) -> Iterator[Step]:
    ends = f"the session with {new.peer_ip} from {new.local_ip} on {new.node}"
    if new.waits is not None:
        if old.waits is None:
            yield Step("session", f"End {ends}: {new.message}", Cost.SESSION_RESET)
        return
    if old.waits is not None:
        yield Step("session", f"Open {ends}, which waited: {old.message}")
        return
    a, b = _settings(old, past), _settings(new, future)
    names = sorted(name for name in SETTING_COSTS if a[name] != b[name])
    if names:
        cost = dearest({SETTING_COSTS[name] for name in names})
        how = {
            Cost.NONE: "without touching it",
            Cost.ROUTE_UPDATE: "by sending its routes again",
            Cost.SESSION_RESET: "by a session reset",
        }[cost]
        words = " and ".join(map(words_of, names))
        yield Step("session", f"Change {words} of {ends}, {how}.", cost)


def _settings(session: PlannedSession, future: Future) -> Mapping[str, Any]:
    """Return the settings in the terms in which changes have a cost."""
    reference = session.spec.password_secret_ref
    secret = future.secrets.get(reference.name) if reference is not None else None
    given: NeighborSettings = neighbor_for(session, secret.password if secret is not None else None)
    return {
        "local_asn": given.local_asn,
        "peer_asn": given.peer_asn,
        "hold_time": given.hold_time,
        "keepalive": given.keepalive,
        "multihop": given.multihop or given.local_asn == given.peer_asn,
        "password": given.password,
        "graceful_restart": (given.restart_time, given.deferral_time if given.restart_time is not None else None),
        "connect_retry": given.connect_retry,
        "prefix_limit": given.prefix_limit,
        "export": (given.communities, given.large_communities, given.med, given.local_pref),
    }


def _unseen(will: Objects) -> Iterator[str]:
    """Yield what nobody can tell from this store: how a user cluster that is another one stands."""
    for namespace in admin_only(will):
        yield (
            f"This store has no Node and nothing else of the user cluster of {namespace}. If that is another store, "
            "its sessions and routes are not seen here and may be there already: ask for the plan with that store."
        )


_FINE: Final = (Reason.READY, Reason.NOT_SELECTED)


def _notes(future: Future) -> Iterator[str]:
    """Yield what will not work, or not as it is written."""
    for (kind, key), verdict in sorted(future.config.verdicts.items()):
        yield f"{kind} {key}: {verdict.message}"
    for name, plan in sorted(future.sessions.peers.items()):
        if plan.reason not in _FINE:
            yield f"BGPPeer {name}: {plan.message}"
    for shortage in future.nodes.short[:NAMED_ONE_BY_ONE]:
        yield f"Node {shortage.node} gets no pod CIDR: {shortage.message}"
    for node, family in future.nodes.routes.without_address[:NAMED_ONE_BY_ONE]:
        yield f"Node {node} has no {family} address, so its {family} pod CIDR is not announced."
    for prefix, node in future.nodes.routes.duplicates[:NAMED_ONE_BY_ONE]:
        yield f"Node {node} has the pod CIDR {prefix} of an older Node; it is announced for that one."
