"""What a gateway is told: what the store, the kernel, the LAN and the daemon say.

Every time (``at``, ``valid_until``) is CLOCK_BOOTTIME in seconds, the clock of ``now`` in
:meth:`flatbgp.planning.gateway.Gateway.handle`. Events that describe a state (group, interfaces, node, ...) give the
whole state and may be repeated; the gateway finds the difference.
"""

from dataclasses import dataclass
from enum import StrEnum

from flatbgp.planning.gateway.records import LeaseRecord
from flatbgp.resources.ip import IPAddress, IPInterface


@dataclass(frozen=True, slots=True)
class Tick:
    """Nothing but time has passed (:meth:`Gateway.next_deadline` was reached)."""


# --- the store


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """The NetworkGatewayGroup was read: its floating IPs in their order (empty: none, or no group)."""

    addresses: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class LeasesListed:
    """All Leases have been listed once, after a :class:`LeaseSeen` for each; those not seen do not exist."""


@dataclass(frozen=True, slots=True)
class ListsSeen:
    """Whether group, peers, routes and Secrets have all been listed completely, so that sessions can be planned."""

    complete: bool


@dataclass(frozen=True, slots=True)
class LeaseSeen:
    """The watch (or a listing) shows an address's Lease; ``None``: there is none (deleted).

    A watch may lag behind what this gateway wrote or read; the gateway reads again before it believes a loss.
    """

    address: IPAddress
    lease: LeaseRecord | None


@dataclass(frozen=True, slots=True)
class LeaseRead:
    """The answer to :class:`~flatbgp.planning.gateway.actions.ReadLease`, not from a cache."""

    address: IPAddress
    lease: LeaseRecord | None


@dataclass(frozen=True, slots=True)
class LeaseReadFailed:
    """A :class:`~flatbgp.planning.gateway.actions.ReadLease` failed or timed out; ``error`` says why."""

    address: IPAddress
    error: str


class SwapOutcome(StrEnum):
    """What became of a compare-and-swap.

    CONFIRMED: the store answered that it is written. CONFLICT: the store answered that it is not, since the Lease is
    at another version (or exists already, or not at all). UNKNOWN: no clear answer (timeout, lost connection, any
    error of the server): it may have been written, or be written yet.
    """

    CONFIRMED = "confirmed"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LeaseSwapped:
    """The outcome of the :class:`~flatbgp.planning.gateway.actions.SwapLease` or ``DeleteLease`` with that ``token``.

    ``lease`` is the Lease as written (only with CONFIRMED, ``None`` when it was a deletion).
    """

    address: IPAddress
    token: int
    outcome: SwapOutcome
    lease: LeaseRecord | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """A request other than those above failed, or the watch broke: nothing is seen of the store until it answers."""

    error: str


@dataclass(frozen=True, slots=True)
class StoreAnswered:
    """A request other than those above was answered, or the watch runs again."""


@dataclass(frozen=True, slots=True)
class StoreIdentitySeen:
    """Which store answers: the one that was learned, or another (``foreign``; ``message`` says how to accept it).

    While it is foreign, nothing it says is used and nothing is written to it; to a holder it is an unreachable store.
    Events of a store whose identity was not checked since the connection was opened must not be passed on.
    """

    foreign: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """The own Node object of this node, and its InternalIPs."""

    exists: bool
    deleting: bool = False
    draining: bool = False
    addresses: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class NeighborhoodSeen:
    """Who could answer on the LAN: the peers' addresses, and other hosts (of all subnets).

    ``nodes``: the other nodes' InternalIPs, and routers of BGPPeers that are not selected.
    ``graceful_restart``: every selected peer keeps routes across a move (RFC 4724), so that spreading costs nothing.
    """

    routers: tuple[IPAddress, ...]
    nodes: tuple[IPAddress, ...]
    graceful_restart: bool = True


# --- the host and the LAN


@dataclass(frozen=True, slots=True)
class HostAddress:
    """An address on an interface: ``interface`` with its mask, ``ours`` if it bears our mark.

    ``valid_until``: when the kernel takes it off (``None``: never).
    """

    interface: IPInterface
    ours: bool = False
    valid_until: float | None = None


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface with its MAC address (lower case, colons), whether it has carrier, and its addresses.

    ``gateways``: this node's default gateways there.
    """

    name: str
    mac: str
    carrier: bool
    addresses: tuple[HostAddress, ...] = ()
    gateways: tuple[IPAddress, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfacesSeen:
    """All interfaces as they were at ``at``. To be given again after every change that netlink reports."""

    at: float
    interfaces: tuple[Interface, ...]


class Voice(StrEnum):
    """In which way a host spoke of an address (RFC 826, RFC 5227, RFC 4861)."""

    ANSWER = "answer"  # ARP reply, solicited NA: it has the address
    ANNOUNCEMENT = "announcement"  # gratuitous ARP, unsolicited NA: it states that it has the address
    USE = "use"  # ARP request, NS: it asks for another address, as the owner of this one
    PROBE = "probe"  # ARP probe, NS from ::: it asks for the address and does not have it (it may want it)


@dataclass(frozen=True, slots=True)
class LanHeard:
    """Another host spoke of ``address``. ``at`` is when the packet arrived, not when it was read."""

    at: float
    interface: str
    address: IPAddress
    mac: str
    voice: Voice


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """A packet of a BGP session arrived from ``address`` (the last, when several were read in one go)."""

    at: float
    address: IPAddress
    mac: str


@dataclass(frozen=True, slots=True)
class AddressPut:
    """A :class:`~flatbgp.planning.gateway.actions.PutAddress` was carried out.

    ``valid_until`` is when the kernel takes the address off; ``None``: it was not (or no longer) put, because its
    deadline passed meanwhile, its lifetime would have been 0, or the kernel refused (``error``).
    """

    address: IPAddress
    valid_until: float | None
    error: str = ""


@dataclass(frozen=True, slots=True)
class AddressRemoved:
    """A :class:`~flatbgp.planning.gateway.actions.RemoveAddress` was carried out; ``error``: it was not."""

    address: IPAddress
    error: str = ""


# --- the daemon, and the process itself


@dataclass(frozen=True, slots=True)
class EngineAnswered:
    """gobgpd answered a question that was asked at ``at`` (the heartbeat, once a second)."""

    at: float


@dataclass(frozen=True, slots=True)
class SessionsWithdrawn:
    """A :class:`~flatbgp.planning.gateway.actions.WithdrawSessions` is done: routes withdrawn, Cease left."""

    address: IPAddress


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The process was asked to end (SIGTERM): hand everything over, then :class:`Finished`."""


Event = (
    Tick
    | GroupSeen
    | LeasesListed
    | ListsSeen
    | LeaseSeen
    | LeaseRead
    | LeaseReadFailed
    | LeaseSwapped
    | StoreFailed
    | StoreAnswered
    | StoreIdentitySeen
    | NodeSeen
    | NeighborhoodSeen
    | InterfacesSeen
    | LanHeard
    | PeerHeard
    | AddressPut
    | AddressRemoved
    | EngineAnswered
    | SessionsWithdrawn
    | StopRequested
)
