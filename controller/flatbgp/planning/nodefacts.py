"""What decisions read of a Node, computed once for each of its versions."""

from collections.abc import Iterable
from dataclasses import dataclass

from flatbgp.planning.blocks import Block, block_of
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.node import NodeSpec, NodeStatus, address_of
from flatbgp.resources.resource import Resource

Node = Resource[NodeSpec, NodeStatus]


@dataclass(frozen=True, slots=True, eq=False)
class NodeFacts:
    """One version of a Node: its pod CIDRs as blocks in their order, and its address of each family that it has."""

    node: Node
    pods: tuple[Block, ...]
    addresses: dict[Family, IPAddress]


class NodeTable:
    """The facts of all Nodes; what did not change stays the same object."""

    def __init__(self) -> None:
        self._known: dict[str, NodeFacts] = {}

    def read(self, nodes: Iterable[Node]) -> dict[str, NodeFacts]:
        """Return the facts of these Nodes by name, in their order."""
        before, known = self._known, dict[str, NodeFacts]()
        for node in nodes:
            name = node.meta.name
            facts = before.get(name)
            known[name] = facts if facts is not None and facts.node is node else _facts(node)
        self._known = known
        return known


def _facts(node: Node) -> NodeFacts:
    addresses = {family: found for family in Family if (found := address_of(node.status, family)) is not None}
    pods = tuple(block_of(network) for network in node.spec.pod_cidrs) if node.spec is not None else ()
    return NodeFacts(node, pods, addresses)
