"""Which BGP sessions exist: from the Leases, so that every speaker and the controller compute the same.

A peer gets sessions from up to ``sessions`` floating IPs of its family: those whose subnet contains it first, then in
the group's order, never two from one node (GoBGP keys neighbours by address). An address that lost its holder keeps its
place for :data:`PLACE_SECONDS`: somebody takes it over within seconds, and moving the session meanwhile would only cost
a second reset. A session that is no longer wanted stays until those that replace it are Established.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from flatbgp.planning.configuration import Configuration, Peer, Verdict
from flatbgp.planning.holdings import Holding
from flatbgp.planning.marks import age_key
from flatbgp.resources.bgppeer import BGPPeerSpec
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.reasons import Reason
from flatbgp.resources.secret import BASIC_AUTH, SecretSpec

PLACE_SECONDS: Final = 30.0
"""For how long an address without holder keeps its place in the choice."""

FIRST_CLAIM_SECONDS: Final = 5.0
"""The same for an address that nobody has held yet: at start-up all are claimed within that time, and a session
opened meanwhile from another one would be closed again."""


@dataclass(frozen=True, slots=True, order=True)
class SessionId:
    """A session by its ends: the router, our address, and the node that has the address."""

    peer_ip: str
    local_ip: str
    node: str

    @staticmethod
    def of(peer_ip: IPAddress, local_ip: IPAddress, node: str) -> "SessionId":
        """Return the identity for addresses."""
        return SessionId(str(peer_ip), str(local_ip), node)


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """One session that should be. ``node`` is "" while nobody holds ``local_ip``.

    ``waits`` is why it cannot be opened yet (its sentence in ``message``), ``None`` if it can. ``surplus`` means that
    it is no longer wanted and stays only until its replacement is Established.
    """

    peer: str
    node: str
    local_ip: IPAddress
    peer_ip: IPAddress
    spec: BGPPeerSpec
    waits: Reason | None = None
    message: str = ""
    surplus: bool = False

    @property
    def id(self) -> SessionId:
        """Its identity."""
        return SessionId.of(self.peer_ip, self.local_ip, self.node)


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """What becomes of one BGPPeer: its sessions, and the reason and sentence for its condition.

    ``wanted`` is how many sessions the peer should have; ``sessions`` may be fewer (a shortfall), or more while one
    replaces another.
    """

    peer: Peer
    selected: bool
    wanted: int
    sessions: tuple[PlannedSession, ...]
    reason: Reason
    message: str = ""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """All sessions, sorted by router and node, and the plan of each peer by name.

    ``recheck_after`` is when time alone changes the plan (seconds from now), ``None`` if it does not.
    """

    sessions: tuple[PlannedSession, ...] = ()
    peers: Mapping[str, PeerPlan] = field(default_factory=dict)
    recheck_after: float | None = None

    def of_node(self, node: str) -> tuple[PlannedSession, ...]:
        """Return the sessions that a node's speaker has to have."""
        return tuple(session for session in self.sessions if session.node == node)


def plan_sessions(
    config: Configuration,
    holdings: Sequence[Holding],
    established: Mapping[SessionId, str],
    secrets: Mapping[str, SecretSpec],
) -> SessionPlan:
    """Return the sessions that should be.

    ``established`` maps the sessions that are up to the names of their BGPPeers, as the BGPSession objects say.
    ``secrets`` are the Secrets of the one namespace that user-side BGPPeers look in, by name.
    """
    mode = config.mode.spec if config.mode else None
    selected = {peer.meta.name for peer, _ in config.peers if mode is not None and mode.selects(peer.meta.labels)}
    owners = _owners([(peer, spec) for peer, spec in config.peers if peer.meta.name in selected], established.values())
    plans: dict[str, PeerPlan] = {}
    for peer, spec in config.peers:
        name = peer.meta.name
        owner = owners.get(spec.peer_ip, name)
        if name not in selected:
            why = Verdict(Reason.NOT_SELECTED, _not_selected(config))
            plans[name] = PeerPlan(peer, False, spec.sessions, (), why.reason, why.message)
        elif owner != name:
            message = f"BGPPeer {owner} has the same peerIP {spec.peer_ip} and is used instead."
            plans[name] = PeerPlan(peer, True, spec.sessions, (), Reason.CONFLICTING, message)
        else:
            plans[name] = _plan_peer(peer, spec, holdings, established, secrets)
    sessions = sorted(
        (session for plan in plans.values() for session in plan.sessions),
        key=lambda session: (session.peer_ip.version, int(session.peer_ip), session.node, int(session.local_ip)),
    )
    return SessionPlan(tuple(sessions), plans, _recheck(holdings))


