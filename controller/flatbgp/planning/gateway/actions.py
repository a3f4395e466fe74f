"""What a gateway wants done, in the order of the tuple that :meth:`Gateway.handle` returns.

Calls of the host (LAN, addresses) are made at once and in order; requests to the store and the daemon run beside them,
each with its own time limit, and their outcomes come back as events.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord
from flatbgp.planning.gateway.status import AddressStatus
from flatbgp.planning.gateway.timings import LIFETIME_MARGIN
from flatbgp.resources.ip import IPAddress

# --- the LAN


@dataclass(frozen=True, slots=True)
class AskLan:
    """Ask who has each target, as this node (ARP request, neighbour solicitation)."""

    interface: str
    targets: tuple[IPAddress, ...]


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask once who has ``address``, as nobody: an ARP probe (RFC 5227), or a NS from :: (RFC 4862)."""

    interface: str
    address: IPAddress


@dataclass(frozen=True, slots=True)
class Announce:
    """State once that this node has ``address``: gratuitous ARP, or an unsolicited NA with the override flag."""

    interface: str
    address: IPAddress


# --- addresses


@dataclass(frozen=True, slots=True)
class PutAddress:
    """Have ``address`` on ``interface`` (/32 or /128, preferred lifetime 0, no DAD) until at most ``deadline``.

    ``expires`` is when the kernel takes it off as things stand (``None``: it is not there). Setting the lifetime of an
    address *creates* it when it is gone; without ``create`` (there is no live Lease) that must not happen, so nothing
    is done from ``expires`` on. With ``fresh`` the TCP sockets bound to the address are destroyed first, so that
    nothing of an earlier session leaves (the kernel may have taken the address off while this process did not run).
    Answered by ``AddressPut``.
    """

    address: IPAddress
    interface: str
    deadline: float
    expires: float | None
    create: bool = True
    fresh: bool = False

    def lifetime(self, now: float) -> int:
        """Return the valid lifetime to set at ``now``, in whole seconds; 0: leave everything as it is.

        To be asked right before the call, so that a process that was stopped in between sets nothing too long. Never
        shortens what is set.
        """
        seconds = math.floor(self.deadline - now - LIFETIME_MARGIN)
        if seconds <= 0 or not self.still_valid(now):
            return 0
        if self.expires is not None and now < self.expires and now + seconds <= self.expires:
            return 0
        return seconds

    def still_valid(self, now: float) -> bool:
        """Whether the address may be there at ``now``: to be asked right before the call and again right after."""
        if self.create:
            return now < self.deadline
        return self.expires is not None and now < min(self.deadline, self.expires)


@dataclass(frozen=True, slots=True)
class RemoveAddress:
    """Take the address off, wherever it is, then destroy every TCP socket bound to it (sock_diag SOCK_DESTROY).

    To be done also when the address is gone already: its sockets are not. Answered by ``AddressRemoved``.
    """

    address: IPAddress


# --- the store


@dataclass(frozen=True, slots=True)
class SwapLease:
    """Write the Lease if it is still ``before`` (``None``: create it if there is none); answer ``LeaseSwapped``.

    ``renew``: set renewTime to the wall clock (and acquireTime and leaseTransitions when the holder changes). After
    ``timeout`` seconds without an answer the outcome is UNKNOWN. One that is superseded is not cancelled.
    """

    address: IPAddress
    token: int
    before: LeaseRecord | None
    content: LeaseContent
    renew: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class DeleteLease:
    """Delete the Lease if it is still ``before``; answered by ``LeaseSwapped``."""

    address: IPAddress
    token: int
    before: LeaseRecord
    timeout: float


@dataclass(frozen=True, slots=True)
class ReadLease:
    """Read the Lease from the store itself (no cache, a quorum read); answered by ``LeaseRead(Failed)``."""

    address: IPAddress
    timeout: float


@dataclass(frozen=True, slots=True)
class WatchEverything:
    """Whether own Node, peers, routes, Secrets and nodes are needed (an address is held or wanted), or just Leases.

    ``following`` tells whether they must be kept up to date as well, which they must from a claim on: until then it is
    enough to have listed them once, and to look at the own Node now and then.
    """

    wanted: bool
    following: bool = False


# --- sessions


class Departure(StrEnum):
    """How an address leaves: MOVE without a word to the router; REMOVAL after withdrawing and a Cease."""

    MOVE = "move"
    REMOVAL = "removal"


@dataclass(frozen=True, slots=True)
class AddressHeld:
    """Sessions may be opened from the address: this node has it now.

    With ``taken_over`` it has just come here, and somebody had it before: routers may still have that one's sessions.
    """

    address: IPAddress
    interface: str
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class WithdrawSessions:
    """A removal begins: withdraw all routes from the sessions of this address, send a Cease, wait until it has left.

    Answered by ``SessionsWithdrawn``; the gateway goes on without an answer after a while.
    """

    address: IPAddress


@dataclass(frozen=True, slots=True)
class AddressLost:
    """Delete the sessions of an address that this node no longer has; their sockets are destroyed already."""

    address: IPAddress
    departure: Departure
    reason: str


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """How it is with an address on this node has changed."""

    address: IPAddress
    status: AddressStatus


@dataclass(frozen=True, slots=True)
class Finished:
    """After ``StopRequested``: all is handed over (or the time for it is up); the process may end."""


Action = (
    AskLan
    | Probe
    | Announce
    | PutAddress
    | RemoveAddress
    | SwapLease
    | DeleteLease
    | ReadLease
    | WatchEverything
    | AddressHeld
    | WithdrawSessions
    | AddressLost
    | StatusChanged
    | Finished
)
