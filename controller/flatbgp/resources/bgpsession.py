"""BGPSession: one session of one node with one router, as the node's speaker sees it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from flatbgp.resources.forms import ASN, Count, HostAddress, ObjectName
from flatbgp.resources.ip import Family
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import Doc, KeyedBy


@dataclass(frozen=True, slots=True)
class BGPSessionSpec:
    """Who with whom: ``local_ip`` is a floating IP, ``peer`` the name of the BGPPeer."""

    local_asn: Annotated[ASN, Doc("Our AS number in this session.")]
    peer_asn: Annotated[ASN, Doc("The router's AS number.")]
    local_ip: Annotated[HostAddress, Doc("The floating IP from which the session is opened.")]
    peer_ip: Annotated[HostAddress, Doc("The router's address.")]
    node_name: Annotated[ObjectName, Doc("The node that holds the floating IP.")]
    peer: Annotated[ObjectName, Doc("The BGPPeer.")]


class SessionStatusState(StrEnum):
    """The two states that the guide's table shows."""

    ESTABLISHED = "Established"
    NOT_ESTABLISHED = "NotEstablished"


@dataclass(frozen=True, slots=True)
class SessionFamily:
    """One negotiated family, and prefixes advertised and received."""

    family: Annotated[Family, Doc("IPv4 or IPv6.")]
    advertised: Annotated[Count, Doc("Prefixes announced to the router.")] = 0
    received: Annotated[Count, Doc("Prefixes received from it; none of them is used.")] = 0


@dataclass(frozen=True, slots=True)
class BGPSessionStatus:
    """The state and since when; ``reason`` and ``message`` say why it is not Established, or why it last was not."""

    state: Annotated[SessionStatusState, Doc("Established or NotEstablished.")]
    last_report: Annotated[datetime | None, Doc("When the speaker last wrote this.")] = None
    since: Annotated[datetime | None, Doc("When the state began.")] = None
    reason: Annotated[Reason | None, Doc("Why the session is not Established, or why it last was not.")] = None
    message: Annotated[str, Doc("The reason in a sentence, with its cure.")] = ""
    families: Annotated[
        tuple[SessionFamily, ...], Doc("The negotiated families and their counts."), KeyedBy("family")
    ] = ()
    flaps: Annotated[Count, Doc("How often an Established session has ended.")] = 0


BGP_SESSION = Kind(
    name="BGPSession",
    group="networking.gke.io",
    version="v1",
    plural="bgpsessions",
    singular="bgpsession",
    namespaced=True,
    spec_type=BGPSessionSpec,
    status_type=BGPSessionStatus,
    doc="A BGP session of one node with one router, as the node sees it. Written by the node's speaker.",
    written_by="speaker",
    home=USER_NAMESPACE,
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