def _not_selected(config: Configuration) -> str:
    if config.mode is None:
        return "There is no FlatIPMode, so no BGPPeer is used."
    pairs = config.mode.spec.peer_selector if config.mode.spec else {}
    wanted = ", ".join(f"{key}={value}" for key, value in sorted(pairs.items()))
    return f"The peerSelector of FlatIPMode {config.mode.meta.name} ({wanted}) does not match this object's labels."


def _owners(peers: Iterable[tuple[Peer, BGPPeerSpec]], working: Collection[str]) -> Mapping[IPAddress, str]:
    """Return which BGPPeer has each router: one with a working session, else the oldest, else the first by name."""
    owners: dict[IPAddress, str] = {}
    names_working = set(working)
    for peer, spec in sorted(peers, key=lambda item: (item[0].meta.name not in names_working, *age_key(item[0].meta))):
        owners.setdefault(spec.peer_ip, peer.meta.name)
    return owners


def _recheck(holdings: Iterable[Holding]) -> float | None:
    left = [_place_left(holding) for holding in holdings if holding.vacant_for is not None]
    return min((seconds for seconds in left if seconds > 0), default=None)


def _place_left(holding: Holding) -> float:
    """Return for how many seconds more a vacant address keeps its place."""
    return (PLACE_SECONDS if holding.held_before else FIRST_CLAIM_SECONDS) - (holding.vacant_for or 0.0)


def _plan_peer(
    peer: Peer,
    spec: BGPPeerSpec,
    holdings: Sequence[Holding],
    established: Mapping[SessionId, str],
    secrets: Mapping[str, SecretSpec],
) -> PeerPlan:
    # A floating IP that is the router's own address is a mistake that a cluster's admission cannot see.
    usable = [h for h in holdings if h.address.version == spec.peer_ip.version and h.address != spec.peer_ip]
    usable.sort(key=lambda holding: holding.subnet is None or spec.peer_ip not in holding.subnet)
    up = {
        holding.address
        for holding in usable
        if SessionId.of(spec.peer_ip, holding.address, holding.holder) in established
    }
    chosen = _choose(spec.sessions, usable, up)
    surplus = _surplus(spec.sessions, chosen, usable, up)
    wait = _secret_wait(spec, secrets)
    sessions = [_session(peer, spec, holding, wait) for holding in chosen]
    sessions += [_session(peer, spec, holding, wait, surplus=True) for holding in surplus]
    reason, message = _peer_reason(spec, sessions, usable, wait)
    return PeerPlan(peer, True, spec.sessions, tuple(sessions), reason, message)


def _choose(wanted: int, usable: Sequence[Holding], up: Collection[IPAddress]) -> list[Holding]:
    """Return the addresses that get the peer's sessions, best first.

    Of several on one node it is the one whose session is up (changing it would be a reset for nothing), else the best.
    Addresses that have been vacant for long come last: they fill up, so that each missing session has its object.
    """
    best_of_node: dict[str, Holding] = {}
    for holding in usable:
        if holding.holder and (holding.holder not in best_of_node or holding.address in up):
            known = best_of_node.get(holding.holder)
            if known is None or known.address not in up:
                best_of_node[holding.holder] = holding
    lasting: list[Holding] = []
    vacant: list[Holding] = []
    placed: set[str] = set()
    for holding in usable:
        if not holding.holder:
            (lasting if _place_left(holding) > 0 else vacant).append(holding)
        elif holding.holder not in placed:
            placed.add(holding.holder)
            lasting.append(best_of_node[holding.holder])
    return [*lasting, *vacant][:wanted]


