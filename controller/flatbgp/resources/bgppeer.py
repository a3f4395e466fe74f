"""BGPPeer: a router, and how sessions with it are to be."""

from dataclasses import dataclass

from flatbgp.resources.conditions import Condition
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.kind import Column, Kind


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret of type kubernetes.io/basic-auth in the peer's namespace; its key ``password`` is used."""

    name: str


@dataclass(frozen=True, slots=True)
class BGPTimers:
    """Session timers in seconds (RFC 4271 section 10)."""

    hold_time_seconds: int = 30
    keep_alive_time_seconds: int = 10
    connect_retry_time_seconds: int = 5


@dataclass(frozen=True, slots=True)
class GracefulRestartSettings:
    """RFC 4724: how long routers keep routes while a gateway is replaced, in seconds."""

    enabled: bool = True
    restart_time_seconds: int = 60
    deferral_time_seconds: int = 3


@dataclass(frozen=True, slots=True)
class BGPPeerSpec:
    """The guide's four fields and the optional ones of ours, whose absence means the guide's behaviour.

    ``sessions`` is from how many floating IPs sessions are opened. ``communities`` ("ASN:value", RFC 1997 or a
    well-known name), ``large_communities`` ("ASN:a:b", RFC 8092), ``med`` and ``local_pref`` (iBGP only) are set on every
    route that the peer gets; ``prefix_limit`` is the number of prefixes accepted from it for each family.
    """

    local_asn: int
    peer_asn: int
    peer_ip: IPAddress
    sessions: int = 1
    ebgp_multihop: bool = True
    password_secret_ref: SecretReference | None = None
    timers: BGPTimers = BGPTimers()
    graceful_restart: GracefulRestartSettings = GracefulRestartSettings()
    communities: tuple[str, ...] = ()
    large_communities: tuple[str, ...] = ()
    med: int | None = None
    local_pref: int | None = None
    prefix_limit: int = 10_000


@dataclass(frozen=True, slots=True)
class BGPPeerStatus:
    """Counts and conditions, written by the controller."""

    sessions: int = 0
    established: int = 0
    conditions: tuple[Condition, ...] = ()


BGP_PEER = Kind(
    name="BGPPeer",
    group="networking.gke.io",
    version="v1",
    plural="bgppeers",
    singular="bgppeer",
    namespaced=True,
    spec_type=BGPPeerSpec,
    status_type=BGPPeerStatus,
    columns=(
        Column("LOCAL ASN", ".spec.localASN", type="integer"),
        Column("PEER ASN", ".spec.peerASN", type="integer"),
        Column("PEER IP", ".spec.peerIP"),
        Column("SESSIONS", ".spec.sessions", type="integer"),
        Column("ESTABLISHED", ".status.established", type="integer"),
        Column("AGE", ".metadata.creationTimestamp", type="date"),
    ),
)
