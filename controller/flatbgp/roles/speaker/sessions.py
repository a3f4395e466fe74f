"""What this node's daemon should have, and what is said of its sessions: from the caches and the held addresses."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address

from flatbgp.engine.errors import EngineError
from flatbgp.engine.limits import check_path
from flatbgp.engine.model import (
    ExportAttributes,
    GracefulRestart,
    Neighbor,
    NeighborState,
    Path,
    SessionState,
)
from flatbgp.host.model import NextHop
from flatbgp.host.model import Route as Way
from flatbgp.planning.neighbors import NeighborSettings, neighbor_for
from flatbgp.planning.sessions import PlannedSession
from flatbgp.planning.sessionstate import Names, Observation, Wire, assess
from flatbgp.resources.bgpadvertisedroute import BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus
from flatbgp.resources.bgpsession import BGPSessionStatus
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SecretSpec
from flatbgp.roles.speaker.reports import Report
from flatbgp.roles.speaker.wire import Pair

IN_A_THREAD = 500
"""From so many routes on, to take them may last milliseconds."""

_UNKNOWN = Way("", None, NextHop.UNKNOWN)

Route = Resource[BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus]


@dataclass(slots=True)
class RouteTable:
    """The paths that the BGPAdvertisedRoute objects ask for, kept so that unchanged ones stay the same values.

    A route that is invalid is left out. Of two objects for one prefix the newer one counts: a node got another address,
    and the controller adds the new route before it deletes the old one.
    """

    paths: Mapping[IPNetwork, Path] = field(default_factory=dict)
    _routes: Mapping[Key, Route] = field(default_factory=dict)
    _path_of: dict[Key, Path] = field(default_factory=dict)
    _claims: dict[IPNetwork, tuple[Key, ...]] = field(default_factory=dict)

    async def take(self, routes: Mapping[Key, Route]) -> None:
        """Take the routes as they are now: many in a thread, since the loop that renews the addresses is this one."""
        if len(routes) < IN_A_THREAD:
            self.update(routes)
        else:
            await asyncio.to_thread(self.update, routes)

    def update(self, routes: Mapping[Key, Route]) -> None:
        """Take the objects as they are now; the time it takes grows with what changed, hardly with what is there."""
        before, self._routes = self._routes, dict(routes)
        changed = [key for key, route in routes.items() if before.get(key) is not route]
        changed += [key for key in before if key not in routes]
        if not changed:
            return
        touched: set[IPNetwork] = set()
        for key in changed:
            route = routes.get(key)
            old, new = self._path_of.pop(key, None), _path(route) if route is not None else None
            if old is not None:
                self._claims[old.prefix] = tuple(each for each in self._claims[old.prefix] if each != key)
                touched.add(old.prefix)
            if new is not None:
                self._path_of[key] = old if old is not None and old == new else new
                self._claims[new.prefix] = (*self._claims.get(new.prefix, ()), key)
                touched.add(new.prefix)
        paths = dict(self.paths)  # whoever plans from the old ones keeps them
        for prefix in touched:
            claimants = self._claims[prefix]
            if claimants:
                paths[prefix] = self._path_of[max(claimants, key=lambda key: _age(routes[key]))]
            else:
                del self._claims[prefix]
                paths.pop(prefix, None)
        self.paths = paths


def _age(route: Route) -> tuple[datetime, Key]:
    return route.meta.creation_timestamp or datetime.min.replace(tzinfo=UTC), route.key


def _path(route: Route) -> Path | None:
    if route.spec is None or route.meta.deleting:
        return None
    path = Path(route.spec.prefix, route.spec.next_hop)
    try:
        check_path(path)
    except EngineError:
        return None  # the controller never writes one; somebody's own object must not stop the others
    return path


def router_id(node_address: IPAddress | None, node: str) -> IPv4Address:
    """Return the BGP identifier: the node's IPv4 address, or a hash of its name if it has none.

    The hash is drawn from 240.0.0.0/4, which no router has as an address (RFC 6286 asks only for uniqueness in the AS).
    """
    if isinstance(node_address, IPv4Address):
        return node_address
    return IPv4Address(0xF0000000 | int.from_bytes(sha256(node.encode()).digest()[:4], "big") >> 4)


def neighbors(
    sessions: Iterable[PlannedSession], secrets: Mapping[str, SecretSpec], held: frozenset[IPAddress]
) -> Mapping[IPAddress, Neighbor]:
    """Return the neighbours for the sessions that do not wait and whose address this node really holds."""
    result = {}
    for session in sessions:
        if session.waits is None and session.local_ip in held:
            reference = session.spec.password_secret_ref
            password = secrets[reference.name].password if reference is not None else None
            result[session.peer_ip] = _neighbor(neighbor_for(session, password))
    return result


def _neighbor(settings: NeighborSettings) -> Neighbor:
    restart = settings.restart_time
    return Neighbor(
        address=settings.address,
        local_address=settings.local_address,
        local_asn=settings.local_asn,
        peer_asn=settings.peer_asn,
        hold_time=settings.hold_time,
        keepalive=settings.keepalive,
        connect_retry=settings.connect_retry,
        multihop=settings.multihop,
        password=settings.password,
        graceful_restart=GracefulRestart(restart, settings.deferral_time) if restart is not None else None,
        prefix_limit=settings.prefix_limit,
        export=ExportAttributes(
            communities=settings.communities,
            large_communities=settings.large_communities,
            med=settings.med,
            local_pref=settings.local_pref,
        ),
    )


@dataclass(frozen=True, slots=True)
class Sight:
    """What the shell knows of all sessions at one moment; ``ways`` are the routes to the peers of held addresses."""

    states: Mapping[IPAddress, NeighborState]
    engine_error: str
    wire: Callable[[IPAddress, IPAddress], Wire]
    ways: Mapping[Pair, Way | None]
    wanted_families: frozenset[Family]


def report(
    session: PlannedSession, before: BGPSessionStatus | None, sight: Sight, now: float, wall: datetime
) -> Report:
    """Return what is to be said of a session; ``before`` is what was said last, also by an earlier process."""
    spec = session.spec
    state = sight.states.get(session.peer_ip)
    if state is not None and state.local_address not in (None, session.local_ip):
        state = None  # the session with that router from another address, which is on its way out
    up = state is not None and state.state is SessionState.ESTABLISHED and not sight.engine_error
    way = sight.ways.get((session.local_ip, session.peer_ip), _UNKNOWN)
    seen = Observation(
        established=up if state is not None else None,
        wire=sight.wire(session.local_ip, session.peer_ip),
        waits=session.waits,
        waits_message=session.message,
        engine_error=sight.engine_error,
        has_password=spec.password_secret_ref is not None,
        has_route=way is not None,
        next_hop_answers=way is None or way.next_hop is not NextHop.UNRESOLVED,
        single_hop=not spec.ebgp_multihop and not spec.internal,
        prefix_limit_exceeded=state is not None and state.prefix_limit_exceeded,
        families={
            family: (counts.advertised, counts.received)
            for family, counts in (state.families if state is not None else {}).items()
            if counts.negotiated
        },
        wanted_families=sight.wanted_families,
    )
    names = Names(
        peer=session.peer,
        peer_ip=str(session.peer_ip),
        local_ip=str(session.local_ip),
        node=session.node,
        local_asn=spec.local_asn,
        peer_asn=spec.peer_asn,
    )
    return Report(session, assess(before, seen, names, now, wall))
