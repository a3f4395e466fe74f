"""Planned moves: a Node that is marked hands its floating IPs over. Who marks it, and with what, is no matter.

The mark is an annotation of its own, never ``spec.unschedulable``: a cordoned node still forwards packets and holds
sessions, and upgrades cordon one node after another.
"""

from collections.abc import Mapping
from typing import Final

from flatbgp.planning.holdings import Holding
from flatbgp.planning.nodefacts import Node
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.meta import Key
from flatbgp.resources.node import DRAIN_ANNOTATION, address_of

HEIRS_NAMED: Final = 5
"""A sentence names so many Nodes and counts the rest."""


def is_draining(node: Node) -> bool:
    """Whether a Node is marked to hold no floating IP."""
    return node.meta.annotations.get(DRAIN_ANNOTATION) == "true"


def heirs(holding: Holding, nodes: Mapping[Key, Node]) -> tuple[str, ...] | None:
    """Return the Nodes that may claim an address after its holder; ``None`` if its subnet is not known.

    Whether their speakers and gobgpds are well is theirs to know, and decides when the time comes.
    """
    if holding.subnet is None:
        return None
    names = (
        node.meta.name
        for node in nodes.values()
        if node.meta.name != holding.node and not node.meta.deleting and not is_draining(node) and _in(holding, node)
    )
    return tuple(sorted(names))


def _in(holding: Holding, node: Node) -> bool:
    address: IPAddress | None = address_of(node.status, Family.of(holding.address))
    return address is not None and holding.subnet is not None and address in holding.subnet


def hand_over(holding: Holding, nodes: Mapping[Key, Node]) -> str:
    """Return what becomes of an address whose holder is draining, as a sentence."""
    who = heirs(holding, nodes)
    if who == ():
        return (
            f"{holding.node} is draining and hands {holding.address} over, but no other Node has an address in "
            f"{holding.subnet}: nobody takes it, and its sessions are down until flatbgp undrain {holding.node}."
        )
    names = " or ".join(who[:HEIRS_NAMED]) if who else "another node of its subnet"
    more = f" or {len(who) - HEIRS_NAMED} more" if who and len(who) > HEIRS_NAMED else ""
    return (
        f"{holding.node} is draining and hands {holding.address} over to {names}{more}; routers that do graceful "
        "restart keep the routes."
    )
