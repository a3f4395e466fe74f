"""What a NOTIFICATION means, in a word, in a sentence, and what to do about it.

Codes and subcodes: RFC 4271 section 6; Cease: RFC 4486, 8203/9003, 8538, 9384; finite state machine: RFC 6608; roles:
RFC 9234; ROUTE-REFRESH: RFC 7313; send hold timer: RFC 9687.
"""

from typing import NamedTuple

from flatbgp.host.packets.bgp import Notification


class Meaning(NamedTuple):
    """``reason`` is one word for a condition, ``text`` the sentence after it, ``remedy`` what a person can do."""

    reason: str
    text: str
    remedy: str


_COMPARE_ASNS = "Compare localASN and peerASN of the BGPPeer with the router's own ASN and its neighbor statement."
_COMPARE_CAPABILITIES = "Compare the address families and capabilities of both ends."
_TELL_VENDOR = "One end sent what the other cannot read: compare their software versions and look at the router's log."
_WAIT = "Nothing, if it comes alone: the session is opened again."

MEANINGS: dict[tuple[int, int], Meaning] = {
    (1, 0): Meaning("MessageHeaderError", "a message header could not be read", _TELL_VENDOR),
    (1, 1): Meaning("ConnectionNotSynchronized", "a message did not begin with the marker", _TELL_VENDOR),
    (1, 2): Meaning("BadMessageLength", "a message had an impossible length", _TELL_VENDOR),
    (1, 3): Meaning("BadMessageType", "a message had an unknown type", _TELL_VENDOR),
    (2, 0): Meaning("OpenMessageError", "the OPEN message was refused", _COMPARE_CAPABILITIES),
    (2, 1): Meaning("UnsupportedVersionNumber", "the other end does not speak BGP version 4", _TELL_VENDOR),
    (2, 2): Meaning("BadPeerAS", "the ASN in the OPEN message is not the expected one", _COMPARE_ASNS),
    (2, 3): Meaning(
        "BadBGPIdentifier",
        "the router ID in the OPEN message is not valid, or both ends have the same",
        "Give router and node different router IDs; a node's is its IPv4 address.",
    ),
    (2, 4): Meaning("UnsupportedOptionalParameter", "an optional parameter is not supported", _COMPARE_CAPABILITIES),
    (2, 5): Meaning("AuthenticationFailure", "authentication failed", "Compare the passwords of both ends."),
    (2, 6): Meaning(
        "UnacceptableHoldTime",
        "the hold time in the OPEN message is refused",
        "Set timers on the BGPPeer to what the router accepts; many ask for 3 s or more.",
    ),
    (2, 7): Meaning("UnsupportedCapability", "a capability that one end demands is missing", _COMPARE_CAPABILITIES),
    (2, 11): Meaning("RoleMismatch", "the BGP roles of the two ends do not fit", "Remove the role from the router."),
    (3, 0): Meaning("UpdateMessageError", "an UPDATE message was refused", _TELL_VENDOR),
    (3, 1): Meaning("MalformedAttributeList", "an UPDATE had a malformed attribute list", _TELL_VENDOR),
    (3, 2): Meaning("UnrecognizedWellKnownAttribute", "an UPDATE had an unknown well-known attribute", _TELL_VENDOR),
    (3, 3): Meaning("MissingWellKnownAttribute", "an UPDATE lacked a mandatory attribute", _TELL_VENDOR),
    (3, 4): Meaning("AttributeFlagsError", "an attribute of an UPDATE had wrong flags", _TELL_VENDOR),
    (3, 5): Meaning("AttributeLengthError", "an attribute of an UPDATE had a wrong length", _TELL_VENDOR),
    (3, 6): Meaning("InvalidOriginAttribute", "the ORIGIN of an UPDATE is not valid", _TELL_VENDOR),
    (3, 7): Meaning("ASRoutingLoop", "the AS path of an UPDATE held a loop", _COMPARE_ASNS),
    (3, 8): Meaning(
        "InvalidNextHopAttribute",
        "the next hop of an UPDATE is not valid for the router",
        "Look whether the router has a route to the node addresses, and whether one of them is its own.",
    ),
    (3, 9): Meaning("OptionalAttributeError", "an optional attribute of an UPDATE was refused", _TELL_VENDOR),
    (3, 10): Meaning("InvalidNetworkField", "a prefix of an UPDATE could not be read", _TELL_VENDOR),
    (3, 11): Meaning("MalformedASPath", "the AS path of an UPDATE was refused", _COMPARE_ASNS),
    (4, 0): Meaning(
        "HoldTimerExpired",
        "nothing was heard from the other end for the hold time",
        "Look for packet loss, an overloaded router, and a firewall that drops TCP port 179.",
    ),
    (5, 0): Meaning("FiniteStateMachineError", "a message came in a state that does not allow it", _WAIT),
    (5, 1): Meaning("UnexpectedMessageInOpenSent", "a message other than OPEN came first", _WAIT),
    (5, 2): Meaning("UnexpectedMessageInOpenConfirm", "a message came before the session was confirmed", _WAIT),
    (5, 3): Meaning("UnexpectedMessageInEstablished", "a message came that an open session does not allow", _WAIT),
    (6, 0): Meaning("Cease", "the session was closed without a reason", "Look at the router's log."),
    (6, 1): Meaning(
        "MaxPrefixes",
        "more prefixes were sent than the other end accepts",
        "Raise the limit of the end that closed the session (prefixLimit on the BGPPeer), or send fewer routes.",
    ),
    (6, 2): Meaning(
        "AdministrativeShutdown",
        "the session was shut down by a person",
        "Enable the neighbor again on the router, when its operators say so.",
    ),
    (6, 3): Meaning(
        "PeerDeconfigured",
        "the neighbor was removed from the configuration of the other end",
        "Add the neighbor on the router, or delete the BGPPeer.",
    ),
    (6, 4): Meaning("AdministrativeReset", "the session was reset by a person", _WAIT),
    (6, 5): Meaning(
        "ConnectionRejected",
        "the other end does not accept the connection now",
        "Look whether the router knows the floating IPs as neighbors.",
    ),
    (6, 6): Meaning("OtherConfigurationChange", "the configuration of the other end was changed", _WAIT),
    (6, 7): Meaning("ConnectionCollisionResolution", "two connections met, this one gave way", _WAIT),
    (6, 8): Meaning("OutOfResources", "the other end is out of resources", "Look at the memory of the router."),
    (6, 9): Meaning("HardReset", "the session was closed without keeping routes", "Look at the router's log."),
    (6, 10): Meaning("BFDDown", "BFD found the path between the two ends broken", "Look at the network between."),
    (7, 0): Meaning("RouteRefreshError", "a ROUTE-REFRESH message was refused", _TELL_VENDOR),
    (7, 1): Meaning("InvalidRouteRefreshLength", "a ROUTE-REFRESH message had a wrong length", _TELL_VENDOR),
    (8, 0): Meaning(
        "SendHoldTimerExpired",
        "the other end read nothing for longer than the hold time",
        "Look for an overloaded or frozen router.",
    ),
}


def meaning(notification: Notification) -> Meaning:
    """Return what the notification says; a subcode nobody has named means what its code means."""
    code, subcode = notification.code, notification.subcode
    known = MEANINGS.get((code, subcode)) or MEANINGS.get((code, 0))
    if known is None:
        return Meaning("UnknownNotification", f"a NOTIFICATION {code}/{subcode} that no standard names", _TELL_VENDOR)
    return known


def sentence(notification: Notification, *, sent: bool) -> str:
    """Return one sentence for a status message: who said what, with the numbers and the other side's own text."""
    word = meaning(notification)
    numbers = f"NOTIFICATION {notification.code}/{notification.subcode}"
    who = f"sent {numbers} to the peer" if sent else f"the peer sent {numbers}"
    said = f' ("{notification.text}")' if notification.text else ""
    return f"{who}: {word.text}{said}. {word.remedy}"
