"""What a gateway knows from its events: no decisions here, only the present state of everything but the Leases."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flatbgp.planning.gateway.events import (
    EngineAnswered,
    Event,
    GroupSeen,
    HostAddress,
    Interface,
    InterfacesSeen,
    ListsSeen,
    NeighborhoodSeen,
    NodeSeen,
    StopRequested,
    StoreAnswered,
    StoreFailed,
    StoreIdentitySeen,
)
from flatbgp.planning.gateway.places import Place, find_place
from flatbgp.resources.ip import IPAddress, IPNetwork


@dataclass(slots=True)
class Facts:
    """The present state; ``None`` is what has not been told yet.

    ``engine_at`` is when gobgpd was last asked something that it answered, ``engine_since`` from when its silence
    counts. ``foreign`` is the message about a store that is not the one that was learned, ``failing`` the last error
    of a store that doesn't answer.

    ``listed`` is the group as a set, ``listed_since`` since when each address is in it without a break.
    ``floating`` are the addresses on the host that a speaker of this node put there: those with our mark, and those
    of the group with a single host's mask and an end to their life, in case the kernel keeps no marks. Any other
    address of the group on the host is a person's doing: ``local``, with its interface.
    """

    preferred: str | None
    group: tuple[IPAddress, ...] | None = None
    lists_complete: bool = False
    node: NodeSeen | None = None
    neighborhood: NeighborhoodSeen = field(default_factory=lambda: NeighborhoodSeen((), ()))
    interfaces: tuple[Interface, ...] | None = None
    interfaces_at: float = 0.0
    engine_at: float | None = None
    engine_since: float | None = None
    foreign: str | None = None
    failing: str | None = None
    stop_at: float | None = None
    own_macs: frozenset[str] = frozenset()
    listed: frozenset[IPAddress] = frozenset()
    listed_since: Mapping[IPAddress, float] = field(default_factory=dict)
    floating: tuple[tuple[IPAddress, Interface, HostAddress], ...] = ()
    local: Mapping[IPAddress, str] = field(default_factory=dict)
    _places: dict[IPAddress, Place | None] = field(default_factory=dict)
    _routers: dict[IPNetwork, tuple[IPAddress, ...]] = field(default_factory=dict)
    _gateways: dict[IPNetwork, tuple[IPAddress, ...]] = field(default_factory=dict)
    _others: dict[IPNetwork, tuple[IPAddress, ...]] = field(default_factory=dict)

    def learn(self, now: float, event: Event) -> None:
        """Take in an event that describes a state."""
        match event:
            case GroupSeen():
                self.group, self.listed = event.addresses, frozenset(event.addresses)
                self.listed_since = {each: self.listed_since.get(each, now) for each in event.addresses}
                self._sort_addresses()
            case ListsSeen():
                self.lists_complete = event.complete
            case NodeSeen():
                self.node = event
                self._places.clear()
            case NeighborhoodSeen():
                self.neighborhood = event
                self._routers.clear()
                self._gateways.clear()
                self._others.clear()
            case InterfacesSeen():
                self.interfaces, self.interfaces_at = event.interfaces, event.at
                self.own_macs = frozenset(interface.mac for interface in event.interfaces)
                self._places.clear()
                self._gateways.clear()
                self._others.clear()
                self._sort_addresses()
            case EngineAnswered():
                self.engine_at = max(self.engine_at or event.at, event.at)
            case StoreFailed():
                self.failing = event.error
            case StoreAnswered():
                self.failing = None
            case StoreIdentitySeen():
                self.foreign = event.message if event.foreign else None
            case StopRequested():
                self.stop_at = now
            case _:
                pass

    def forget_lists(self) -> None:
        """Take what is no longer watched for unknown: it will be told again when it is wanted again."""
        self.node, self.lists_complete = None, False
        self._places.clear()

    @property
    def stopping(self) -> bool:
        """Whether this process was asked to end."""
        return self.stop_at is not None

    @property
    def draining(self) -> bool:
        """Whether this node is to hand its addresses over."""
        return self.node is not None and self.node.draining

    @property
    def node_gone(self) -> bool:
        """Whether the own Node object is known not to be there (any more)."""
        return self.node is not None and (not self.node.exists or self.node.deleting)

    def place(self, address: IPAddress) -> Place | None:
        """Return where the address could be put now."""
        if address not in self._places:
            known = self.node.addresses if self.node is not None else ()
            self._places[address] = find_place(address, self.interfaces or (), known, self.preferred)
        return self._places[address]

    def place_of_held(self, address: IPAddress, interface: str) -> Place | None:
        """Return the place of an address that is on an interface already, carrier or not."""
        known = self.node.addresses if self.node is not None else ()
        return find_place(address, self.interfaces or (), known, interface, carrier=False)

    def routers(self, subnet: IPNetwork) -> tuple[IPAddress, ...]:
        """Return the routers (peers) that are in a subnet."""
        if subnet not in self._routers:
            self._routers[subnet] = tuple(each for each in self.neighborhood.routers if each in subnet)
        return self._routers[subnet]

    def gateways(self, subnet: IPNetwork) -> tuple[IPAddress, ...]:
        """Return this node's default gateways that are in a subnet and no peers: no session says whether they live."""
        if subnet not in self._gateways:
            own = {each.interface.ip for _, each in self.addresses()}
            known = (gateway for interface in self.interfaces or () for gateway in interface.gateways)
            self._gateways[subnet] = tuple(
                each
                for each in dict.fromkeys(known)
                if each in subnet and each not in own and each not in self.routers(subnet)
            )
        return self._gateways[subnet]

    def others(self, subnet: IPNetwork) -> tuple[IPAddress, ...]:
        """Return the other hosts that are in a subnet, beginning after our own address there.

        Each node begins elsewhere, so that not all ask the same few.
        """
        if subnet not in self._others:
            own = {each.interface.ip for _, each in self.addresses()}
            known = sorted(each for each in self.neighborhood.nodes if each in subnet and each not in own)
            mine = min((each for each in own if each in subnet), default=None)
            later = [each for each in known if mine is None or int(each) > int(mine)]
            self._others[subnet] = (*later, *known[: len(known) - len(later)])
        return self._others[subnet]

    def addresses(self) -> Iterator[tuple[Interface, HostAddress]]:
        """Yield every address on the host, with its interface."""
        for interface in self.interfaces or ():
            for address in interface.addresses:
                yield interface, address

    def _sort_addresses(self) -> None:
        """Tell the floating IPs on the host from its other addresses."""
        floating: list[tuple[IPAddress, Interface, HostAddress]] = []
        local: dict[IPAddress, str] = {}
        for interface, each in self.addresses():
            own = each.interface
            if each.ours or (
                own.ip in self.listed and own.network.prefixlen == own.max_prefixlen and each.valid_until is not None
            ):
                floating.append((own.ip, interface, each))
            else:
                local[own.ip] = interface.name
        self.floating, self.local = tuple(floating), local
