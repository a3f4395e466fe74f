"""What the host shell reports, in values without sockets: interfaces, what is heard on a LAN, what sessions say.

Every ``at`` is CLOCK_BOOTTIME in seconds, the moment at which a packet *arrived* (not when we came to read it), so
that a program that was stopped does not take old packets for news.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from flatbgp.host.packets.bgp import Notification, Open
from flatbgp.resources.ip import IPAddress, IPInterface

MARK = 251
"""Our number in the kernel's tables: IFA_PROTO of our addresses, FRA_PROTOCOL of our rules.

A free one in rtnetlink.h and iproute2's rt_protos; ``ip address show proto 251`` lists what is ours.
"""


class HostError(Exception):
    """The kernel refused something; the text says what, on what, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address on an interface. ``ours``: it bears our mark.

    ``valid`` is the rest of its life in seconds (``None``: no end); it runs down by itself, so it makes no difference
    between two listings.
    """

    interface: IPInterface
    ours: bool = False
    valid: int | None = field(default=None, compare=False)
    tentative: bool = False

    @property
    def ip(self) -> IPAddress:
        """The address without its mask."""
        return self.interface.ip


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface. ``carrier``: it is up and could send now. Addresses are in the kernel's order.

    ``gateways``: where default routes send packets from these addresses, as far as that is in their subnets.
    """

    name: str
    index: int
    mac: str
    carrier: bool
    addresses: tuple[Address, ...] = ()
    gateways: tuple[IPAddress, ...] = ()

    def subnet_of(self, address: IPAddress) -> IPInterface | None:
        """Return the interface's own address whose subnet contains ``address``, the narrowest first.

        Addresses of a single host (/32, /128) make no subnet, so a floating IP never vouches for itself.
        """
        fitting = [
            own.interface
            for own in self.addresses
            if not own.ours
            and not own.tentative
            and own.interface.network.prefixlen < own.interface.max_prefixlen
            and own.interface.version == address.version
            and address in own.interface.network
        ]
        return max(fitting, key=lambda own: own.network.prefixlen, default=None)


def source_for(interfaces: Iterable[Interface], name: str, target: IPAddress) -> IPAddress | None:
    """Return the node's own address on an interface from which to ask for ``target``; ``None``: not in its subnets."""
    for interface in interfaces:
        if interface.name == name:
            own = interface.subnet_of(target)
            return None if own is None else own.ip
    return None


class Voice(StrEnum):
    """In which way a host spoke of an address."""

    ANSWER = "answer"  # it answers a question: it has the address
    ANNOUNCEMENT = "announcement"  # it states, unasked, that it has the address
    USE = "use"  # it asks for another address, as the owner of this one
    PROBE = "probe"  # it asks for the address without having it (it may want it)


@dataclass(frozen=True, slots=True)
class Heard:
    """Another host (never one of our own interfaces) spoke of ``address`` by ARP or Neighbor Discovery."""

    at: float
    interface: str
    address: IPAddress
    mac: str
    voice: Voice


@dataclass(frozen=True, slots=True)
class InterfacesChanged:
    """Interfaces or addresses are not what they were; ``interfaces`` is what they are now."""

    at: float
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """A packet of a BGP session came in from ``peer``. Several in one go are one event, the last."""

    at: float
    local: IPAddress
    peer: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class SessionMessage:
    """An OPEN or NOTIFICATION of a session of ours; ``sent`` tells who said it."""

    at: float
    local: IPAddress
    peer: IPAddress
    sent: bool
    message: Open | Notification


class Outcome(StrEnum):
    """What became of a TCP connection to the peer."""

    CONNECTED = "connected"  # the peer accepted
    REFUSED = "refused"  # RST instead of an answer: nothing listens there, or it does not want us
    UNANSWERED = "unanswered"  # another SYN, and still no answer: unreachable, filtered, or a wrong password
    RESET = "reset"  # RST in an open connection
    CLOSED = "closed"  # the peer closed its side
    UNREACHABLE = "unreachable"  # ICMP says so
    TTL_EXCEEDED = "ttl exceeded"  # ICMP says that the peer is more hops away than we allow


@dataclass(frozen=True, slots=True)
class Connection:
    """News of a TCP connection from ``local`` to ``peer``.

    ``since`` is when the first SYN without an answer left (only for UNANSWERED); ``reporter`` who sent the ICMP error.
    """

    at: float
    local: IPAddress
    peer: IPAddress
    outcome: Outcome
    since: float | None = None
    reporter: IPAddress | None = None


HostEvent = Heard | InterfacesChanged | PeerHeard | SessionMessage | Connection


class Released(NamedTuple):
    """How many TCP sockets were ended, and how many the kernel could not end and keeps silent instead."""

    ended: int
    silenced: int


class NextHop(StrEnum):
    """What the neighbour table knows about the next hop to a peer."""

    RESOLVED = "resolved"
    UNRESOLVED = "unresolved"  # asked, and no answer: the host is not there
    UNKNOWN = "unknown"  # not asked yet, or no entry


@dataclass(frozen=True, slots=True)
class Route:
    """How packets from a local address reach a peer: interface, gateway (``None``: on the link), neighbour."""

    interface: str
    gateway: IPAddress | None
    next_hop: NextHop
