"""The difference between what a node's daemon should have and what it has, a sentence each, with the cause. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from flatbgp.engine.diff import changes
from flatbgp.engine.model import Neighbor, NeighborState, Observed, Path, SessionState
from flatbgp.planning.costs import words_of
from flatbgp.planning.phrases import all_of
from flatbgp.planning.sessions import PlannedSession
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.roles.speaker.expected import Expected

NAMED_ONE_BY_ONE: Final = 50
"""Beyond so many routes of one kind of difference, the rest is counted."""


_POLICY_CURE: Final = (
    "the policy is flatbgp's own, it keeps routes from passing between routers, and somebody else changed it. Restart "
    "gobgpd, so that it is filled anew."
)


class Kind(StrEnum):
    """What is different. WAITING is no fault of the daemon: a session that is planned, but not to be opened yet."""

    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"
    NOT_ESTABLISHED = "not established"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: what it is about ("daemon", "session", "route", "policy"), and a sentence."""

    kind: Kind
    about: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.kind.capitalize()}: {self.sentence}"


def differences(
    expected: Expected,
    observed: Observed,
    states: Mapping[IPAddress, NeighborState],
    policy_faults: Iterable[str] = (),
) -> tuple[Difference, ...]:
    """Return all differences: the daemon itself, sessions, routes, and its policy. Deterministic.

    ``policy_faults`` are what an engine finds changed in a policy that it made.
    """
    daemon = tuple(_daemon(expected, observed))
    if daemon or not observed.info.started:
        return daemon
    return (
        *_sessions(expected, observed, states),
        *_routes(expected, observed),
        *(Difference(Kind.DIFFERENT, "policy", f"{fault}: {_POLICY_CURE}") for fault in policy_faults),
    )


def _daemon(expected: Expected, observed: Observed) -> Iterator[Difference]:
    """Yield what makes every other comparison idle: a daemon that is empty, or not this node's."""
    info, desired = observed.info, expected.desired
    if not info.started:
        if desired.neighbors or desired.paths:
            held = all_of(sorted(map(str, expected.held)))
            yield Difference(
                Kind.MISSING,
                "daemon",
                f"BGP is not started in this gobgpd, but {expected.node} holds {held}: {_counted(desired.neighbors)} "
                f"and {len(desired.paths)} routes should be there. Is the speaker of {expected.node} running?",
            )
    elif info.marker != desired.marker:
        whose = "was started by something else than flatbgp" if info.marker is None else f"belongs to {info.marker}"
        yield Difference(
            Kind.DIFFERENT,
            "daemon",
            f"This gobgpd {whose}, and should belong to {desired.marker}: the speaker changes nothing in it. Restart "
            "gobgpd, so that it comes up empty.",
        )


def _counted(neighbors: Mapping[IPAddress, Neighbor]) -> str:
    return f"{len(neighbors)} session{'' if len(neighbors) == 1 else 's'}"


def _sessions(
    expected: Expected, observed: Observed, states: Mapping[IPAddress, NeighborState]
) -> Iterator[Difference]:
    wanted, there = expected.desired.neighbors, observed.neighbors
    sessions = {session.peer_ip: session for session in expected.sessions}
    for address, session in sorted(sessions.items(), key=_in_order):
        if session.waits is not None:
            yield Difference(Kind.WAITING, "session", f"The session {_ends(session)} waits: {session.message}")
        elif address not in wanted:
            continue
        elif address not in there:
            yield Difference(Kind.MISSING, "session", f"The session {_ends(session)}: {_why(session)}.")
        else:
            yield from _settings(session, wanted[address], observed)
            yield from _state(session, states.get(address), expected)
    for address in sorted(there.keys() - wanted.keys(), key=lambda each: (each.version, int(each))):
        local = there[address].settings.local_address
        yield Difference(
            Kind.EXTRA, "session", f"The session with {address} from {local}: {_why_not(address, local, expected)}."
        )


def _in_order(item: tuple[IPAddress, Any]) -> tuple[int, int]:
    return item[0].version, int(item[0])


def _ends(session: PlannedSession) -> str:
    spec = session.spec
    return f"with {session.peer_ip} (AS{spec.peer_asn}) from {session.local_ip} (AS{spec.local_asn})"


def _why(session: PlannedSession) -> str:
    return f"BGPPeer {session.peer} asks for it, and {session.node} holds {session.local_ip} by its Lease"


def _why_not(peer: IPAddress, local: IPAddress, expected: Expected) -> str:
    """Return why a session that the daemon has is not in the plan."""
    plans = [plan for plan in expected.plan.peers.values() if plan.peer.spec and plan.peer.spec.peer_ip == peer]
    if not plans:
        return f"no BGPPeer has the peerIP {peer}"
    used = [plan for plan in plans if plan.sessions]
    if not used:
        plan = plans[0]
        return f"BGPPeer {plan.peer.meta.name} gets no session: {plan.message.rstrip('.')}"
    if local not in expected.holders:
        return f"{local} is not among the floatingIPs of the NetworkGatewayGroup"
    holder = expected.holders[local]
    if holder != expected.node:
        return f"{expected.node} does not hold {local}; {f'{holder} does' if holder else 'nobody does'}, by its Lease"
    others = all_of([str(session.local_ip) for session in used[0].sessions])
    return f"BGPPeer {used[0].peer.meta.name} has its sessions from {others}"


