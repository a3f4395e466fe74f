"""BGPSession: one session of one node with one router, as the node's speaker sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.reasons import Reason


@dataclass(frozen=True, slots=True)
class BGPSessionSpec:
    """Who with whom: ``local_ip`` is a floating IP, ``peer`` the name of the BGPPeer."""

    local_asn: int
    peer_asn: int
    local_ip: IPAddress
    peer_ip: IPAddress
    node_name: str
    peer: str


class SessionStatusState(StrEnum):
    """The two states that the guide's table shows."""

    ESTABLISHED = "Established"
    NOT_ESTABLISHED = "NotEstablished"


@dataclass(frozen=True, slots=True)
class SessionFamily:
    """One negotiated family, and prefixes advertised and received."""

    family: Family
    advertised: int = 0
    received: int = 0


@dataclass(frozen=True, slots=True)
class BGPSessionStatus:
    """``since`` is when the state began; ``reason`` and ``message`` say why it is not Established, or why it last was not."""

    state: SessionStatusState
    last_report: datetime | None = None
    since: datetime | None = None
    reason: Reason | None = None
    message: str = ""
    families: tuple[SessionFamily, ...] = ()
    flaps: int = 0


BGP_SESSION = Kind(
    name="BGPSession",
    group="networking.gke.io",
    version="v1",
    plural="bgpsessions",
    singular="bgpsession",
    namespaced=True,
    spec_type=BGPSessionSpec,
    status_type=BGPSessionStatus,
    columns=(
        Column("LOCAL ASN", ".spec.localASN", type="integer"),
        Column("PEER ASN", ".spec.peerASN", type="integer"),
        Column("LOCAL IP", ".spec.localIP"),
        Column("PEER IP", ".spec.peerIP"),
        Column("STATE", ".status.state"),
        Column("LAST REPORT", ".status.lastReport", type="date"),
        Column("REASON", ".status.reason", wide=True),
    ),
)
