"""BGPPeer: a router, and how sessions with it are to be."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from flatbgp.resources.conditions import Condition
from flatbgp.resources.faults import Fault, Severity
from flatbgp.resources.forms import ASN, UINT32_MAX, Community, Count, HostAddress, LargeCommunity, ObjectName, UInt32
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.schema import CelRule, Doc, KeyedBy, Length, Range, Rule, Unique
from flatbgp.resources.takeover import WORST_SECONDS, restart_time_problem


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A Secret of type kubernetes.io/basic-auth in the peer's namespace; its key ``password`` is used."""

    name: Annotated[ObjectName, Doc("The Secret's name.")]


def _hold_time_problem(seconds: int) -> str | None:
    if seconds == 0:
        # RFC 4271 allows 0 (no keepalives); GoBGP takes it for "not set" and uses its own default of 90.
        return "would mean no keepalives, so that a dead router is never noticed; use 3 to 65535"
    return "must be 3 to 65535 (RFC 4271 section 4.2)" if seconds < 3 else None


@dataclass(frozen=True, slots=True)
class BGPTimers:
    """Session timers in seconds (RFC 4271 section 10)."""

    hold_time_seconds: Annotated[
        int,
        Doc("Silence of the router after which the session ends."),
        Range(0, 65535),
        Rule("3 to 65535 seconds", _hold_time_problem, "self >= 3"),
    ] = 30
    keep_alive_time_seconds: Annotated[
        int | None, Doc("Time between keepalives; a third of the hold time unless set."), Range(1, 21845)
    ] = None
    connect_retry_time_seconds: Annotated[int, Doc("Time between attempts to connect."), Range(1, 65535)] = 5

    @property
    def keepalive(self) -> int:
        """Seconds between keepalives: what is set, else a third of the hold time (RFC 4271 section 10)."""
        return self.keep_alive_time_seconds or max(1, self.hold_time_seconds // 3)


@dataclass(frozen=True, slots=True)
class GracefulRestartSettings:
    """RFC 4724: how long routers keep routes while a gateway is replaced, in seconds."""

    enabled: Annotated[bool, Doc("Whether routers are asked to keep routes while another node takes over.")] = True
    restart_time_seconds: Annotated[
        int, Doc("For how long they keep them; must exceed the worst take-over."), Range(1, 4095)
    ] = 60
    deferral_time_seconds: Annotated[
        int, Doc("For how long a new session waits for the others before its End-of-RIB."), Range(1, 4095)
    ] = 3


@dataclass(frozen=True, slots=True)
class BGPPeerSpec:
    """A router: its address and AS number, and optional settings whose absence means the guide's behaviour."""

    local_asn: Annotated[ASN, Doc("Our AS number in sessions with this router; it may differ from peer to peer.")]
    peer_asn: Annotated[ASN, Doc("The router's AS number.")]
    peer_ip: Annotated[HostAddress, Doc("The router's address, IPv4 or IPv6.")]
    sessions: Annotated[
        int, Doc("From how many floating IPs sessions are opened, each held by another node."), Range(1, 2**31 - 1)
    ] = 1
    ebgp_multihop: Annotated[bool, Doc("Whether the router may be more than one hop away (eBGP only).")] = True
    password_secret_ref: Annotated[
        SecretReference | None,
        Doc("The Secret of type kubernetes.io/basic-auth whose key password is the session's TCP MD5 password."),
    ] = None
    timers: Annotated[BGPTimers, Doc("Session timers.")] = BGPTimers()
    graceful_restart: Annotated[GracefulRestartSettings, Doc("Graceful restart (RFC 4724).")] = (
        GracefulRestartSettings()
    )
    communities: Annotated[
        tuple[Community, ...], Doc("Communities on every announced route (RFC 1997)."), Unique(), Length(0, 64)
    ] = ()
    large_communities: Annotated[
        tuple[LargeCommunity, ...],
        Doc("Large communities on every announced route (RFC 8092)."),
        Unique(),
        Length(0, 64),
    ] = ()
    med: Annotated[UInt32 | None, Doc("MULTI_EXIT_DISC of every announced route; shown as METRIC.")] = None
    local_pref: Annotated[
        int | None,
        Doc("LOCAL_PREF of every announced route; sent to iBGP peers only."),
        Range(1, UINT32_MAX),  # GoBGP takes 0 for "not set" and sends its default of 100
    ] = None
    prefix_limit: Annotated[
        int,
        Doc("Prefixes accepted from it in each family; beyond, the session ends, with a new try after 5 minutes."),
        Range(1, 2**31 - 1),
    ] = 10_000

    @property
    def internal(self) -> bool:
        """Whether sessions are iBGP."""
        return self.local_asn == self.peer_asn


def _rules(spec: BGPPeerSpec) -> Iterable[Fault]:
    timers, restart = spec.timers, spec.graceful_restart
    if timers.keep_alive_time_seconds is not None and timers.keep_alive_time_seconds * 3 > timers.hold_time_seconds:
        yield Fault(
            f"must be at most a third of the hold time of {timers.hold_time_seconds} s, which is"
            f" {timers.hold_time_seconds // 3} (RFC 4271 section 10)",
            "timers.keepAliveTimeSeconds",
            str(timers.keep_alive_time_seconds),
        )
    if restart.enabled:
        problem = restart_time_problem(restart.restart_time_seconds)
        if problem is not None:
            yield Fault(problem, "gracefulRestart.restartTimeSeconds", str(restart.restart_time_seconds))
        elif restart.deferral_time_seconds >= restart.restart_time_seconds:
            yield Fault(
                f"must be less than the restart time of {restart.restart_time_seconds} s",
                "gracefulRestart.deferralTimeSeconds",
                str(restart.deferral_time_seconds),
            )
    if spec.local_pref is not None and not spec.internal:
        yield Fault(
            "has no effect here: LOCAL_PREF goes to iBGP peers only (RFC 4271 section 5.1.5); use med or communities",
            "localPref",
            str(spec.local_pref),
            severity=Severity.WARNING,
        )


_CEL_RULES = (
    CelRule(
        "spec.timers",
        "self.?keepAliveTimeSeconds.orValue(1) * 3 <="
        f" self.?holdTimeSeconds.orValue({max(BGPTimers().hold_time_seconds, 3)})",
        "must be at most a third of the hold time (RFC 4271 section 10)",
        "keepAliveTimeSeconds",
    ),
    CelRule(
        "spec.gracefulRestart",
        f"!self.?enabled.orValue({str(GracefulRestartSettings().enabled).lower()}) ||"
        f" self.?restartTimeSeconds.orValue({GracefulRestartSettings().restart_time_seconds}) > {int(WORST_SECONDS)}",
        f"must exceed the worst take-over of {WORST_SECONDS:g} s, or routers drop routes meanwhile",
        "restartTimeSeconds",
    ),
    CelRule(
        "spec.gracefulRestart",
        f"!self.?enabled.orValue({str(GracefulRestartSettings().enabled).lower()}) ||"
        f" self.?deferralTimeSeconds.orValue({GracefulRestartSettings().deferral_time_seconds}) <"
        f" self.?restartTimeSeconds.orValue({GracefulRestartSettings().restart_time_seconds})",
        "must be less than the restart time",
        "deferralTimeSeconds",
    ),
)


@dataclass(frozen=True, slots=True)
class BGPPeerStatus:
    """Counts and conditions, written by the controller."""

    sessions: Annotated[Count, Doc("Planned sessions.")] = 0
    established: Annotated[Count, Doc("Sessions that are up.")] = 0
    conditions: Annotated[tuple[Condition, ...], Doc("How it is."), KeyedBy("type")] = ()


BGP_PEER = Kind(
    name="BGPPeer",
    group="networking.gke.io",
    version="v1",
    plural="bgppeers",
    singular="bgppeer",
    namespaced=True,
    spec_type=BGPPeerSpec,
    status_type=BGPPeerStatus,
    doc="A router, and how sessions with it are to be. Only those that the FlatIPMode's peerSelector selects by their"
    " labels are used. Four fields suffice; the others have defaults that suit most routers.",
    rules=_rules,
    cel_rules=_CEL_RULES,
    columns=(
        Column("LOCAL ASN", ".spec.localASN", type="integer"),
        Column("PEER ASN", ".spec.peerASN", type="integer"),
        Column("PEER IP", ".spec.peerIP"),
        Column("SESSIONS", ".spec.sessions", type="integer"),
        Column("ESTABLISHED", ".status.established", type="integer"),
        Column("AGE", ".metadata.creationTimestamp", type="date"),
    ),
)