_FIELDS: Final[Mapping[str, str]] = {
    "local_asn": "spec.localASN",
    "peer_asn": "spec.peerASN",
    "hold_time": "spec.timers",
    "keepalive": "spec.timers",
    "connect_retry": "spec.timers",
    "multihop": "spec.ebgpMultihop",
    "password": "spec.passwordSecretRef",
    "graceful_restart": "spec.gracefulRestart",
    "prefix_limit": "spec.prefixLimit",
    "export": "spec.communities, largeCommunities, med and localPref",
}
"""Which field of the BGPPeer decides each setting of a session."""


def _settings(session: PlannedSession, wanted: Neighbor, observed: Observed) -> Iterator[Difference]:
    there = observed.neighbors[wanted.address]
    if there.settings.local_address != wanted.local_address:
        yield Difference(
            Kind.DIFFERENT,
            "session",
            f"The session {_ends(session)} goes out from {there.settings.local_address}: {_why(session)}.",
        )
    for name in changes(wanted, there):
        words, source = words_of(name), _FIELDS[name]
        if name == "password":
            values = "gobgpd has another one than the Secret" if there.password and wanted.password else "is missing"
            if there.password and not wanted.password:
                values = "gobgpd has one, and there should be none"
            yield _setting(session, words, values, source)
            continue
        has, should = (getattr(each.effective(), name) for each in (there.settings, wanted))
        yield _setting(session, words, f"gobgpd has {_value(has)}, and it should be {_value(should)}", source)


def _setting(session: PlannedSession, words: str, values: str, source: str) -> Difference:
    return Difference(
        Kind.DIFFERENT,
        "session",
        f"The {words} of the session {_ends(session)}: {values} (BGPPeer {session.peer}, {source}).",
    )


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _state(session: PlannedSession, state: NeighborState | None, expected: Expected) -> Iterator[Difference]:
    """Yield why a session that is configured as planned is not up, as the speaker last reported it."""
    if state is None or state.state is SessionState.ESTABLISHED:
        return
    report = expected.reports.get((session.peer_ip, session.local_ip))
    why = f"{report.reason}: {report.message}" if report is not None and report.reason is not None else ""
    yield Difference(
        Kind.NOT_ESTABLISHED,
        "session",
        f"The session {_ends(session)} is configured as planned, and {state.state}. "
        f"{why or 'Its BGPSession says no reason yet.'}",
    )


def _routes(expected: Expected, observed: Observed) -> Iterator[Difference]:
    wanted, there = expected.desired.paths, observed.paths
    nothing = "" if expected.held else f"{expected.node} holds no floating IP, so its gobgpd announces nothing"
    missing = [path for prefix, path in wanted.items() if prefix not in there]
    extra = [path for prefix, path in there.items() if prefix not in wanted]
    other = [path for prefix, path in wanted.items() if prefix in there and there[prefix] != path]
    held_back = [path for prefix, path in wanted.items() if prefix in observed.unreached]

    def cause(prefix: IPNetwork) -> str:
        return expected.routes.get(prefix, "the plan")

    yield from _each(
        Kind.MISSING,
        missing,
        lambda path: f"Route {path.prefix} via {path.next_hop}: {cause(path.prefix)} asks for it.",
    )
    yield from _each(
        Kind.EXTRA,
        extra,
        lambda path: f"Route {path.prefix} via {path.next_hop}: {nothing or 'no BGPAdvertisedRoute asks for it'}.",
    )
    yield from _each(
        Kind.DIFFERENT,
        other,
        lambda path: (
            f"Route {path.prefix} goes via {there[path.prefix].next_hop}, and should go via {path.next_hop}: "
            f"{cause(path.prefix)} says so."
        ),
    )
    yield from _each(
        Kind.MISSING,
        held_back,
        lambda path: (
            f"Route {path.prefix} via {path.next_hop} is in gobgpd, but kept from a router that has a session: the "
            f"removal of that session was interrupted. {cause(path.prefix)} asks for it."
        ),
    )


def _each(kind: Kind, paths: Iterable[Path], words: Any) -> Iterator[Difference]:
    ordered = sorted(paths, key=lambda path: (path.prefix.version, path.prefix))
    for path in ordered[:NAMED_ONE_BY_ONE]:
        yield Difference(kind, "route", words(path))
    if (more := len(ordered) - NAMED_ONE_BY_ONE) > 0:
        yield Difference(kind, "route", f"And {more} more routes.")
