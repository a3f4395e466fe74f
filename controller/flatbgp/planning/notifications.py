"""NOTIFICATION messages in words: what each code and subcode means for the operator, and what to do about it.

Sources: RFC 4271 section 4.5 and 6, RFC 4486 (Cease subcodes), RFC 5492 (unsupported capability), RFC 6608 (FSM error
subcodes), RFC 7313 (route refresh), RFC 8538 (hard reset), RFC 9003 (the shutdown text), RFC 9384 (BFD down),
RFC 9687 (send hold timer).
"""

from dataclasses import dataclass

from flatbgp.resources.reasons import Reason


@dataclass(frozen=True, slots=True)
class Names:
    """The words by which messages call the two ends."""

    peer: str
    peer_ip: str
    local_ip: str
    node: str
    local_asn: int
    peer_asn: int


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFICATION as read from the wire; ``sent`` by us, else received; ``text`` is RFC 9003's, if any."""

    sent: bool
    code: int
    subcode: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Meaning:
    """A NOTIFICATION explained: its reason word, its name in the RFC, and what to do."""

    reason: Reason
    name: str
    cure: str
    notification: Notification

    @property
    def headline(self) -> str:
        """The NOTIFICATION in a few words: direction, name, numbers, text."""
        note = self.notification
        text = f', "{note.text}"' if note.text else ""
        return (
            f"{self.reason} ({self.name}, code {note.code}/{note.subcode}, {'sent' if note.sent else 'received'}{text})"
        )

    def sentence(self, names: Names) -> str:
        """Return the whole message for a session between the two ends of ``names``."""
        note = self.notification
        who = f"We ended the session with {names.peer_ip}" if note.sent else f"{names.peer_ip} ended the session"
        text = f' and said: "{note.text}"' if note.text else ""
        cure = self.cure.format(**{slot: getattr(names, slot) for slot in names.__dataclass_fields__})
        return f"{who} with NOTIFICATION {note.code}/{note.subcode} ({self.name}){text}. {cure}"


