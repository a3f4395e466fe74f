"""What a speaker reads of the store: two kinds always, the others only while it holds or wants an address.

Five thousand idle speakers thus cost the API server two watches each, of objects that hardly ever change. While an
address is only wanted the others are listed once; they are watched from the claim on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatbgp.planning.configuration import Configuration, configuration, last_good
from flatbgp.planning.drain import is_draining
from flatbgp.planning.gateway import events
from flatbgp.planning.gateway.records import read_lease, same_but_renewed
from flatbgp.planning.holdings import LeaseResource, lease_address
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.lease import FLOATING_IPS, LEASE, NAMESPACE
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE, NodeSpec, NodeStatus, addresses_of
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET, SecretSpec
from flatbgp.store.cache import Cache, CacheSet, Delta

Node = Resource[NodeSpec, NodeStatus]
Post = Callable[[events.Event], None]


@dataclass(slots=True)
class Caches:
    """The caches of one speaker; ``post`` tells the gateway, ``changed`` the planner.

    ``leases_seen`` is called at every change of a Lease, with whether it was more than a renewal: renewals come every
    second from every holder, and change no plan.
    """

    node: str
    secret_namespace: str
    group: CacheSet
    post: Post
    changed: Callable[[], None]
    leases_seen: Callable[[bool], None]
    routes_changed: Callable[[], None]
    _good: dict[str, Mapping[Key, Resource[Any, Any]]] = field(default_factory=dict)
    _full: dict[str, Cache[Any, Any]] = field(default_factory=dict)
    _addresses: dict[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    _others: tuple[IPAddress, ...] | None = None
    _told: dict[type, events.Event] = field(default_factory=dict)
    _groups: Cache[Any, Any] = field(init=False)
    _leases: Cache[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._leases = self.group.start(LEASE, NAMESPACE, FLOATING_IPS)
        self._leases.subscribe(self._leases_changed)
        self._groups = self.group.start(NETWORK_GATEWAY_GROUP, USER_NAMESPACE)
        self._groups.subscribe(lambda _: self._configuration_changed())

    # --- what the planner reads

    @property
    def leases(self) -> Sequence[LeaseResource]:
        """The Leases as last seen."""
        return tuple(self._leases.items.values())

    @property
    def leases_listed(self) -> bool:
        """Whether the Leases have been listed once."""
        return self._leases.synced

    @property
    def stale(self) -> bool:
        """Whether renewals cannot be seen at the moment."""
        return self._leases.stale_since is not None

    @property
    def watching_everything(self) -> bool:
        """Whether the kinds that only a holder needs are watched."""
        return bool(self._full)

    @property
    def complete(self) -> bool:
        """Whether all that sessions are planned from has been listed."""
        return self.watching_everything and self._groups.synced and all(c.synced for c in self._full.values())

    def configuration(self) -> Configuration:
        """Return what counts of the configuration, with the last good spec of objects that became invalid."""
        return configuration(
            tuple(self._last_good("mode").values()),
            tuple(self._last_good("group").values()),
            tuple(self._last_good("peer").values()),
        )

    def secrets(self) -> Mapping[str, SecretSpec]:
        """Return the Secrets that BGPPeers may name."""
        items = self._items("secret")
        return {key.name: secret.spec for key, secret in items.items() if secret.spec is not None}

    def routes(self) -> Mapping[Key, Resource[Any, Any]]:
        """Return the BGPAdvertisedRoutes."""
        return self._items("route")

    def sessions(self) -> Mapping[Key, Resource[Any, Any]]:
        """Return the BGPSessions of all nodes."""
        return self._items("session")

    def address(self, family: Family) -> IPAddress | None:
        """Return this node's own address of a family."""
        own = self._addresses.get(self.node, ())
        return next((address for address in own if Family.of(address) is family), None)

    def _items(self, name: str) -> Mapping[Key, Resource[Any, Any]]:
        cache = self._groups if name == "group" else self._full.get(name)
        return cache.items if cache is not None else {}

    def _last_good(self, name: str) -> Mapping[Key, Resource[Any, Any]]:
        self._good[name] = last_good(self._good.get(name, {}), self._items(name).values())
        return self._good[name]

    # --- more or less

    def watch_everything(self, *, wanted: bool, following: bool) -> None:
        """List what a holder needs, or stop to; ``following`` tells whether to keep it up to date from now on."""
        if wanted and not self._full:
            self._start(following=following)
        elif wanted and following:
            for cache in self._full.values():
                cache.follow()
        elif not wanted and self._full:
            for cache in self._full.values():
                self.group.stop(cache)
            self._full = {}
            self._addresses, self._others = {}, None
            self._told.pop(events.NodeSeen, None)
            self._tell(events.ListsSeen(complete=False))
            self.routes_changed()
        self.changed()

    def _start(self, *, following: bool) -> None:
        start = self.group.start
        self._full = {
            "peer": start(BGP_PEER, USER_NAMESPACE, following=following),
            "mode": start(FLAT_IP_MODE, following=following),
            "secret": start(SECRET, self.secret_namespace, following=following),
            "route": start(BGP_ADVERTISED_ROUTE, USER_NAMESPACE, following=following),
            "session": start(BGP_SESSION, USER_NAMESPACE, following=following),
            "node": start(NODE, following=following),
        }
        self._full["node"].subscribe(self._nodes_changed)
        self._full["route"].subscribe(lambda _: self.routes_changed())
        for name in ("peer", "mode", "secret"):
            self._full[name].subscribe(lambda _: self._configuration_changed())
        for name in ("route", "session"):
            self._full[name].subscribe(lambda _: self._others_changed())

    def own_node_seen(self, node: Node | None) -> None:
        """Take this node's own Node as it was read beside the lists."""
        if self._full:
            addresses = addresses_of(node.status) if node is not None else ()
            self._tell(_node_seen(node, addresses))

    # --- what the gateway is told

    def tell_leases(self) -> None:
        """Tell the gateway every Lease once more."""
        for resource in self.leases:
            address = lease_address(resource)
            if address is not None:
                self.post(events.LeaseSeen(address, read_lease(resource)))
        if self._leases.synced:
            self.post(events.LeasesListed())

    def _tell(self, event: events.Event) -> None:
        """Tell the gateway a state, if it is another than the one told last."""
        if self._told.get(type(event)) != event:
            self._told[type(event)] = event
            self.post(event)

    def _leases_changed(self, deltas: Sequence[Delta[Any, Any]]) -> None:
        news = not deltas
        for delta in deltas:
            resource = delta.after if delta.after is not None else delta.before
            address = lease_address(resource) if resource is not None else None
            if address is not None:
                before, after = (read_lease(each) if each is not None else None for each in (delta.before, delta.after))
                news = news or not same_but_renewed(before, after)
                self.post(events.LeaseSeen(address, after))
        if self._leases.synced:
            self._tell(events.LeasesListed())
        if self.stale:
            self.post(events.StoreFailed("the Leases cannot be read"))
        elif not deltas:
            self.post(events.StoreAnswered())
        self.leases_seen(news)

    def _others_changed(self) -> None:
        """Take changes of objects that the gateway does not ask about, but waits for until they are listed."""
        if self._told.get(events.ListsSeen) == events.ListsSeen(complete=True):
            self.changed()
        else:
            self._configuration_changed()

    def _configuration_changed(self) -> None:
        config = self.configuration()
        if self._groups.synced:
            self._tell(events.GroupSeen(config.floating_ips))
        if self.complete:
            everyone = [spec for _, spec in config.peers]  # a selector that matches none must not make the LAN silent
            selected = [
                spec
                for peer, spec in config.peers
                if config.mode is not None
                and config.mode.spec is not None
                and config.mode.spec.selects(peer.meta.labels)
            ]
            routers = {spec.peer_ip for spec in selected or everyone}
            unused = {spec.peer_ip for spec in everyone} - routers  # no session, but a host that can be asked
            self._tell(
                events.NeighborhoodSeen(
                    routers=tuple(sorted(routers, key=_order)),
                    nodes=(*sorted(unused, key=_order), *self._other_nodes()) if unused else self._other_nodes(),
                    graceful_restart=all(spec.graceful_restart.enabled for spec in selected),
                )
            )
            self._tell(events.ListsSeen(complete=True))
        self.changed()

    def _other_nodes(self) -> tuple[IPAddress, ...]:
        """Return the addresses of all other nodes, the same tuple until one changes: there may be thousands."""
        if self._others is None:
            self._others = tuple(
                address
                for name, addresses in sorted(self._addresses.items())
                if name != self.node
                for address in addresses
            )
        return self._others

    def _nodes_changed(self, deltas: Sequence[Delta[NodeSpec, NodeStatus]]) -> None:
        """Take changes of Nodes; a kubelet's heartbeat, which changes no address, ends here."""
        moved = not deltas
        for delta in deltas:
            if delta.before is not None and delta.after is not None and delta.before.status == delta.after.status:
                continue
            before = self._addresses.pop(delta.key.name, None)
            after = None
            if delta.after is not None:
                after = self._addresses[delta.key.name] = addresses_of(delta.after.status)
            if before != after:
                moved, self._others = True, None
        cache = self._full["node"]
        if cache.synced:
            self._tell(_node_seen(cache.items.get(Key("", self.node)), self._addresses.get(self.node, ())))
            if moved or events.ListsSeen(complete=True) != self._told.get(events.ListsSeen):
                self._configuration_changed()


def _node_seen(node: Node | None, addresses: tuple[IPAddress, ...]) -> events.NodeSeen:
    if node is None:
        return events.NodeSeen(exists=False)
    return events.NodeSeen(
        exists=True,
        deleting=node.meta.deleting,
        draining=is_draining(node),
        addresses=addresses,
    )


def _order(address: IPAddress) -> tuple[int, int]:
    return address.version, int(address)
