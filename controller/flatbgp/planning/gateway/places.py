"""Where on this host a floating IP would be: the interface whose subnet contains it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flatbgp.planning.gateway.events import HostAddress, Interface
from flatbgp.resources.ip import IPAddress, IPInterface, IPNetwork


@dataclass(frozen=True, slots=True)
class Place:
    """An interface and this node's own address there, in the subnet of the floating IP."""

    interface: str
    own: IPInterface

    @property
    def subnet(self) -> IPNetwork:
        """The subnet, which is the LAN that is asked and probed."""
        return self.own.network


def find_place(
    address: IPAddress,
    interfaces: Iterable[Interface],
    node_addresses: Collection[IPAddress],
    preferred: str | None,
    *,
    carrier: bool = True,
) -> Place | None:
    """Return where ``address`` belongs on this host, or ``None`` if no interface (with carrier) has its subnet.

    Of several, ``preferred`` (an interface's name) is the only one if given, else the one with the node's InternalIP,
    then the narrowest subnet, then the first by name.
    """
    found: list[tuple[tuple[bool, int, str], Place]] = []
    for interface in interfaces:
        if (carrier and not interface.carrier) or (preferred is not None and interface.name != preferred):
            continue
        for each in interface.addresses:
            own = each.interface
            if not is_subnet(each) or own.version != address.version or address not in own.network:
                continue
            rank = (own.ip not in node_addresses, -own.network.prefixlen, interface.name)
            found.append((rank, Place(interface.name, own)))
    return min(found, key=lambda each: each[0])[1] if found else None


def is_subnet(address: HostAddress) -> bool:
    """Whether an address of the host makes it a member of a subnet (a single host's mask doesn't, nor do ours)."""
    own = address.interface
    return not address.ours and own.network.prefixlen < own.max_prefixlen