def _surplus(
    wanted: int, chosen: Sequence[Holding], usable: Sequence[Holding], up: Collection[IPAddress]
) -> list[Holding]:
    """Return the working sessions that stay although not chosen, until as many of the chosen ones are up."""
    missing = wanted - sum(1 for holding in chosen if holding.address in up)
    nodes = {holding.holder for holding in chosen}
    kept: list[Holding] = []
    for holding in usable:
        if len(kept) < missing and holding.address in up and holding not in chosen and holding.holder not in nodes:
            nodes.add(holding.holder)
            kept.append(holding)
    return kept


def _session(
    peer: Peer, spec: BGPPeerSpec, holding: Holding, wait: Verdict | None, *, surplus: bool = False
) -> PlannedSession:
    if not holding.holder:
        wait = Verdict(Reason.NO_GATEWAY, f"No node holds {holding.address}: {_vacancy(holding)}.")
    return PlannedSession(
        peer=peer.meta.name,
        node=holding.holder,
        local_ip=holding.address,
        peer_ip=spec.peer_ip,
        spec=spec,
        waits=wait.reason if wait else None,
        message=wait.message if wait else "",
        surplus=surplus,
    )


def _vacancy(holding: Holding) -> str:
    if not holding.held_before:
        return "no healthy gateway of its subnet has claimed it"
    if holding.node:
        return f"{holding.node} no longer renews its Lease and no other node of its subnet has taken it over"
    return "its last holder let it go and no other node of its subnet has taken it over"


def _secret_wait(spec: BGPPeerSpec, secrets: Mapping[str, SecretSpec]) -> Verdict | None:
    """Return why the password cannot be had; a session never starts without the one that it should have."""
    if spec.password_secret_ref is None:
        return None
    name = spec.password_secret_ref.name
    secret = secrets.get(name)
    if secret is None:
        problem = f"Secret {name} is not there"
    elif secret.type != BASIC_AUTH:
        problem = f"Secret {name} is of type {secret.type or 'Opaque'}, not {BASIC_AUTH}"
    elif secret.password is None or not secret.password.reveal():
        problem = f"Secret {name} has no key 'password', or an empty one"
    else:
        return None
    return Verdict(Reason.SECRET_MISSING, f"{problem}; the session waits for it.")


def _peer_reason(
    spec: BGPPeerSpec, sessions: Sequence[PlannedSession], usable: Sequence[Holding], wait: Verdict | None
) -> tuple[Reason, str]:
    possible = sum(1 for session in sessions if session.node and not session.surplus)
    if wait is not None:
        return wait.reason, wait.message
    if not possible:
        family = f"IPv{spec.peer_ip.version}"
        if not usable:
            return Reason.NO_GATEWAY, f"The NetworkGatewayGroup has no {family} floating IP for this {family} peer."
        return Reason.NO_GATEWAY, "; ".join(f"{holding.address}: {_vacancy(holding)}" for holding in usable) + "."
    if possible < spec.sessions:
        return Reason.INSUFFICIENT_FLOATING_IPS, _shortfall(spec, possible, usable)
    return Reason.READY, f"{possible} of {spec.sessions} sessions are planned."


def _shortfall(spec: BGPPeerSpec, possible: int, usable: Sequence[Holding]) -> str:
    where = [
        f"{holding.address} on {holding.holder}" if holding.holder else f"{holding.address} on no node"
        for holding in usable
    ]
    return (
        f"{possible} of {spec.sessions} sessions are possible: a session needs a floating IP of the peer's family, "
        f"each on another node; there are {', '.join(where)}."
    )
