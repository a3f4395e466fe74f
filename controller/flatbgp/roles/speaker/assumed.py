"""Who would hold which floating IP, where no Lease says it yet: an assumption to look at manifests with. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any, Final

from flatbgp.planning.future import Objects, future_of
from flatbgp.resources.codec import decode
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.lease import ADDRESS_ANNOTATION, LEASE, NAMESPACE, SUBNET_ANNOTATION
from flatbgp.resources.names import lease_name
from flatbgp.resources.node import NODE, address_of
from flatbgp.resources.resource import Resource

AnyResource = Resource[Any, Any]

_SUBNET: Final = {Family.IPV4: 24, Family.IPV6: 64}
"""How large a node's subnet is taken to be: manifests don't tell, and the choice of sessions asks for it."""

_SECONDS: Final = 5


def with_assumed_leases(
    resources: Iterable[AnyResource], node: str, held: Iterable[IPAddress], secret_namespace: str
) -> tuple[tuple[AnyResource, ...], Mapping[IPAddress, str]]:
    """Return the objects together with a Lease for each floating IP of theirs that has none, and whom it names.

    ``node`` holds what is in ``held``. Every other address is given to the Node whose own address is nearest to it (has
    the most leading bits in common; the first by name of several), if that is in the same subnet.
    """
    resources = tuple(resources)
    objects = Objects(resources)
    known = {lease.meta.annotations.get(ADDRESS_ANNOTATION) for lease in objects.of(LEASE).values()}
    holders: dict[IPAddress, str] = {}
    for address in future_of(resources, secret_namespace).config.floating_ips:
        if str(address) not in known:
            holder = node if address in set(held) else _nearest(address, objects)
            if holder:
                holders[address] = holder
    return (*resources, *_leases(holders)), holders


def _nearest(address: IPAddress, objects: Objects) -> str:
    family = Family.of(address)
    subnet = ip_network(f"{address}/{_SUBNET[family]}", strict=False)
    distances = {
        key.name: int(own) ^ int(address)
        for key, node in objects.of(NODE).items()
        if (own := address_of(node.status, family)) is not None and own in subnet
    }
    return min(distances, key=lambda name: (distances[name].bit_length(), name), default="")


def _leases(holders: Mapping[IPAddress, str]) -> Iterator[AnyResource]:
    for address, node in holders.items():
        subnet = ip_network(f"{address}/{_SUBNET[Family.of(address)]}", strict=False)
        yield decode(
            LEASE,
            {
                "apiVersion": LEASE.api_version,
                "kind": LEASE.name,
                "metadata": {
                    "name": lease_name(address),
                    "namespace": NAMESPACE,
                    "annotations": {ADDRESS_ANNOTATION: str(address), SUBNET_ANNOTATION: str(subnet)},
                },
                "spec": {"holderIdentity": node, "leaseDurationSeconds": _SECONDS},
            },
        )