_OPEN_CURE = "Compare the two configurations."
_TABLE: dict[tuple[int, int], tuple[Reason, str, str]] = {
    (1, 1): (Reason.MESSAGE_HEADER_ERROR, "Connection Not Synchronized", "Look for a device that alters BGP segments."),
    (1, 2): (Reason.MESSAGE_HEADER_ERROR, "Bad Message Length", "Look for a device that alters BGP segments."),
    (1, 3): (Reason.MESSAGE_HEADER_ERROR, "Bad Message Type", "Look for a device that alters BGP segments."),
    (2, 1): (Reason.UNSUPPORTED_VERSION, "Unsupported Version Number", "The router speaks no BGP-4."),
    (2, 2): (
        Reason.BAD_PEER_AS,
        "Bad Peer AS",
        (
            "The AS numbers do not agree: this BGPPeer says localASN {local_asn} and peerASN {peer_asn}; the router "
            "must have AS {peer_asn} itself and neighbour {local_ip} with remote AS {local_asn}."
        ),
    ),
    (2, 3): (
        Reason.BAD_BGP_IDENTIFIER,
        "Bad BGP Identifier",
        "Two speakers have the same router ID: give the router another one than the node's IPv4 address.",
    ),
    (2, 4): (Reason.UNSUPPORTED_PARAMETER, "Unsupported Optional Parameter", _OPEN_CURE),
    (2, 6): (
        Reason.UNACCEPTABLE_HOLD_TIME,
        "Unacceptable Hold Time",
        "The router wants another hold time: set timers.holdTimeSeconds of the BGPPeer within what it accepts.",
    ),
    (2, 7): (
        Reason.UNSUPPORTED_CAPABILITY,
        "Unsupported Capability",
        "Activate IPv4 unicast for this neighbour on the router.",
    ),
    (2, 11): (
        Reason.ROLE_MISMATCH,
        "Role Mismatch",
        "Remove the BGP role (RFC 9234) for this neighbour on the router.",
    ),
    (4, 0): (
        Reason.HOLD_TIMER_EXPIRED,
        "Hold Timer Expired",
        "No message arrived within the hold time: look at the path {local_ip} - {peer_ip} and at the load of both.",
    ),
    (5, 0): (Reason.FSM_ERROR, "Finite State Machine Error", "Look at the router's log."),
    (5, 1): (Reason.FSM_ERROR, "Unexpected Message in OpenSent", "Look at the router's log."),
    (5, 2): (Reason.FSM_ERROR, "Unexpected Message in OpenConfirm", "Look at the router's log."),
    (5, 3): (Reason.FSM_ERROR, "Unexpected Message in Established", "Look at the router's log."),
    (6, 1): (
        Reason.MAX_PREFIXES,
        "Maximum Number of Prefixes Reached",
        (
            "The side that closed the session got more prefixes than it accepts: raise the router's maximum-prefix for "
            "{local_ip}, or our prefixLimit, or announce less."
        ),
    ),
    (6, 2): (
        Reason.ADMINISTRATIVE_SHUTDOWN,
        "Administrative Shutdown",
        "Somebody shut the neighbour down on purpose: enable it again there.",
    ),
    (6, 3): (
        Reason.PEER_DECONFIGURED,
        "Peer De-configured",
        "The neighbour was removed there: configure {local_ip} with remote AS {local_asn} on the router.",
    ),
    (6, 4): (Reason.ADMINISTRATIVE_RESET, "Administrative Reset", "Nothing: the session is opened again by itself."),
    (6, 5): (
        Reason.CONNECTION_REJECTED,
        "Connection Rejected",
        "The router knows no such neighbour (or refuses it): configure {local_ip} with remote AS {local_asn} there.",
    ),
    (6, 6): (
        Reason.CONFIGURATION_CHANGE,
        "Other Configuration Change",
        "Nothing: the session is opened again by itself.",
    ),
    (6, 7): (
        Reason.CONNECTION_COLLISION,
        "Connection Collision Resolution",
        "Nothing: another connection of the pair won.",
    ),
    (6, 8): (
        Reason.OUT_OF_RESOURCES,
        "Out of Resources",
        "Look at the memory and session limits of the side that closed it.",
    ),
    (6, 9): (Reason.ADMINISTRATIVE_RESET, "Hard Reset", "Nothing: the session is opened again by itself."),
    (6, 10): (
        Reason.BFD_DOWN,
        "BFD Down",
        "The router's BFD lost us: BFD to a floating IP is not supported, turn it off there.",
    ),
}
_BY_CODE: dict[int, tuple[Reason, str, str]] = {
    1: (Reason.MESSAGE_HEADER_ERROR, "Message Header Error", "Look for a device that alters BGP segments."),
    2: (Reason.OPEN_ERROR, "OPEN Message Error", _OPEN_CURE),
    3: (
        Reason.UPDATE_ERROR,
        "UPDATE Message Error",
        "A route was malformed or refused: look at the log of the side that closed it.",
    ),
    4: _TABLE[4, 0],
    5: (Reason.FSM_ERROR, "Finite State Machine Error", "Look at the router's log."),
    6: (Reason.CEASE, "Cease", "Look at the log of the side that closed it."),
    8: (
        Reason.HOLD_TIMER_EXPIRED,
        "Send Hold Timer Expired",
        "The other end took nothing for too long: look at its load.",
    ),
    7: (Reason.UPDATE_ERROR, "ROUTE-REFRESH Message Error", "Look at the log of the side that closed it."),
}


def explain(notification: Notification) -> Meaning:
    """Return what a NOTIFICATION means; unknown numbers keep their numbers and name their code where it is known."""
    reason, name, cure = _TABLE.get(
        (notification.code, notification.subcode),
        _BY_CODE.get(
            notification.code,
            (
                Reason.OTHER_NOTIFICATION,
                f"unknown code {notification.code}",
                "Look at the log of the side that closed it.",
            ),
        ),
    )
    return Meaning(reason, name, cure, notification)
