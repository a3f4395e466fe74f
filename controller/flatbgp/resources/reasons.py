"""Every reason that a condition or a session can show, what it means and what to do: the one table.

The documentation page ``docs/reasons.md`` is made from it.
"""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A one-word reason, with its meaning and its cure as attributes."""

    meaning: str
    cure: str

    def __new__(cls, value: str, meaning: str, cure: str) -> Self:
        """Make a member that is its word and carries the two sentences."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.cure = cure
        return member

    # Objects
    READY = ("Ready", "The object is in use as written.", "Nothing.")
    INVALID = (
        "Invalid",
        "The stored object breaks a rule of its kind and is left out; the last good plan goes on without it.",
        "Mend the fields that the message names (flatbgp validate shows the same faults).",
    )
    NOT_SELECTED = (
        "NotSelected",
        "No FlatIPMode selects this BGPPeer, so it has no session.",
        "Give the BGPPeer the labels of the FlatIPMode's peerSelector.",
    )
    NOT_MIRRORED = (
        "NotMirrored",
        "The object was made on the user cluster while an admin role mirrors others; it is not used.",
        "Make it in the cluster namespace of the admin cluster.",
    )
    OVERWRITTEN = (
        "Overwritten",
        "The object was changed or deleted on the user cluster; it is as its source on the admin cluster again.",
        "Change the source, in the cluster namespace of the admin cluster.",
    )
    CONFLICTING = (
        "Conflicting",
        "Another, older object has the same peer address; its session stays, this object is not used.",
        "Delete one of the two, or change its peerIP.",
    )
    NO_MATCHING_PEER = (
        "NoMatchingPeer",
        "The peerSelector matches no BGPPeer, so there is no session.",
        "Label a BGPPeer, or change the peerSelector.",
    )
    INSUFFICIENT_FLOATING_IPS = (
        "InsufficientFloatingIPs",
        "Fewer sessions than asked for: not enough floating IPs are held by different nodes.",
        "Add floating IPs or gateway nodes, or ask for fewer sessions.",
    )
    SECRET_MISSING = (
        "SecretMissing",
        "The Secret that the BGPPeer names is not there or has no key 'password'; no connection is tried without it.",
        "Create the Secret of type kubernetes.io/basic-auth with the key 'password'.",
    )
    SECRET_CONFLICT = (
        "SecretConflict",
        "A Secret of this name exists on the user cluster and is not ours; it is not overwritten.",
        "Rename or remove that Secret.",
    )
    FLAT_IPV4_OFF = (
        "FlatIPv4Off",
        "enableBGPIPv4 needs a Cluster with flatIPv4: true; in island mode pod addresses are not announced.",
        "Set enableBGPIPv4 to false, or create the cluster with flatIPv4.",
    )

    # Floating IPs
    HELD = ("Held", "A node holds the address and answers for it.", "Nothing.")
    NO_GATEWAY = (
        "NoGateway",
        "No healthy node of the address's subnet can hold it.",
        "Check that a node of that subnet runs a speaker and its gobgpd.",
    )
    HELD_BY_UNREACHABLE_NODE = (
        "HeldByUnreachableNode",
        "The Lease has run out but its holder still answers on the LAN; nobody else takes the address.",
        "Look at the node that the message names: it is cut off from the store, or frozen.",
    )
    ADDRESS_CONFLICT = (
        "AddressConflict",
        "Another host answers for this address on the LAN.",
        "Find the host with the MAC address of the message and take the address from it.",
    )

    # Routes and ranges
    NO_ADDRESS = (
        "NoAddress",
        "The node has no usable InternalIP of the family, so its pod CIDR of that family is not announced.",
        "Give the node an InternalIP of that family.",
    )
    ALLOCATABLE = ("Allocatable", "The range has free blocks.", "Nothing.")
    EXHAUSTED = ("Exhausted", "The range has no free block left.", "Add another ClusterCIDRConfig.")
    TERMINATING = (
        "Terminating",
        "The range was deleted while nodes still use it; it goes when they are gone.",
        "Remove the nodes that the message names, or create the object again.",
    )
    OVERLAPPING = (
        "Overlapping",
        "The range overlaps Service ranges, node addresses or another range; blocks that touch them are not given.",
        "Nothing if that was meant; else make the object again with another range.",
    )
    POD_CIDR_CONFLICT = (
        "PodCIDRConflict",
        "Two Nodes have the same pod CIDR; it is announced for the older one only.",
        "Make the younger Node again without podCIDRs.",
    )
    CIDR_NOT_AVAILABLE = (
        "CIDRNotAvailable",
        "No ClusterCIDRConfig that selects the node has a free block.",
        "Add a range, or free one.",
    )

    OTHER_ALLOCATOR = (
        "OtherAllocator",
        "Another allocator gives pod CIDRs to Nodes, so this one gives none; what Nodes have is kept and announced.",
        "Stop one of the two (kube-controller-manager has one, --allocate-node-cidrs), then restart the controller.",
    )

    # Sessions
    ESTABLISHED = ("Established", "The session is up.", "Nothing.")
    CONNECTING = ("Connecting", "The session is being opened.", "Wait a few seconds.")
    ENGINE_UNAVAILABLE = (
        "EngineUnavailable",
        "The node's gobgpd does not answer or cannot be used.",
        "Look at gobgpd on that node; the message has its error.",
    )
    NO_ROUTE = (
        "NoRoute",
        "The node has no route from the floating IP to the router.",
        "Add a route, or correct the BGPPeer's peerIP.",
    )
    UNREACHABLE = (
        "Unreachable",
        "Nobody answers for the router or the gateway to it, or a router on the way says that it cannot be reached.",
        "Look at the routing and the filters between the node and the router.",
    )
    CONNECTION_REFUSED = (
        "ConnectionRefused",
        "The router answers port 179 with a reset: BGP does not run there, or does not know this neighbour.",
        "Start BGP on the router and configure the floating IP as a neighbour.",
    )
    CONNECTION_LOST = (
        "ConnectionLost",
        "The TCP connection ended without a NOTIFICATION.",
        "Look whether BGP runs on the router, and whether it has the floating IP as a neighbour.",
    )
    TTL_EXCEEDED = (
        "TTLExceeded",
        "The router is more than one hop away, and the session is single-hop.",
        "Set ebgpMultihop to true, and ebgp-multihop on the router.",
    )
    CONNECT_TIMEOUT = (
        "ConnectTimeout",
        "The router does not answer TCP on port 179.",
        "Look whether it is up, whether a filter stands between, and whether it has a route back to the floating IP.",
    )
    AUTHENTICATION_SUSPECTED = (
        "AuthenticationSuspected",
        "The router does not answer TCP, and the session has a password: the two passwords most likely differ.",
        "Compare the Secret with the router's password for this neighbour.",
    )
    BAD_PEER_AS = (
        "BadPeerAS",
        "The AS numbers of the two ends do not agree (NOTIFICATION 2/2).",
        "Compare localASN and peerASN with the router's own AS and its remote AS for the floating IP.",
    )
    BAD_BGP_IDENTIFIER = (
        "BadBGPIdentifier",
        "Both ends have the same router ID (NOTIFICATION 2/3).",
        "Give the router a router ID that is no node's IPv4 address.",
    )
    UNSUPPORTED_VERSION = (
        "UnsupportedVersion",
        "The router speaks no BGP-4 (NOTIFICATION 2/1).",
        "Look at the router.",
    )
    UNSUPPORTED_PARAMETER = (
        "UnsupportedParameter",
        "An optional parameter of the OPEN is not understood (NOTIFICATION 2/4).",
        "Compare the two configurations; the router's log names the parameter.",
    )
    UNACCEPTABLE_HOLD_TIME = (
        "UnacceptableHoldTime",
        "The hold time is not accepted (NOTIFICATION 2/6).",
        "Set timers.holdTimeSeconds within what the router accepts.",
    )
    UNSUPPORTED_CAPABILITY = (
        "UnsupportedCapability",
        "A capability that one end insists on is missing (NOTIFICATION 2/7).",
        "Activate the address family for this neighbour on the router.",
    )
    ROLE_MISMATCH = (
        "RoleMismatch",
        "The router insists on a BGP role (NOTIFICATION 2/11).",
        "Remove the role for this neighbour on the router.",
    )
    OPEN_ERROR = ("OpenError", "The OPEN was refused (NOTIFICATION code 2).", "Compare the two configurations.")
    MESSAGE_HEADER_ERROR = (
        "MessageHeaderError",
        "A message was damaged (NOTIFICATION code 1).",
        "Look for a device that alters BGP segments.",
    )
    UPDATE_ERROR = (
        "UpdateError",
        "A route or refresh was malformed or refused (NOTIFICATION code 3 or 7).",
        "Look at the log of the side that closed the session.",
    )
    HOLD_TIMER_EXPIRED = (
        "HoldTimerExpired",
        "No message arrived within the hold time (NOTIFICATION 4/0).",
        "Look at the path between the two ends and at their load.",
    )
    FSM_ERROR = ("FSMError", "A message arrived out of order (NOTIFICATION code 5).", "Look at the router's log.")
    MAX_PREFIXES = (
        "MaxPrefixes",
        "More prefixes arrived than the limit allows (NOTIFICATION 6/1); ours is tried again after 5 minutes.",
        "Announce less, or raise the limit of the side that closed the session.",
    )
    ADMINISTRATIVE_SHUTDOWN = (
        "AdministrativeShutdown",
        "Somebody shut the neighbour down on purpose (NOTIFICATION 6/2, with the text of RFC 9003).",
        "Enable the neighbour again.",
    )
    PEER_DECONFIGURED = (
        "PeerDeconfigured",
        "The neighbour was removed at the other end (NOTIFICATION 6/3).",
        "Configure the floating IP as a neighbour on the router.",
    )
    ADMINISTRATIVE_RESET = (
        "AdministrativeReset",
        "The session was reset on purpose (NOTIFICATION 6/4 or 6/9).",
        "Nothing: it is opened again by itself.",
    )
    CONNECTION_REJECTED = (
        "ConnectionRejected",
        "The router rejects the connection (NOTIFICATION 6/5).",
        "Configure the floating IP as a neighbour on the router.",
    )
    CONFIGURATION_CHANGE = (
        "ConfigurationChange",
        "The session was reset by a change of configuration (NOTIFICATION 6/6).",
        "Nothing: it is opened again by itself.",
    )
    CONNECTION_COLLISION = (
        "ConnectionCollision",
        "Two connections of one pair met and this one lost (NOTIFICATION 6/7).",
        "Nothing: the other one goes on.",
    )
    OUT_OF_RESOURCES = (
        "OutOfResources",
        "One end lacks memory or sessions (NOTIFICATION 6/8).",
        "Look at the limits of the side that closed the session.",
    )
    BFD_DOWN = (
        "BFDDown",
        "The router's BFD lost us (NOTIFICATION 6/10).",
        "Turn BFD off for this neighbour: it does not work towards a floating IP.",
    )
    CEASE = ("Cease", "The session was ended (NOTIFICATION code 6).", "Look at the log of the side that closed it.")
    OTHER_NOTIFICATION = (
        "OtherNotification",
        "A NOTIFICATION with a code that no RFC we know defines.",
        "Look at the log of the side that closed the session.",
    )
    SPEAKER_SILENT = (
        "SpeakerSilent",
        "The node's speaker has not reported for three intervals; what it last said is no longer trusted.",
        "Look at the speaker on that node.",
    )
