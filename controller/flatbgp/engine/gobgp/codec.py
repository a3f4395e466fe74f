"""Between our words and the messages of the GoBGP API: what both generations have in common. Pure.

The messages that we use have the same names and fields in both generations, so one body serves; what differs is in the
two subclasses: the enum values (version 4 begins most enums with an UNSPECIFIED zero and shifts the rest by one), and
the form of prefixes, attributes and capabilities. Message modules are therefore typed as ``Any`` here, and the contract
suite runs every line against both daemons.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, ClassVar

from flatbgp.engine.gobgp.policy import PolicyCodec
from flatbgp.engine.gobgp.record import Tagged
from flatbgp.engine.gobgp.tags import GLOBAL_ASN, Tag
from flatbgp.engine.model import (
    EngineInfo,
    ExportAttributes,
    FamilyState,
    GracefulRestart,
    Neighbor,
    NeighborState,
    ObservedNeighbor,
    PasswordMark,
    Path,
    SessionState,
)
from flatbgp.resources.ip import Family, IPAddress

AFI = {Family.IPV4: 1, Family.IPV6: 2}
FAMILY = {afi: family for family, afi in AFI.items()}
SAFI_UNICAST = 1
ORIGIN_IGP = 0
MULTIHOP_TTL = 255
NO_LISTENER = -1

# How long the daemon rests after a session ended before it tries again (30 s of its own; version 3 reads this from 3.15
# on). Short, but not so short that a router which refuses us is pestered.
IDLE_HOLD_TIME = 5

# The same numbers in both generations.
_SESSION_STATES = {
    1: SessionState.IDLE,
    2: SessionState.CONNECT,
    3: SessionState.ACTIVE,
    4: SessionState.OPEN_SENT,
    5: SessionState.OPEN_CONFIRM,
    6: SessionState.ESTABLISHED,
}


@dataclass(frozen=True, slots=True)
class PeerEnums:
    """Enum values about peers and tables that the two generations number differently."""

    peer_internal: int
    peer_external: int
    admin_down: int
    admin_prefix_limit: int
    reset_out: int
    table_global: int
    table_adj_in: int
    table_adj_out: int


class Codec(ABC):
    """One generation of the API."""

    api: ClassVar[str]
    pb: ClassVar[Any]
    enums: ClassVar[PeerEnums]
    policy: ClassVar[PolicyCodec]
    forgets_plain_peers: ClassVar[bool] = False

    @abstractmethod
    def stub(self, channel: Any) -> Any:
        """Return the methods of the service on a channel (as :class:`.channel.NotedChannel` is one)."""

    @abstractmethod
    def encode_path(self, path: Path, tags: frozenset[Tag], *, withdraw: bool) -> Any:
        """Return a path as the API wants it."""

    @abstractmethod
    def decode_path(self, message: Any) -> Tagged | None:
        """Return a path and its tags; ``None`` if it is none that we could have made."""

    @abstractmethod
    def capabilities(self, peer: Any) -> tuple[frozenset[Family], bool]:
        """Return the families that the other end offers, and whether it offers graceful restart."""

    def start_request(self, router_id: IPv4Address) -> Any:
        """Return the request that starts BGP."""
        identity = self.pb.Global(asn=GLOBAL_ASN, router_id=str(router_id), listen_port=NO_LISTENER)
        return self.pb.StartBgpRequest(**{"global": identity})  # a keyword of Python

    def info(self, response: Any) -> EngineInfo:
        """Read the answer to GetBgp."""
        identity = getattr(response, "global")
        if identity.asn == 0:  # not started; the router ID is then "" in version 3 and "invalid IP" in version 4
            return EngineInfo(self.api, started=False)
        return EngineInfo(self.api, True, IPv4Address(identity.router_id), identity.asn)

    def path_request(self, tagged: Iterable[Tagged], *, withdraw: bool = False) -> Any:
        """Return one message of a stream of paths."""
        paths = [self.encode_path(path, tags, withdraw=withdraw) for path, tags in tagged]
        return self.pb.AddPathStreamRequest(table_type=self.enums.table_global, paths=paths)

    def list_paths(self, family: Family) -> Any:
        """Return the request for all paths of a family."""
        return self.pb.ListPathRequest(table_type=self.enums.table_global, family=self.family(family))

    def count_paths(self, family: Family) -> Any:
        """Return the request for the number of paths of a family."""
        return self.pb.GetTableRequest(table_type=self.enums.table_global, family=self.family(family))

    def soft_reset(self, address: IPAddress) -> Any:
        """Return the request to send all routes to a neighbour again (RFC 2918, our side of it)."""
        return self.pb.ResetPeerRequest(address=str(address), soft=True, direction=self.enums.reset_out)

    def family(self, family: Family) -> Any:
        """Return a family as a message."""
        return self.pb.Family(afi=AFI[family], safi=SAFI_UNICAST)

    def peer(self, neighbor: Neighbor) -> Any:
        """Return a neighbour as a message, every field that has a default filled.

        Version 3.10 compares an update with what it has before it fills in defaults, and resets the session over any
        field left out. There is no description: changing one resets the session as well.
        """
        pb = self.pb
        peer = pb.Peer(
            conf=pb.PeerConf(
                neighbor_address=str(neighbor.address),
                peer_asn=neighbor.peer_asn,
                local_asn=neighbor.local_asn,
                type=self.enums.peer_internal if neighbor.internal else self.enums.peer_external,
                auth_password=neighbor.password.reveal() if neighbor.password else "",
            ),
            timers=pb.Timers(
                config=pb.TimersConfig(
                    connect_retry=neighbor.connect_retry,
                    hold_time=neighbor.hold_time,
                    keepalive_interval=neighbor.keepalive,
                    idle_hold_time_after_reset=IDLE_HOLD_TIME,
                )
            ),
            transport=pb.Transport(local_address=str(neighbor.local_address)),
            afi_safis=[self._afi_safi(neighbor, family) for family in Family],
        )
        if neighbor.multihop and not neighbor.internal:
            peer.ebgp_multihop.enabled = True
            peer.ebgp_multihop.multihop_ttl = MULTIHOP_TTL
        if (restart := neighbor.graceful_restart) is not None:
            peer.graceful_restart.enabled = True
            peer.graceful_restart.restart_time = restart.restart_time
            peer.graceful_restart.deferral_time = restart.deferral_time
            # Always, also on a first start: nobody knows what the router still keeps from a session of another node.
            peer.graceful_restart.local_restarting = True
        return peer

    def _afi_safi(self, neighbor: Neighbor, family: Family) -> Any:
        pb = self.pb
        message = pb.AfiSafi(
            config=pb.AfiSafiConfig(family=self.family(family), enabled=True),
            prefix_limits=pb.PrefixLimit(family=self.family(family), max_prefixes=neighbor.prefix_limit),
        )
        # Without this the graceful restart capability would list no family.
        message.mp_graceful_restart.config.enabled = neighbor.graceful_restart is not None
        return message

    def observed(self, peer: Any, export: ExportAttributes, salt: bytes) -> ObservedNeighbor:
        """Read the configuration of a neighbour; of the password only a mark is kept."""
        restart = peer.graceful_restart
        settings = Neighbor(
            address=ip_address(peer.conf.neighbor_address),
            local_address=ip_address(peer.transport.local_address),
            local_asn=peer.conf.local_asn,
            peer_asn=peer.conf.peer_asn,
            hold_time=peer.timers.config.hold_time,
            keepalive=peer.timers.config.keepalive_interval,
            connect_retry=peer.timers.config.connect_retry,
            multihop=peer.ebgp_multihop.enabled,
            graceful_restart=GracefulRestart(restart.restart_time, restart.deferral_time) if restart.enabled else None,
            # The strictest: were the families different, the comparison would show it.
            prefix_limit=min((family.prefix_limits.max_prefixes for family in peer.afi_safis), default=0),
            export=export,
        )
        password = peer.conf.auth_password
        return ObservedNeighbor(settings, PasswordMark.of(password, salt) if password else None)

    def established(self, peer: Any) -> bool:
        """Whether the session of a neighbour is up."""
        return _SESSION_STATES.get(peer.state.session_state) is SessionState.ESTABLISHED

    def state(self, peer: Any, now: float, advertised: Callable[[IPAddress, Family], int]) -> NeighborState:
        """Read the state of a neighbour. ``now`` is the daemon's wall clock, seconds since 1970."""
        address = ip_address(peer.conf.neighbor_address)
        established = self.established(peer)
        offered, restarts = self.capabilities(peer)
        received = {FAMILY.get(f.state.family.afi): f.state.received for f in peer.afi_safis}
        messages = peer.state.messages
        return NeighborState(
            address=address,
            local_address=_address_or_none(peer.transport.local_address),
            state=_SESSION_STATES.get(peer.state.session_state, SessionState.IDLE),
            admin_down=peer.state.admin_state == self.enums.admin_down,
            prefix_limit_exceeded=peer.state.admin_state == self.enums.admin_prefix_limit,
            uptime=max(0.0, now - peer.timers.state.uptime.seconds) if established else None,
            hold_time=peer.timers.state.negotiated_hold_time if established else None,
            families={
                family: FamilyState(
                    negotiated=True,
                    received=received.get(family, 0),
                    advertised=advertised(address, family),
                )
                if established and family in offered
                else FamilyState(negotiated=False)
                for family in Family
            },
            notifications_received=messages.received.notification,
            notifications_sent=messages.sent.notification,
            graceful_restart=established and restarts,
        )


def path_of(prefix: str, length: int, next_hop: str, communities: Iterable[Tag]) -> Tagged | None:
    """Return a path from texts of the daemon; ``None`` if they are none that we could have sent."""
    try:
        path = Path(ip_network(f"{prefix}/{length}"), ip_address(next_hop))
    except ValueError:
        return None
    return path, frozenset(tag for tag in communities if tag[0] == GLOBAL_ASN)


def _address_or_none(text: str) -> IPAddress | None:
    try:
        return ip_address(text)
    except ValueError:  # "", "<nil>" (version 3) or "invalid IP" (version 4)
        return None
