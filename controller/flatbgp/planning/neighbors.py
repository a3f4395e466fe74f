"""A planned session as settings of a BGP neighbour, in the terms of the RFCs and not of any engine."""

from dataclasses import dataclass

from flatbgp.planning.sessions import PlannedSession
from flatbgp.resources.communities import parse_community, parse_large_community
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.secrets import Password


@dataclass(frozen=True, slots=True)
class NeighborSettings:
    """One neighbour. Times are seconds; ``restart_time`` ``None`` means no graceful restart (RFC 4724).

    ``multihop`` has no meaning for iBGP. ``local_pref`` is ``None`` towards eBGP peers, to whom it must not be sent
    (RFC 4271 section 5.1.5). ``communities`` are 32-bit values, ``large_communities`` triples (RFC 8092).
    """

    address: IPAddress
    local_address: IPAddress
    local_asn: int
    peer_asn: int
    hold_time: int
    keepalive: int
    connect_retry: int
    multihop: bool
    password: Password | None
    restart_time: int | None
    deferral_time: int
    prefix_limit: int
    communities: tuple[int, ...]
    large_communities: tuple[tuple[int, int, int], ...]
    med: int | None
    local_pref: int | None


def neighbor_for(session: PlannedSession, password: Password | None) -> NeighborSettings:
    """Return the settings of a session that does not wait; ``password`` is that of the peer's Secret.

    :class:`ValueError` for a session that waits, or one that should have a password and is given none.
    """
    spec = session.spec
    if session.waits is not None:
        raise ValueError(f"the session to {session.peer_ip} waits ({session.waits}) and has no neighbour")
    if (spec.password_secret_ref is None) != (password is None):
        raise ValueError(f"the session to {session.peer_ip} needs exactly the password that its BGPPeer names")
    restart = spec.graceful_restart
    return NeighborSettings(
        address=session.peer_ip,
        local_address=session.local_ip,
        local_asn=spec.local_asn,
        peer_asn=spec.peer_asn,
        hold_time=spec.timers.hold_time_seconds,
        keepalive=spec.timers.keepalive,
        connect_retry=spec.timers.connect_retry_time_seconds,
        multihop=spec.ebgp_multihop,
        password=password,
        restart_time=restart.restart_time_seconds if restart.enabled else None,
        deferral_time=restart.deferral_time_seconds,
        prefix_limit=spec.prefix_limit,
        communities=tuple(sorted(parse_community(text) for text in spec.communities)),
        large_communities=tuple(sorted(parse_large_community(text) for text in spec.large_communities)),
        med=spec.med,
        local_pref=spec.local_pref if spec.internal else None,
    )
