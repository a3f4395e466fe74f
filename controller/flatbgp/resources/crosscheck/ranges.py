"""Ranges against what must not lie in them, and against each other.

Ranges and addresses are compared as numbers within a family. Five thousand Nodes are sorted once; each range then looks
up what lies in it.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from flatbgp.resources.crosscheck.addresses import Place, node_addresses, of_either
from flatbgp.resources.crosscheck.view import ConfigEntry, Scope
from flatbgp.resources.faults import Fault, Severity
from flatbgp.resources.ip import IPAddress, IPNetwork

_SERVICES = "spec.clusterNetwork.services.cidrBlocks"


@dataclass(frozen=True, slots=True)
class Block:
    """A range and where it stands."""

    network: IPNetwork
    place: Place

    @property
    def first(self) -> int:
        """First address as a number."""
        return int(self.network.network_address)

    @property
    def last(self) -> int:
        """Last address as a number."""
        return self.first + (1 << self.network.max_prefixlen - self.network.prefixlen) - 1

    @property
    def new(self) -> bool:
        """Whether a file has it."""
        return self.place.entry.manifest is not None


@dataclass(frozen=True, slots=True)
class _Address:
    address: IPAddress
    place: Place
    what: str


class _Index:
    """Addresses of both families, sorted, so that the first one in a range is found at once."""

    def __init__(self, addresses: list[_Address]) -> None:
        self._by_family: dict[int, list[_Address]] = {4: [], 6: []}
        for each in addresses:
            self._by_family[each.address.version].append(each)
        self._numbers: dict[int, list[int]] = {}
        for version, members in self._by_family.items():
            members.sort(key=lambda each: int(each.address))
            self._numbers[version] = [int(each.address) for each in members]

    def within(self, block: Block) -> tuple[_Address | None, int]:
        """Return the first address in a range, and how many there are."""
        numbers = self._numbers[block.network.version]
        start, end = bisect_left(numbers, block.first), bisect_left(numbers, block.last + 1)
        return (self._by_family[block.network.version][start], end - start) if end > start else (None, 0)


def range_faults(scope: Scope) -> Iterator[Fault]:
    """Yield ranges that overlap services, node addresses, floating IPs or routers; warnings for each other."""
    configs = [block for config in scope.configs for block in _config_blocks(config)]
    held = [
        Block(network, Place(node, f"spec.podCIDRs[{index}]"))
        for node in scope.nodes
        for index, network in enumerate(node.spec.pod_cidrs)
    ]
    services = [
        Block(network, Place(cluster, f"{_SERVICES}[{index}]"))
        for cluster in scope.clusters
        for index, network in enumerate(cluster.spec.cluster_network.services.cidr_blocks)
    ]
    yield from _service_faults(configs + held, services)
    yield from _address_faults(configs + held, _addresses(scope))
    yield from _shared_blocks(held)
    yield from _overlap_warnings(configs)


def _config_blocks(config: ConfigEntry) -> Iterator[Block]:
    for name, blocks in (("ipv4", config.spec.ipv4), ("ipv6", config.spec.ipv6)):
        if blocks is not None:
            yield Block(blocks.cidr, Place(config, f"spec.{name}.cidr"))


def _addresses(scope: Scope) -> list[_Address]:
    found = [
        _Address(address, Place(node, path), f"the address of {node.subject}")
        for node in scope.nodes
        for address, path in node_addresses(node)
    ]
    for group in scope.groups:
        for index, address in enumerate(group.spec.floating_ips):
            place = Place(group, f"spec.floatingIPs[{index}]")
            found.append(_Address(address, place, f"a floating IP of {group.subject}"))
    found.extend(
        _Address(peer.spec.peer_ip, Place(peer, "spec.peerIP"), f"the router of {peer.subject}") for peer in scope.peers
    )
    return found


def _service_faults(blocks: list[Block], services: list[Block]) -> Iterator[Fault]:
    for service in services:
        for block in blocks:
            if _overlap(block, service):
                problem = (
                    f"overlaps the service range {service.network} of {service.place.entry.subject};"
                    " pods and services need ranges of their own"
                )
                if not block.new:
                    problem = f"overlaps {block.network} of {block.place.entry.subject}; use another service range"
                yield from of_either(block.place, service.place, problem, (block if block.new else service).network)


def _address_faults(blocks: list[Block], addresses: list[_Address]) -> Iterator[Fault]:
    every, new = _Index(addresses), _Index([each for each in addresses if each.place.entry.manifest is not None])
    for block in blocks:
        found, count = (every if block.new else new).within(block)
        if found is None:
            continue
        more = f" and {count - 1} more" if count > 1 else ""
        if block.new:
            yield block.place.entry.fault(
                f"contains {found.address}, {found.what}{more}; pods need a range without the hosts' addresses",
                block.place.path,
                str(block.network),
            )
        else:
            yield found.place.entry.fault(
                f"lies in the pods' range {block.network} of {block.place.entry.subject}; use another address",
                found.place.path,
                str(found.address),
            )


def _shared_blocks(held: list[Block]) -> Iterator[Fault]:
    """Yield podCIDRs of one Node that overlap another Node's: packets would go to one of the two."""
    ordered = sorted(held, key=lambda block: (block.network.version, block.first, -block.last))
    widest: Block | None = None
    for block in ordered:
        if widest is not None and _overlap(widest, block):
            problem = (
                f"{widest.network} of {widest.place.entry.subject} and {block.network} of"
                f" {block.place.entry.subject} overlap; each node needs a block of its own"
            )
            first, second = (block, widest) if block.new else (widest, block)
            yield from of_either(first.place, second.place, problem, first.network)
        if widest is None or widest.network.version != block.network.version or block.last > widest.last:
            widest = block


def _overlap_warnings(configs: list[Block]) -> Iterator[Fault]:
    for one, other in combinations(configs, 2):
        if one.place.entry is not other.place.entry and _overlap(one, other) and (one.new or other.new):
            first, second = (other, one) if other.new else (one, other)
            entry: Any = first.place.entry
            yield entry.fault(
                f"overlaps {second.network} of {second.place.entry.subject};"
                " nodes get blocks that are free in both, so each has less room than it seems",
                first.place.path,
                str(first.network),
                Severity.WARNING,
            )


def _overlap(one: Block, other: Block) -> bool:
    return one.network.version == other.network.version and one.first <= other.last and other.first <= one.last
