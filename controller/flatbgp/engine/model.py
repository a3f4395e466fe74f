"""What a BGP engine is asked to have, and what it is seen to have.

These are the words in which the rest of flatbgp speaks of BGP: neighbours, paths, session states. No message of a
daemon's API appears here; :mod:`flatbgp.engine.gobgp` translates.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Final

from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.secrets import Password


class SessionState(StrEnum):
    """States of the BGP finite state machine (RFC 4271 section 8.2.2)."""

    IDLE = "Idle"
    CONNECT = "Connect"
    ACTIVE = "Active"
    OPEN_SENT = "OpenSent"
    OPEN_CONFIRM = "OpenConfirm"
    ESTABLISHED = "Established"


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724 settings of a session, in seconds.

    ``deferral_time`` bounds how long updates wait for the End-of-RIB of the other peers after a restart.
    """

    restart_time: int = 60
    deferral_time: int = 3


@dataclass(frozen=True, slots=True)
class ExportAttributes:
    """Attributes set on every route that one neighbour gets; ``None`` or empty leaves them alone.

    ``communities`` are RFC 1997 values (high 16 bits ASN), ``large_communities`` RFC 8092 triples, ``med`` the
    MULTI_EXIT_DISC, ``local_pref`` the LOCAL_PREF (sent on iBGP only, RFC 4271 section 5.1.5; at least 1, since
    GoBGP reads 0 as "leave it").
    """

    communities: tuple[int, ...] = ()
    large_communities: tuple[tuple[int, int, int], ...] = ()
    med: int | None = None
    local_pref: int | None = None


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One session as it should be. The key is ``address``: a daemon has one session to an address.

    Times are seconds. ``prefix_limit`` is the number of prefixes a family may receive. Both families are always
    offered (so that switching one resets no session). ``multihop`` means an outgoing TTL of 255 instead of 1;
    it has no meaning for iBGP (``local_asn == peer_asn``).
    """

    address: IPAddress
    local_address: IPAddress
    local_asn: int
    peer_asn: int
    hold_time: int = 30
    keepalive: int = 10
    connect_retry: int = 5
    multihop: bool = True
    password: Password | None = None
    graceful_restart: GracefulRestart | None = GracefulRestart()
    prefix_limit: int = 10_000
    export: ExportAttributes = ExportAttributes()

    @property
    def internal(self) -> bool:
        """Whether the session is iBGP."""
        return self.local_asn == self.peer_asn

    def effective(self) -> "Neighbor":
        """Return the same session without what makes no difference, for comparison with what a daemon has."""
        export = replace(
            self.export,
            communities=tuple(sorted(set(self.export.communities))),
            large_communities=tuple(sorted(set(self.export.large_communities))),
            local_pref=self.export.local_pref if self.internal else None,
        )
        return replace(self, multihop=self.multihop and not self.internal, password=None, export=export)


@dataclass(frozen=True, slots=True)
class Path:
    """A route to announce: a prefix and the explicit next hop, of the prefix's family."""

    prefix: IPNetwork
    next_hop: IPAddress


@dataclass(frozen=True, slots=True)
class Desired:
    """All that the engine should have.

    Every neighbour gets every path (a removal withdraws first, neighbour by neighbour). ``router_id`` is the BGP
    identifier of the daemon, ``marker`` the name by which we know a daemon that we started ourselves.
    """

    router_id: IPv4Address
    marker: str
    neighbors: Mapping[IPAddress, Neighbor] = field(default_factory=dict)
    paths: Mapping[IPNetwork, Path] = field(default_factory=dict)


FIRST_DIAL: Final[Mapping[str, float]] = {"v3": 5.0, "v4": 1.5}
"""For how many seconds each generation leaves a neighbour alone that was added, before it dials for the first time.

Measured, 20 neighbours each: 3.10 dials after 5 to 9 s, 4.8 after 1.5 to 2 s, whatever connect retry and idle hold time
are; a hard reset changes nothing, and disabling and enabling the neighbour adds 5 s.
"""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """The daemon at the other end: API generation ("v3" or "v4"), and its identity when BGP runs.

    ``started`` says that there is no more starting to be done: it is also false while a start of ours, that was
    interrupted, has yet to be finished.

    ``marker`` is the one found in the daemon (``None``: none of ours), so that a daemon which somebody else started,
    or that was restarted in between, is told from the one we filled.
    """

    api: str
    started: bool
    router_id: IPv4Address | None = None
    asn: int | None = None
    marker: str | None = None


@dataclass(frozen=True, slots=True)
class PasswordMark:
    """A password that a daemon has, as far as we keep it: enough to tell whether it is the one that it should have.

    A keyed digest, never written anywhere. ``salt`` is chosen anew by every process.
    """

    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @staticmethod
    def of(text: str, salt: bytes) -> "PasswordMark":
        """Return the mark of a password."""
        return PasswordMark(salt, hashlib.blake2b(text.encode(), key=salt).digest())

    def matches(self, password: Password) -> bool:
        """Whether this is the mark of ``password``."""
        return hmac.compare_digest(self.digest, PasswordMark.of(password.reveal(), self.salt).digest)


@dataclass(frozen=True, slots=True)
class ObservedNeighbor:
    """A neighbour as the daemon has it configured: ``settings`` without the password, and the mark of that."""

    settings: Neighbor
    password: PasswordMark | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """All that the engine has, to be compared with :class:`Desired`.

    ``unreached`` are prefixes whose path some of the ``neighbors`` don't get: the removal of a neighbour was
    interrupted, and now it is to stay. Such a path has to be announced again.
    """

    info: EngineInfo
    neighbors: Mapping[IPAddress, ObservedNeighbor] = field(default_factory=dict)
    paths: Mapping[IPNetwork, Path] = field(default_factory=dict)
    unreached: frozenset[IPNetwork] = frozenset()


@dataclass(frozen=True, slots=True)
class FamilyState:
    """One family of a session: negotiated or not, and prefixes received and advertised.

    ``advertised`` is our own count of the paths of the family that go to this neighbour; asking a daemon for
    its count walks the whole table under its lock.
    """

    negotiated: bool
    received: int = 0
    advertised: int = 0


@dataclass(frozen=True, slots=True)
class NeighborState:
    """A neighbour as the daemon reports it.

    Counters are since the daemon added it. ``prefix_limit_exceeded``: the daemon ended the session because the other
    side sent too many prefixes, and stays away until :meth:`Engine.enable_neighbor` (``flatbgp.engine.protocol``).
    """

    address: IPAddress
    local_address: IPAddress | None
    state: SessionState
    admin_down: bool = False
    prefix_limit_exceeded: bool = False
    uptime: float | None = None  # seconds since Established
    hold_time: int | None = None  # negotiated, seconds
    families: Mapping[Family, FamilyState] = field(default_factory=dict)
    notifications_received: int = 0
    notifications_sent: int = 0
    graceful_restart: bool = False  # the peer sent the capability


class Exit(StrEnum):
    """How a neighbour is taken away.

    A MOVE says nothing to the router (another node continues the session: RFC 4724 helpers keep the routes); the
    caller has already made sure that no byte can leave. A REMOVAL withdraws every route, then sends a Cease.
    """

    MOVE = "move"
    REMOVAL = "removal"
