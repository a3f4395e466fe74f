"""The network that a set of manifests is about: racks, routers and nodes, derived without touching anything.

The addresses tell it all. Floating IPs and peers fall into racks by their /24 (IPv4) or /64 (IPv6); each peer address
is a router of its rack; each rack with floating IPs has a node, and the first one more, unless the manifests bring
Nodes.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_interface, ip_network

from flatbgp.lab.commands import LabError
from flatbgp.resources.ip import Family, IPAddress, IPInterface, IPNetwork
from flatbgp.resources.secrets import Password

TRANSIT_IPV4 = IPv4Network("198.18.0.0/24")
TRANSIT_IPV6 = IPv6Network("2001:db8:ffff:ffff::/64")
"""What joins the routers: addresses for benchmarks (RFC 2544) and documentation (RFC 3849), which no manifest uses."""

TRANSIT = "transit"
"""The LAN that joins the routers."""

CONTROL = "control"
"""Where the roles run that belong to no node."""

_RACK_PREFIX = {4: 24, 6: 64}
_GATEWAY_HOST = {4: 254, 6: 0x254}
_FIRST_NODE_HOST = 11


@dataclass(frozen=True, slots=True)
class Peering:
    """What a BGPPeer says about a router. ``multihop`` is the BGPPeer's ``ebgpMultihop``."""

    address: IPAddress
    asn: int
    node_asn: int
    password: Password | None = field(default=None, repr=False)
    multihop: bool = True


@dataclass(frozen=True, slots=True)
class NodeAddresses:
    """A Node as the manifests give it."""

    name: str
    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """All that the network depends on. ``mesh`` says whether the routers tell one another what they learn."""

    floating_ips: tuple[IPAddress, ...]
    peerings: tuple[Peering, ...]
    nodes: tuple[NodeAddresses, ...] = ()
    mesh: bool = True


@dataclass(frozen=True, slots=True)
class Rack:
    """One layer-2 domain: a subnet of one family, or one of each. ``gateways`` are its nodes' default routers."""

    name: str
    subnets: tuple[IPNetwork, ...]
    gateways: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A session that a router is configured for; routes of both families are offered over it."""

    address: IPAddress
    asn: int
    password: Password | None = field(default=None, repr=False)
    multihop: bool = False


@dataclass(frozen=True, slots=True)
class Router:
    """A router: its rack's side, its side of the transit LAN, and its neighbours (floating IPs, then other routers)."""

    name: str
    asn: int
    rack: str
    addresses: tuple[IPInterface, ...]
    transit: tuple[IPInterface, ...]
    neighbors: tuple[Neighbor, ...] = ()

    @property
    def router_id(self) -> IPv4Address:
        """The BGP identifier: its transit address."""
        return next(each.ip for each in self.transit if isinstance(each.ip, IPv4Address))


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster."""

    name: str
    rack: str
    addresses: tuple[IPInterface, ...]


@dataclass(frozen=True, slots=True)
class Topology:
    """The whole network."""

    racks: tuple[Rack, ...]
    routers: tuple[Router, ...]
    nodes: tuple[Node, ...]

    @property
    def summary(self) -> str:
        """Its size in words."""
        sizes = {"rack": len(self.racks), "router": len(self.routers), "node": len(self.nodes)}
        return ", ".join(f"{size} {noun}{'' if size == 1 else 's'}" for noun, size in sizes.items())

    def rack(self, name: str) -> Rack:
        """Return the rack of that name."""
        return next(rack for rack in self.racks if rack.name == name)

    def routers_of(self, rack: str) -> tuple[Router, ...]:
        """Return the routers of a rack, its gateway first."""
        return tuple(router for router in self.routers if router.rack == rack)

    def routes_of(self, router: Router) -> Iterator[tuple[IPNetwork, IPAddress]]:
        """Yield a router's static routes: each subnet of the other racks, by way of the gateway of that rack."""
        for rack in self.racks:
            if rack.name != router.rack:
                gateway = self.routers_of(rack.name)[0]
                for subnet in rack.subnets:
                    yield subnet, next(each.ip for each in gateway.transit if each.version == subnet.version)

    def spare_node(self, name: str, rack: str) -> Node:
        """Return a further node for a rack, on the first addresses that nobody has."""
        taken = {each.ip for node in self.nodes for each in node.addresses}
        taken |= {neighbor.address for router in self.routers for neighbor in router.neighbors}
        taken |= {each.ip for router in self.routers for each in router.addresses}
        return Node(name, rack, _node_addresses(self.rack(rack).subnets, taken, _FIRST_NODE_HOST + len(self.nodes)))


