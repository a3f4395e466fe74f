"""Where a cluster is heading: what the roles will have made of these objects when they are done.

The same planners as in the roles, fed with their own results: the mirror copies, Nodes get blocks, blocks get routes,
peers get sessions. Leases are taken as they stand: a holder holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flatbgp.planning.configuration import Configuration
from flatbgp.planning.configured import configured
from flatbgp.planning.holdings import Holding, holdings, observe
from flatbgp.planning.mirror import SOURCES, TARGETS, Create, Delete, Places, Recreate, Update, plan_mirror
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.nodes import Given, NodePlan, NodePlanner
from flatbgp.planning.podcidrs import Assignment
from flatbgp.planning.routes import announcing
from flatbgp.planning.sessions import SessionPlan, plan_sessions
from flatbgp.planning.sessionwatch import established_of
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE, BGPAdvertisedRouteSpec
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.lease import LEASE
from flatbgp.resources.mergepatch import merged
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET, SecretSpec

AnyResource = Resource[Any, Any]


class Objects:
    """All objects of a store at one moment, by kind and key."""

    def __init__(self, resources: Iterable[AnyResource]) -> None:
        self._by_kind: dict[str, dict[Key, AnyResource]] = {}
        for resource in resources:
            self._by_kind.setdefault(resource.kind.full_name, {})[resource.key] = resource

    def of(self, kind: Kind[S, T], namespace: str | None = None) -> Mapping[Key, Resource[S, T]]:
        """Return the objects of a kind, of one namespace or all."""
        found = self._by_kind.get(kind.full_name, {})
        if namespace is None:
            return dict(found)
        return {key: resource for key, resource in found.items() if key.namespace == namespace}

    def everything(self) -> Iterable[AnyResource]:
        """Yield all objects, sorted by kind and key."""
        for name in sorted(self._by_kind):
            yield from (self._by_kind[name][key] for key in sorted(self._by_kind[name]))

    def put(self, resource: AnyResource) -> None:
        """Set the state of an object."""
        self._by_kind.setdefault(resource.kind.full_name, {})[resource.key] = resource

    def drop(self, kind: Kind[Any, Any], key: Key) -> None:
        """Take an object away."""
        self._by_kind.get(kind.full_name, {}).pop(key, None)


@dataclass(frozen=True, slots=True)
class Future:
    """The end of the way. ``routes`` are by prefix; ``assignments`` are the Nodes that are still to get pod CIDRs."""

    config: Configuration
    sessions: SessionPlan
    holdings: Sequence[Holding]
    routes: Mapping[str, BGPAdvertisedRouteSpec]
    assignments: Sequence[Assignment]
    nodes: NodePlan
    secrets: Mapping[str, SecretSpec]


def future_of(resources: Iterable[AnyResource], secret_namespace: str) -> Future:
    """Return where these objects lead."""
    objects = Objects(resources)
    _mirror(objects, secret_namespace)
    everything = configured(
        tuple(objects.of(FLAT_IP_MODE).values()),
        tuple(objects.of(NETWORK_GATEWAY_GROUP, USER_NAMESPACE).values()),
        tuple(objects.of(BGP_PEER, USER_NAMESPACE).values()),
        tuple(objects.of(CLUSTER_CIDR_CONFIG).values()),
        objects.of(CLUSTER).values(),
    )
    config, routes = everything.config, objects.of(BGP_ADVERTISED_ROUTE, USER_NAMESPACE)
    given = Given(
        nodes=tuple(objects.of(NODE).values()),
        configs=everything.ranges,
        routes=routes,
        announcing=announcing(config, everything.facts.flat_ipv4, routes.values()),
        reserved=everything.reserved(),
        mirrored=everything.mirrored,
    )
    first = NodePlanner().plan(given)
    assigned = {node.meta.name: assignment for node, assignment in first.assign}
    last = NodePlanner().plan(replace(given, nodes=[_with_blocks(node, assigned) for node in given.nodes], routes={}))
    held = _on_known_subnets(holdings(config.floating_ips, observe({}, objects.of(LEASE).values(), 0.0), 0.0, 0.0))
    secrets = {
        key.name: secret.spec for key, secret in objects.of(SECRET, secret_namespace).items() if secret.spec is not None
    }
    return Future(
        config=config,
        sessions=plan_sessions(config, held, established_of(objects.of(BGP_SESSION).values()), secrets),
        holdings=held,
        routes={str(spec.prefix): spec for _, spec in last.routes.create},
        assignments=tuple(assigned[name] for name in sorted(assigned)),
        nodes=replace(last, short=first.short),
        secrets=secrets,
    )


def _on_known_subnets(held: Sequence[Holding]) -> Sequence[Holding]:
    """Return the holdings, those that nobody ever held with the subnet that another one's holder told, if it is in it.

    Only a node of it knows a subnet.
    """
    known = [holding.subnet for holding in held if holding.subnet is not None]
    return tuple(
        replace(each, subnet=each.subnet or next((subnet for subnet in known if each.address in subnet), None))
        for each in held
    )


def _with_blocks(node: Node, assigned: Mapping[str, Assignment]) -> Node:
    assignment = assigned.get(node.meta.name)
    if assignment is None or node.spec is None:
        return node
    return replace(node, spec=replace(node.spec, pod_cidrs=assignment.pod_cidrs))


def _mirror(objects: Objects, secret_namespace: str) -> None:
    """Let the mirror do its work, for each cluster namespace that has sources here.

    In a view without a FlatIPMode among the sources (some manifests, and a user cluster's store) it only adds: the rest
    of the sources is elsewhere.
    """
    namespaces = {key.namespace for key in (*objects.of(CLUSTER), *objects.of(ADMIN_FLAT_IP_MODE))} - {USER_NAMESPACE}
    for namespace in sorted(namespaces):
        complete = bool(objects.of(ADMIN_FLAT_IP_MODE, namespace))
        sources = {kind.full_name: tuple(objects.of(kind, namespace).values()) for kind in SOURCES}
        targets = {kind.full_name: tuple(objects.of(kind).values()) for _, kind in TARGETS}
        for action in plan_mirror(sources, targets, Places(namespace, secret_namespace, same_store=True)).actions:
            match action:
                case Create() | Recreate():
                    objects.put(decode(action.kind, dict(action.document)))
                case Update():
                    known = objects.of(action.kind)[action.key]
                    objects.put(decode(action.kind, merged(known.document, action.patch)))
                case Delete() if complete:
                    objects.drop(action.kind, action.key)
                case Delete():
                    pass
