"""Node (core v1): the owner of pod CIDRs and of the next hop."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.forms import PodRange, pod_range_problem
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.parsing import Malformed, host_problem, parse_address, parse_network
from flatbgp.resources.reading import Unknown, prefix, reader_of
from flatbgp.resources.schema import Doc, Immutable, Unique, shape_of

DRAIN_ANNOTATION = "flatbgp.io/drain"
"""A Node with this annotation set to "true" hands its floating IPs over and claims none."""


_LINK_LOCAL = bytes((169, 254))
"""How link-local IPv4 addresses begin (RFC 3927); no IPv6 address in use begins so."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """``pod_cidrs`` never change once set; IPv4 comes first."""

    pod_cidrs: Annotated[
        tuple[PodRange, ...],
        Doc("The ranges of the node's pods."),
        Immutable(once=True),
        Unique(),
    ] = ()


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """An address as the kubelet reports it; ``address`` may be a host name."""

    type: Annotated[str, Doc("InternalIP, ExternalIP, Hostname, ...")]
    address: Annotated[str, Doc("The address, or a host name.")]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """The addresses; nothing else of a Node's status concerns us."""

    addresses: Annotated[tuple[NodeAddress, ...], Doc("The node's addresses, as the kubelet reports them.")] = ()


NODE = Kind(
    name="Node",
    group="",
    version="v1",
    plural="nodes",
    singular="node",
    namespaced=False,
    spec_type=NodeSpec,
    status_type=NodeStatus,
    short_names=("no",),
    strict=False,
    columns=(
        Column("AGE", ".metadata.creationTimestamp", type="date"),
        Column("POD CIDRS", ".spec.podCIDRs[*]"),
    ),
)


def address_of(status: NodeStatus | None, family: Family) -> IPAddress | None:
    """Return a node's address of a family: its first InternalIP that a router can send to; ``None`` without one.

    Link-local, loopback, multicast, unspecified and IPv4-mapped addresses don't count. Private, unique-local and
    documentation ranges do: ``is_global`` of the standard library would refuse what data centres use.
    """
    if status is None:
        return None
    for reported in status.addresses:
        if reported.type != "InternalIP":
            continue
        try:
            address = parse_address(reported.address)
        except Malformed:  # a host name, or an IPv4-mapped address
            continue
        if Family.of(address) is family and address.packed[:2] != _LINK_LOCAL and host_problem(address) is None:
            return address
    return None


def addresses_of(status: NodeStatus | None) -> tuple[IPAddress, ...]:
    """Return a node's addresses, one of each family that it has, IPv4 first."""
    found = (address_of(status, family) for family in Family)
    return tuple(address for address in found if address is not None)


def completed(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a Node's document with ``podCIDRs`` and ``podCIDR`` telling the same (the second follows the first).

    A manifest may have the old singular field alone.
    """
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return document
    ranges, single = spec.get("podCIDRs"), spec.get("podCIDR")
    if not ranges and single:
        ranges = [single]
    if not ranges or (spec.get("podCIDRs") == ranges and single == ranges[0]):
        return document
    return {**document, "spec": {**spec, "podCIDRs": ranges, "podCIDR": ranges[0]}}


def node_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the parts of a Node's manifest that ``apply`` takes besides the spec.

    What a kubelet reports is read leniently; what a person writes is checked.
    """
    spec, status = document.get("spec"), document.get("status")
    if type(spec) is dict and (single := spec.get("podCIDR")) is not None:
        yield from _single_faults(single, spec.get("podCIDRs"))
    if status is None:
        return
    faults: list[Fault] = []
    read = reader_of(shape_of(NodeStatus), Unknown.IGNORE)(status, faults)
    prefix(faults, 0, "status")
    yield from faults
    if faults or not isinstance(read, NodeStatus):
        return
    for index, reported in enumerate(read.addresses):
        if reported.type in ("InternalIP", "ExternalIP"):
            try:
                parse_address(reported.address)
            except Malformed as problem:
                yield Fault(str(problem), f"status.addresses[{index}].address", shown(reported.address))


def _single_faults(single: Any, ranges: Any) -> Iterator[Fault]:
    path = "spec.podCIDR"
    if type(single) is not str:
        yield Fault("must be a range in CIDR notation", path, shown(single))
        return
    try:
        network = parse_network(single)
    except Malformed as problem:
        yield Fault(str(problem), path, shown(single))
        return
    if not ranges:
        wrong = pod_range_problem(network)
        if wrong is not None:
            yield Fault(wrong, path, shown(single))
    elif type(ranges) is list and type(ranges[0]) is str and _is_other(ranges[0], network):
        yield Fault(f"must be the first of podCIDRs, {ranges[0]}", path, shown(single))


def _is_other(text: str, network: IPNetwork) -> bool:
    try:
        return parse_network(text) != network
    except Malformed:  # a fault of podCIDRs, told there
        return False