def derive(demand: Demand) -> Topology:
    """Return the network that ``demand`` is about; raise :class:`LabError` when it names no peer or no floating IP."""
    if not demand.peerings:
        raise LabError("no BGPPeer in the manifests: the lab makes a router for each peerIP")
    if not demand.floating_ips:
        raise LabError("no floating IP in the manifests: the lab puts nodes into the racks of the floating IPs")
    subnets_of_racks = _group(demand)
    routers = tuple(_routers(demand, subnets_of_racks))
    racks = tuple(
        Rack(_rack_name(index), subnets, tuple(_gateways(subnets, routers, _rack_name(index))))
        for index, subnets in enumerate(subnets_of_racks)
    )
    nodes = _given_nodes(demand.nodes, racks, routers) if demand.nodes else _invented_nodes(demand, racks)
    return Topology(racks, _with_neighbors(routers, demand), nodes)


def rack_subnet(address: IPAddress) -> IPNetwork:
    """Return the subnet of the rack that an address belongs to."""
    return ip_network((address, _RACK_PREFIX[address.version]), strict=False)


def _rack_name(index: int) -> str:
    return f"rack-{index + 1}"


def _group(demand: Demand) -> list[tuple[IPNetwork, ...]]:
    """Sort all subnets into racks.

    The addresses of one Node belong together. What is left of IPv6 goes to the IPv4 racks in order of appearance, since
    the manifests say no more; a rack still without IPv6 gets a subnet made from its IPv4 one, so that IPv6 routes have
    next hops.
    """
    seen: dict[IPNetwork, None] = {}
    for address in (*demand.floating_ips, *(peering.address for peering in demand.peerings)):
        seen.setdefault(rack_subnet(address))
    pairs: dict[IPNetwork, IPNetwork] = {}
    for node in demand.nodes:
        own = [rack_subnet(address) for address in node.addresses]
        for subnet in own:
            seen.setdefault(subnet)
        for four in (subnet for subnet in own if subnet.version == 4):
            for six in (subnet for subnet in own if subnet.version == 6):
                pairs.setdefault(four, six)
    fours = [subnet for subnet in seen if isinstance(subnet, IPv4Network)]
    sixes = [subnet for subnet in seen if isinstance(subnet, IPv6Network) and subnet not in pairs.values()]
    racks: list[tuple[IPNetwork, ...]] = []
    for four in fours:
        if four in pairs:
            racks.append((four, pairs[four]))
        else:
            racks.append((four, sixes.pop(0) if sixes else _ipv6_beside(four)))
    racks.extend((six,) for six in sixes)
    return racks


def _ipv6_beside(subnet: IPv4Network) -> IPv6Network:
    """Return a documentation subnet whose last groups are the /24: 10.0.3.0/24 gives 2001:db8:a00:3::/64."""
    first, second, third, _ = subnet.network_address.packed
    return ip_network(f"2001:db8:{first << 8 | second:x}:{third:x}::/64")  # type: ignore[return-value] # text is IPv6


def _host(subnet: IPNetwork, number: int) -> IPInterface:
    return ip_interface(f"{subnet.network_address + number}/{subnet.prefixlen}")


def _routers(demand: Demand, racks: Sequence[tuple[IPNetwork, ...]]) -> Iterator[Router]:
    """Yield a router for each peer address; a rack without any gets one that its nodes can send to."""
    taken = {*demand.floating_ips, *_by_address(demand), *(each for node in demand.nodes for each in node.addresses)}
    number = 0
    for index, subnets in enumerate(racks):
        peers = [peering for peering in _by_address(demand).values() if rack_subnet(peering.address) in subnets]
        for own in _by_router(peers) or [()]:
            addresses = [_interface(peer.address) for peer in own]
            for subnet in subnets:
                if all(each.version != subnet.version for each in addresses):
                    addresses.append(_last_free(subnet, taken))
                    taken.add(addresses[-1].ip)
            number += 1
            yield Router(
                name=f"router-{number}",
                asn=own[0].asn if own else demand.peerings[0].asn,
                rack=_rack_name(index),
                addresses=tuple(sorted(addresses, key=lambda each: each.version)),
                transit=(_host(TRANSIT_IPV4, number), _host(TRANSIT_IPV6, number)),
            )


def _by_router(peers: Iterable[Peering]) -> list[tuple[Peering, ...]]:
    """Sort the peers of a rack: an IPv4 and an IPv6 peer of one AS are a router, two of one family are two."""
    routers: list[tuple[Peering, ...]] = []
    for peer in sorted(peers, key=lambda each: each.address.version):
        half = next((r for r in routers if len(r) == 1 and _other_half(r[0], peer)), None)
        if half is None:
            routers.append((peer,))
        else:
            routers[routers.index(half)] = (*half, peer)
    return routers


