"""What this node's daemon should have: from the sessions that are planned, the routes, and the held addresses."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import IPv4Address

from flatbgp.engine.errors import EngineError
from flatbgp.engine.limits import check_path
from flatbgp.engine.model import ExportAttributes, GracefulRestart, Neighbor, Path
from flatbgp.planning.neighbors import NeighborSettings, neighbor_for
from flatbgp.planning.sessions import PlannedSession
from flatbgp.resources.bgpadvertisedroute import BGPAdvertisedRouteSpec, BGPAdvertisedRouteStatus
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SecretSpec

IN_A_THREAD = 500
"""From so many routes on, to take them may last milliseconds."""

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


def marker_of(identity: str, node: str) -> str:
    """Return the marker of a node's daemon: the identity of the store that it is filled from, and the node."""
    return f"flatbgp-{identity}-{node}"


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
