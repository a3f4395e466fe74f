"""Every reason that a condition or a session can show, what it means and what to do: the one table.

The documentation page ``docs/reasons.md`` is made from it.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A one-word reason, with its meaning and its cure as attributes."""

    meaning: str
    cure: str

    def __new__(cls, value: str, meaning: str, cure: str) -> "Reason":
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
    CIDR_NOT_AVAILABLE = (
        "CIDRNotAvailable",
        "No ClusterCIDRConfig that selects the node has a free block.",
        "Add a range, or free one.",
    )

    # Sessions
    ESTABLISHED = ("Established", "The session is up.", "Nothing.")
    CONNECTING = ("Connecting", "The session is being opened.", "Wait a few seconds.")
    SPEAKER_SILENT = (
        "SpeakerSilent",
        "The node's speaker has not reported for three intervals; what it last said is no longer trusted.",
        "Look at the speaker on that node.",
    )
