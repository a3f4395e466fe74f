"""Floating IPs against every other address: each must belong to nobody else."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from flatbgp.resources.crosscheck.view import ClusterEntry, Entry, NodeEntry, PeerEntry, Scope
from flatbgp.resources.faults import Fault
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.parsing import Malformed, parse_address


class Place(NamedTuple):
    """Where an address stands."""

    entry: Entry[Any, Any]
    path: str


Floating = dict[IPAddress, Place]
"""Each floating IP, and where it stands."""


def address_faults(scope: Scope) -> Iterator[Fault]:
    """Yield floating IPs that are a router's or a node's address, or lie in a service range."""
    floating: Floating = {}
    for group in scope.groups:
        for index, address in enumerate(group.spec.floating_ips):
            floating.setdefault(address, Place(group, f"spec.floatingIPs[{index}]"))
    if floating:
        yield from _router_faults(floating, scope.peers)
        yield from _node_faults(floating, scope.nodes)
        yield from _service_faults(floating, scope.clusters)


def _router_faults(floating: Floating, peers: Iterable[PeerEntry]) -> Iterator[Fault]:
    for peer in peers:
        place = floating.get(peer.spec.peer_ip)
        if place is not None:
            problem = (
                f"is both a floating IP ({place.entry.subject}) and a router's address ({peer.subject});"
                " a floating IP must be an address of its own"
            )
            yield from of_either(place, Place(peer, "spec.peerIP"), problem, peer.spec.peer_ip)


def _node_faults(floating: Floating, nodes: Iterable[NodeEntry]) -> Iterator[Fault]:
    for node in nodes:
        for address, path in node_addresses(node):
            place = floating.get(address)
            if place is not None:
                problem = (
                    f"is both a floating IP ({place.entry.subject}) and an address of {node.subject};"
                    " a floating IP moves between nodes and must be an address of its own"
                )
                yield from of_either(place, Place(node, path), problem, address)


def _service_faults(floating: Floating, clusters: Iterable[ClusterEntry]) -> Iterator[Fault]:
    for cluster in clusters:
        for block in cluster.spec.cluster_network.services.cidr_blocks:
            for address, place in floating.items():
                if address in block:
                    problem = f"is a floating IP in the service range {block} of {cluster.subject}; use another address"
                    yield from of_either(place, Place(cluster, _SERVICES), problem, address)


_SERVICES = "spec.clusterNetwork.services.cidrBlocks"


def node_addresses(node: NodeEntry) -> Iterator[tuple[IPAddress, str]]:
    """Yield the addresses that a Node reports, with their paths; host names are left out."""
    status = node.resource.status
    for index, reported in enumerate(status.addresses if status is not None else ()):
        if reported.type in ("InternalIP", "ExternalIP"):
            try:
                yield parse_address(reported.address), f"status.addresses[{index}].address"
            except Malformed:
                continue


def of_either(first: Place, second: Place, problem: str, value: Any) -> Iterator[Fault]:
    """Yield a fault that concerns two objects: at the first if a file has it, else at the second; else nothing."""
    for entry, path in (first, second):
        if entry.manifest is not None:
            yield entry.fault(problem, path, str(value))
            return
