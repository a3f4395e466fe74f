"""What a node's daemon should have, and which object is the cause of each part: the plan, for a person.

The speaker decides the same from its caches (:mod:`.speaker`); here it is decided once, from all objects of a store or
of some manifests, by the same planners.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flatbgp.engine.model import Desired, Path
from flatbgp.planning.configuration import configuration
from flatbgp.planning.future import Future, Objects, future_of
from flatbgp.planning.holdings import Holding, holdings, observe
from flatbgp.planning.sessions import PlannedSession, SessionPlan, plan_sessions
from flatbgp.planning.sessionwatch import established_of
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION, BGPSessionStatus
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.lease import LEASE
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE, address_of
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET, SecretSpec
from flatbgp.roles.speaker.sessions import RouteTable, marker_of, neighbors, router_id
from flatbgp.store.protocol import Store

AnyResource = Resource[Any, Any]


@dataclass(frozen=True, slots=True)
class Expected:
    """The plan for one node's daemon, and its causes.

    ``holders`` are the nodes that hold the floating IPs of the group now ("": nobody). ``sessions`` are the node's own,
    also those that wait. ``routes`` are what asks for each prefix, as words. ``reports`` are the last reports on the
    node's sessions, by router and local address.
    """

    node: str
    desired: Desired
    holders: Mapping[IPAddress, str]
    sessions: tuple[PlannedSession, ...]
    plan: SessionPlan
    routes: Mapping[IPNetwork, str]
    reports: Mapping[tuple[IPAddress, IPAddress], BGPSessionStatus] = field(default_factory=dict)

    @property
    def held(self) -> frozenset[IPAddress]:
        """The floating IPs of this node."""
        return frozenset(address for address, node in self.holders.items() if node == self.node)


_IN_THE_USER_NAMESPACE: Final[tuple[AnyKind, ...]] = (
    NETWORK_GATEWAY_GROUP,
    BGP_PEER,
    BGP_ADVERTISED_ROUTE,
    BGP_SESSION,
    LEASE,
)


async def read_by_a_speaker(store: Store, node: str, secret_namespace: str) -> tuple[AnyResource, ...]:
    """Return the objects that a node's speaker decides from: no more than its own rights on a cluster allow to read."""
    found: list[AnyResource] = list((await store.list(FLAT_IP_MODE)).items)
    for kind in _IN_THE_USER_NAMESPACE:
        found += (await store.list(kind, USER_NAMESPACE)).items
    found += (await store.list(SECRET, secret_namespace)).items
    own = await store.get(NODE, node)
    return (*found, *((own,) if own is not None else ()))


def expected_of_store(resources: Iterable[AnyResource], node: str, identity: str, secret_namespace: str) -> Expected:
    """Return what a node's daemon should have now, from the objects of the user cluster's store.

    ``identity`` is the store's. A Lease is taken as it stands: whom it names, holds.
    """
    objects = Objects(resources)
    config = configuration(
        tuple(objects.of(FLAT_IP_MODE).values()),
        tuple(objects.of(NETWORK_GATEWAY_GROUP, USER_NAMESPACE).values()),
        tuple(objects.of(BGP_PEER, USER_NAMESPACE).values()),
    )
    held = holdings(config.floating_ips, observe({}, objects.of(LEASE).values(), 0.0), 0.0, 0.0)
    secrets = {
        key.name: secret.spec for key, secret in objects.of(SECRET, secret_namespace).items() if secret.spec is not None
    }
    sessions = objects.of(BGP_SESSION, USER_NAMESPACE)
    plan = plan_sessions(config, held, established_of(sessions.values()), secrets)
    table = RouteTable()
    routes = objects.of(BGP_ADVERTISED_ROUTE, USER_NAMESPACE)
    table.update(routes)
    causes = {
        route.spec.prefix: f"BGPAdvertisedRoute {key.name} (Node {route.spec.node_name})"
        for key, route in routes.items()
        if route.spec is not None and table.paths.get(route.spec.prefix) == Path(route.spec.prefix, route.spec.next_hop)
    }
    reports = {
        (session.spec.peer_ip, session.spec.local_ip): session.status
        for session in sessions.values()
        if session.spec is not None and session.spec.node_name == node and session.status is not None
    }
    return _expected(
        node,
        marker=marker_of(identity, node),
        objects=objects,
        held=held,
        plan=plan,
        secrets=secrets,
        paths=table.paths,
        causes=causes,
        reports=reports,
    )


def expected_of_manifests(resources: Iterable[AnyResource], node: str, secret_namespace: str) -> Expected:
    """Return what a node's daemon will have once these objects are applied and the roles have done their work."""
    resources = tuple(resources)
    future: Future = future_of(resources, secret_namespace)
    paths = {spec.prefix: Path(spec.prefix, spec.next_hop) for spec in future.routes.values()}
    causes = {spec.prefix: f"the pod CIDR of Node {spec.node_name}" for spec in future.routes.values()}
    return _expected(
        node,
        marker=marker_of("store", node),  # a store's own identity takes the place of the word
        objects=Objects(resources),
        held=future.holdings,
        plan=future.sessions,
        secrets=future.secrets,
        paths=paths,
        causes=causes,
        reports={},
    )


def _expected(
    node: str,
    *,
    marker: str,
    objects: Objects,
    held: Iterable[Holding],
    plan: SessionPlan,
    secrets: Mapping[str, SecretSpec],
    paths: Mapping[IPNetwork, Path],
    causes: Mapping[IPNetwork, str],
    reports: Mapping[tuple[IPAddress, IPAddress], BGPSessionStatus],
) -> Expected:
    holders = {holding.address: holding.holder for holding in held}
    ours = frozenset(address for address, holder in holders.items() if holder == node)
    mine = plan.of_node(node)
    known = objects.of(NODE).get(Key("", node))
    desired = Desired(
        router_id=router_id(address_of(known.status, Family.IPV4) if known is not None else None, node),
        marker=marker,
        neighbors=neighbors(mine, secrets, ours),
        paths=paths if ours else {},
    )
    return Expected(node, desired, holders, mine, plan, causes, reports)
