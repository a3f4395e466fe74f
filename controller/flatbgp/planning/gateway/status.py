"""How it is with a floating IP on this node: one reason, and a sentence with why and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class AddressReason(StrEnum):
    """Why this node has an address, or has not."""

    HELD = "Held"
    HELD_ELSEWHERE = "HeldElsewhere"  # another node renews its Lease: all is well
    WAITING = "Waiting"  # claimable, and this node is about to
    LEAVING = "Leaving"  # being handed over
    NOT_LISTED = "NotListed"  # Leases, group, peers, routes or Secrets are not known completely yet
    NO_NODE = "NoNode"  # the own Node object does not exist, or is being deleted
    DRAINING = "Draining"
    NO_SUBNET = "NoSubnet"  # no interface with carrier has a subnet that contains the address
    NO_LAN_EVIDENCE = "NoLanEvidence"  # nobody answers on the LAN
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    HELD_BY_UNREACHABLE_NODE = "HeldByUnreachableNode"
    ADDRESS_CONFLICT = "AddressConflict"
    STORE_UNREACHABLE = "StoreUnreachable"
    STORE_REPLACED = "StoreReplaced"  # what answers is not the store that was learned


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """``message`` is a sentence for people. ``held``: the address is on this node."""

    reason: AddressReason
    message: str
    held: bool = False