def _other_half(one: Peering, other: Peering) -> bool:
    return one.asn == other.asn and one.address.version != other.address.version


def _last_free(subnet: IPNetwork, taken: Container[IPAddress]) -> IPInterface:
    numbers = range(_GATEWAY_HOST[subnet.version], 0, -1)
    return next(host for number in numbers if (host := _host(subnet, number)).ip not in taken)


def _by_address(demand: Demand) -> dict[IPAddress, Peering]:
    """Return one peering for each router address: of two BGPPeers with one peerIP the first counts."""
    found: dict[IPAddress, Peering] = {}
    for peering in demand.peerings:
        found.setdefault(peering.address, peering)
    return found


def _interface(address: IPAddress) -> IPInterface:
    return ip_interface(f"{address}/{_RACK_PREFIX[address.version]}")


def _gateways(subnets: Iterable[IPNetwork], routers: Iterable[Router], rack: str) -> Iterator[IPAddress]:
    for subnet in subnets:
        yield next(
            each.ip
            for router in routers
            if router.rack == rack
            for each in router.addresses
            if each.version == subnet.version
        )


def _with_neighbors(routers: tuple[Router, ...], demand: Demand) -> tuple[Router, ...]:
    peerings = _by_address(demand)
    complete = []
    for router in routers:
        own = [peerings[each.ip] for each in router.addresses if each.ip in peerings]
        nodes = [
            Neighbor(
                address=floating_ip,
                asn=peering.node_asn,
                password=peering.password,
                multihop=peering.multihop and peering.asn != peering.node_asn,
            )
            for peering in own
            for floating_ip in demand.floating_ips
            if floating_ip.version == peering.address.version
        ]
        others = [Neighbor(other.router_id, other.asn) for other in routers if demand.mesh and other != router]
        complete.append(
            Router(router.name, router.asn, router.rack, router.addresses, router.transit, (*nodes, *others))
        )
    return tuple(complete)


def _given_nodes(given: Sequence[NodeAddresses], racks: Sequence[Rack], routers: Sequence[Router]) -> tuple[Node, ...]:
    nodes = []
    reserved = {TRANSIT, CONTROL, *(rack.name for rack in racks), *(router.name for router in routers)}
    owners = {each.ip: router.name for router in routers for each in router.addresses}
    for node in given:
        if node.name in reserved:
            raise LabError(f"Node {node.name} has the name of a part of the lab itself: give it another one")
        for address in node.addresses:
            owner = owners.setdefault(address, f"Node {node.name}")
            if owner != f"Node {node.name}":
                raise LabError(f"Node {node.name} and {owner} have the same address {address}: change one")
        subnets = {rack_subnet(address) for address in node.addresses}
        rack = next((rack for rack in racks if subnets & set(rack.subnets)), None)
        if rack is None:
            raise LabError(f"Node {node.name} has no InternalIP: the lab cannot tell its rack")
        own = [_interface(address) for address in node.addresses]
        nodes.append(Node(node.name, rack.name, tuple(own)))
    return tuple(nodes)


def _invented_nodes(demand: Demand, racks: Sequence[Rack]) -> tuple[Node, ...]:
    """Make a node for each rack with floating IPs and one more for the first: the guide's node-01 to node-03."""
    homes = [rack for rack in racks if any(rack_subnet(each) in rack.subnets for each in demand.floating_ips)]
    taken: set[IPAddress] = {*demand.floating_ips, *(peering.address for peering in demand.peerings)}
    taken |= {gateway for rack in racks for gateway in rack.gateways}
    nodes = []
    for number, rack in enumerate((*homes, homes[0])):
        addresses = _node_addresses(rack.subnets, taken, _FIRST_NODE_HOST + number)
        taken |= {each.ip for each in addresses}
        nodes.append(Node(f"node-{number + 1:02}", rack.name, addresses))
    return tuple(nodes)


def _node_addresses(subnets: Iterable[IPNetwork], taken: set[IPAddress], number: int) -> tuple[IPInterface, ...]:
    return tuple(
        next(
            host
            for candidate in range(number, 240)
            if (host := _host(subnet, _as_written(candidate, subnet))).ip not in taken
        )
        for subnet in subnets
    )


def _as_written(number: int, subnet: IPNetwork) -> int:
    """Return the host number whose last group *reads* like ``number``: node 11 is ``.11`` and ``::11``."""
    return number if Family.of(subnet) is Family.IPV4 else int(str(number), 16)
