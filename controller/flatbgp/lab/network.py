"""A topology in network namespaces: LANs, machines, addresses, static routes. No daemon runs yet."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_interface

from flatbgp.lab.namespaces import Namespace, create, create_lan, plug
from flatbgp.lab.topology import TRANSIT, Node, Router, Topology
from flatbgp.resources.ip import IPAddress, IPNetwork

NODE_INTERFACE = "eth0"
ROUTER_RACK_INTERFACE = "rack"
ROUTER_TRANSIT_INTERFACE = "transit"
_LONGEST_INTERFACE_NAME = 15


@dataclass(frozen=True, slots=True)
class Network:
    """The namespaces of one topology; their names are ``prefix`` and what the topology calls them."""

    prefix: str
    topology: Topology

    def namespace(self, name: str) -> Namespace:
        """Return the namespace of a rack's LAN, a router, a node, or ``transit``."""
        return Namespace(self.prefix + name)

    def build(self) -> None:
        """Make everything. What was made when this fails is removed by :meth:`delete`."""
        transit = create_lan(self.prefix + TRANSIT)
        for rack in self.topology.racks:
            create_lan(self.prefix + rack.name)
        for router in self.topology.routers:
            self._build_router(router, transit)
        for node in self.topology.nodes:
            self.add_node(node)

    def add_node(self, node: Node) -> Namespace:
        """Put a machine into its rack; its default routes are its rack's gateways."""
        namespace = create(self.prefix + node.name, forwarding=True)
        plug(self.namespace(node.rack), port_name(node.name), namespace, NODE_INTERFACE)
        namespace.add_addresses(NODE_INTERFACE, node.addresses)
        gateways = self.topology.rack(node.rack).gateways
        own = {each.version for each in node.addresses}
        namespace.ip(*(f"route replace default via {each}" for each in gateways if each.version in own))
        return namespace

    def add_pods(self, node: str, pod_cidrs: Iterable[IPNetwork]) -> tuple[IPAddress, ...]:
        """Give a node addresses in place of pods; return them."""
        return add_pods(self.namespace(node), pod_cidrs)

    def set_cable(self, node: Node, *, plugged: bool) -> None:
        """Pull or plug a machine's cable at the switch: the machine itself runs on, without a carrier."""
        self.namespace(node.rack).set_link(port_name(node.name), up=plugged)

    def delete(self, further: Iterable[str] = ()) -> None:
        """Remove every namespace, with what runs inside; ``further`` names nodes that came later."""
        nodes = (node.name for node in self.topology.nodes)
        routers = (router.name for router in self.topology.routers)
        racks = (rack.name for rack in self.topology.racks)
        for name in dict.fromkeys((*further, *nodes, *routers, *racks, TRANSIT)):
            self.namespace(name).delete()

    def _build_router(self, router: Router, transit: Namespace) -> None:
        namespace = create(self.prefix + router.name, forwarding=True)
        plug(self.namespace(router.rack), port_name(router.name), namespace, ROUTER_RACK_INTERFACE)
        plug(transit, port_name(router.name), namespace, ROUTER_TRANSIT_INTERFACE)
        namespace.add_addresses(ROUTER_RACK_INTERFACE, router.addresses)
        namespace.add_addresses(ROUTER_TRANSIT_INTERFACE, router.transit)
        routes = [f"route replace {subnet} via {via}" for subnet, via in self.topology.routes_of(router)]
        if routes:
            namespace.ip(*routes)


def add_pods(namespace: Namespace, pod_cidrs: Iterable[IPNetwork]) -> tuple[IPAddress, ...]:
    """Give a node the first address of each of its pod CIDRs, in place of pods; return these addresses.

    The rest of the CIDR is unreachable there, as it is on a node where no pod has the address: without that, a packet
    to it would go back and forth between node and router.
    """
    cidrs = tuple(pod_cidrs)
    pods = tuple(pod_address(cidr) for cidr in cidrs)
    namespace.add_addresses("lo", (ip_interface(pod) for pod in pods))
    namespace.ip(*(f"route replace unreachable {cidr}" for cidr in cidrs))
    return pods


def pod_address(cidr: IPNetwork) -> IPAddress:
    """Return the address that stands for the pods of a CIDR: its first host address."""
    return cidr.network_address + 1 if cidr.num_addresses > 1 else cidr.network_address


def port_name(name: str) -> str:
    """Return the name of a machine's port on a LAN: after its own name, or a short stand-in for a long one.

    Never the bare name: a Node may be called "lan" or "lo", or "a", which ip(8) takes for one of its words.
    """
    port = f"port-{name}"
    return port if len(port) <= _LONGEST_INTERFACE_NAME else f"port-{zlib.crc32(name.encode()):08x}"
