"""What the controller reads, and which changes wake which of its loops.

Most changes in a cluster concern nobody: a kubelet's heartbeat, a Lease renewed, a session reported once more. They are
taken note of here and wake no loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatbgp.planning.configuration import last_good
from flatbgp.planning.configured import Configured, configured
from flatbgp.planning.holdings import LeaseResource, lease_address
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.routes import Route
from flatbgp.planning.sessionwatch import Session
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE, NodeSpec, NodeStatus
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET, SecretSpec, SecretStatus
from flatbgp.store.cache import Cache, CacheSet, Delta


@dataclass(slots=True)
class ControllerCaches:
    """The caches; ``nodes_changed`` wakes the loop of pod CIDRs and routes, ``state_changed`` that of statuses."""

    caches: CacheSet
    secret_namespace: str
    nodes_changed: Callable[[], None]
    state_changed: Callable[[], None]
    _good: dict[str, Mapping[Key, Resource[Any, Any]]] = field(default_factory=dict)
    _appeared: dict[str, tuple[IPNetwork, ...]] = field(default_factory=dict)
    _nodes: Cache[Any, Any] = field(init=False)
    _routes: Cache[Any, Any] = field(init=False)
    _leases: Cache[Any, Any] = field(init=False)
    _sessions: Cache[Any, Any] = field(init=False)
    _secrets: Cache[Any, Any] = field(init=False)
    _clusters: Cache[Any, Any] = field(init=False)
    _modes: Cache[Any, Any] = field(init=False)
    _groups: Cache[Any, Any] = field(init=False)
    _peers: Cache[Any, Any] = field(init=False)
    _ranges: Cache[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        start = self.caches.start
        self._nodes = start(NODE)
        self._routes = start(BGP_ADVERTISED_ROUTE, USER_NAMESPACE)
        self._leases = start(LEASE, NAMESPACE)
        self._sessions = start(BGP_SESSION, USER_NAMESPACE)
        self._secrets = start(SECRET, self.secret_namespace)
        self._clusters = start(CLUSTER, optional=True)  # a kind of the admin cluster, which may be another one
        self._modes = start(FLAT_IP_MODE)
        self._groups = start(NETWORK_GATEWAY_GROUP, USER_NAMESPACE)
        self._peers = start(BGP_PEER, USER_NAMESPACE)
        self._ranges = start(CLUSTER_CIDR_CONFIG)
        self._nodes.subscribe(self._note_pod_cidrs)
        self._nodes.subscribe(self._on(_node_moved, self.nodes_changed, self.state_changed))
        self._routes.subscribe(self._on(_anything, self.nodes_changed))
        self._leases.subscribe(self._on(_holding_moved, self.state_changed))
        self._sessions.subscribe(self._on(_session_moved, self.state_changed))
        self._secrets.subscribe(self._on(_anything, self.state_changed))
        for cache in (self._clusters, self._modes, self._groups, self._peers, self._ranges):
            cache.subscribe(self._on(_anything, self.nodes_changed, self.state_changed))

    @staticmethod
    def _on(
        matters: Callable[[Delta[Any, Any]], bool], *wake: Callable[[], None]
    ) -> Callable[[Sequence[Delta[Any, Any]]], None]:
        def changed(deltas: Sequence[Delta[Any, Any]]) -> None:
            if not deltas or any(map(matters, deltas)):
                for each in wake:
                    each()

        return changed

    def _note_pod_cidrs(self, deltas: Sequence[Delta[NodeSpec, NodeStatus]]) -> None:
        for delta in deltas:
            before, after = delta.before, delta.after
            if before is None or before.spec is None or before.spec.pod_cidrs or after is None or after.spec is None:
                continue
            if after.spec.pod_cidrs and after.meta.uid == before.meta.uid:
                self._appeared[after.meta.name] = after.spec.pod_cidrs

    def take_appeared(self) -> Mapping[str, tuple[IPNetwork, ...]]:
        """Return the pod CIDRs that Nodes without any were seen to get since the last call, by the Nodes' names."""
        appeared, self._appeared = self._appeared, {}
        return appeared

    async def wait_synced(self) -> None:
        """Return when everything has been listed once: nothing is planned from half of it."""
        await self.caches.wait_synced()

    @property
    def stale(self) -> bool:
        """Whether the store cannot be read at the moment, so that reports and renewals cannot be seen."""
        return self.caches.stale_since is not None

    @property
    def nodes(self) -> Mapping[Key, Node]:
        """The Nodes."""
        return self._nodes.items

    @property
    def routes(self) -> Mapping[Key, Route]:
        """The BGPAdvertisedRoutes."""
        return self._routes.items

    @property
    def leases(self) -> Sequence[LeaseResource]:
        """The Leases."""
        return tuple(self._leases.items.values())

    @property
    def sessions(self) -> Sequence[Session]:
        """The BGPSessions."""
        return tuple(self._sessions.items.values())

    @property
    def secrets(self) -> Mapping[str, Resource[SecretSpec, SecretStatus]]:
        """The Secrets of the namespace that BGPPeers look in, by name."""
        return {key.name: secret for key, secret in self._secrets.items.items()}

    def configured(self) -> Configured:
        """Return the configuration, with the last good spec of each object that is invalid now."""
        return configured(
            self._last_good("mode", self._modes),
            self._last_good("group", self._groups),
            self._last_good("peer", self._peers),
            self._last_good("range", self._ranges),
            tuple(self._clusters.items.values()),
        )

    def _last_good(self, name: str, cache: Cache[Any, Any]) -> Sequence[Resource[Any, Any]]:
        self._good[name] = last_good(self._good.get(name, {}), cache.items.values())
        return tuple(self._good[name].values())


def _anything(_: Delta[Any, Any]) -> bool:
    return True


def _node_moved(delta: Delta[Any, Any]) -> bool:
    """Return whether a Node changed in what matters: a kubelet's heartbeat does not."""
    before, after = delta.before, delta.after
    if before is None or after is None:
        return True
    waits = after.spec is None or not after.spec.pod_cidrs
    return (
        before.spec != after.spec
        or before.status != after.status
        or before.meta.deleting != after.meta.deleting
        or before.meta.uid != after.meta.uid
        or (waits and before.meta.labels != after.meta.labels)
    )


def _holding_moved(delta: Delta[Any, Any]) -> bool:
    """Return whether a Lease of a floating IP changed in more than its renewal."""
    leases = [lease for lease in (delta.before, delta.after) if lease is not None]
    if not any(lease_address(lease) is not None for lease in leases):
        return False
    if len(leases) < 2:
        return True
    before, after = leases
    return (before.spec.holder_identity if before.spec else "", before.meta.annotations) != (
        after.spec.holder_identity if after.spec else "",
        after.meta.annotations,
    )


def _session_moved(delta: Delta[Any, Any]) -> bool:
    """Return whether a BGPSession changed in more than counters and the time of the report."""
    before, after = delta.before, delta.after
    if before is None or after is None:
        return True
    told = [
        (
            session.spec,
            session.status and (session.status.state, session.status.reason, session.status.last_report is None),
        )
        for session in (before, after)
    ]
    return bool(told[0] != told[1])
