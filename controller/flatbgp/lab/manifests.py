"""From manifests to the network that they need, and from that network to the Node objects of its machines."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from flatbgp.lab.commands import LabError
from flatbgp.lab.topology import Demand, Node, NodeAddresses, Peering
from flatbgp.resources.bgppeer import BGPPeerSpec
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.codec import decode
from flatbgp.resources.crosscheck import crosscheck
from flatbgp.resources.faults import errors
from flatbgp.resources.flatipmode import FlatIPModeSpec
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NetworkGatewayGroupSpec
from flatbgp.resources.node import NODE, addresses_of
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SecretSpec
from flatbgp.resources.secrets import Password
from flatbgp.resources.validate import check_files

AnyResource = Resource[Any, Any]


def read_manifests(content: bytes, source: str) -> tuple[AnyResource, ...]:
    """Return the objects of a file; raise :class:`LabError` with one line a fault, those that ``apply`` would name."""
    checked = check_files([(source, content)])
    faults = errors((*checked.faults, *crosscheck(checked.manifests)))
    if faults:
        raise LabError("\n".join(str(fault) for fault in faults))
    return tuple(decode(manifest.kind, manifest.document) for manifest in checked.manifests)


@dataclass(frozen=True, slots=True)
class Division:
    """The objects of a file by the store that they belong into."""

    admin: tuple[AnyResource, ...]
    user: tuple[AnyResource, ...]

    @property
    def cluster_namespace(self) -> str | None:
        """The namespace to mirror, where no Cluster tells it: that of all objects; ``None`` to leave it to the role."""
        namespaces = {each.meta.namespace for each in self.admin}
        told = any(each.kind is CLUSTER for each in self.admin)
        return namespaces.pop() if len(namespaces) == 1 and not told else None


def divide(resources: Iterable[AnyResource]) -> Division:
    """Tell what is the user cluster's own (Nodes, other objects without namespace, kube-system) from all else.

    The rest is declared on the admin cluster, and the admin role brings it over.
    """
    everything = tuple(resources)
    own = ("", USER_NAMESPACE)
    return Division(
        admin=tuple(each for each in everything if each.meta.namespace not in own),
        user=tuple(each for each in everything if each.meta.namespace in own),
    )


def demand_of(resources: Iterable[AnyResource], *, mesh: bool = True) -> Demand:
    """Return what a file's objects ask of the network; objects that break a rule of their kind are left out."""
    everything = tuple(resources)
    passwords = {
        each.key: each.spec.password
        for each in everything
        if isinstance(each.spec, SecretSpec) and each.spec.password is not None
    }
    modes = [each.spec for each in everything if isinstance(each.spec, FlatIPModeSpec)]
    peerings: dict[IPAddress, tuple[tuple[bool, str], Peering]] = {}
    for each in everything:
        if isinstance(each.spec, BGPPeerSpec):
            peering = _peering(each.key, each.spec, passwords)
            # Of two with one address the router is the one that gets sessions: selected, then first by name (the age
            # of objects of one file is the same).
            rank = (not any(mode.selects(each.meta.labels) for mode in modes), each.meta.name)
            known = peerings.setdefault(peering.address, (rank, peering))
            if rank < known[0]:
                peerings[peering.address] = (rank, peering)
    floating_ips = (
        address
        for each in everything
        if isinstance(each.spec, NetworkGatewayGroupSpec)
        for address in each.spec.floating_ips
    )
    return Demand(
        floating_ips=tuple(dict.fromkeys(floating_ips)),
        peerings=tuple(peering for _, peering in peerings.values()),
        nodes=tuple(
            NodeAddresses(each.meta.name, addresses_of(each.status)) for each in everything if each.kind is NODE
        ),
        mesh=mesh,
    )


def _peering(peer: Key, spec: BGPPeerSpec, passwords: Mapping[Key, Password]) -> Peering:
    reference = spec.password_secret_ref
    password = passwords.get(peer._replace(name=reference.name)) if reference is not None else None
    if reference is not None and password is None:
        raise LabError(
            f"BGPPeer {peer.name} names the Secret {reference.name}, which the file does not hold: "
            "the lab's router needs its password"
        )
    return Peering(
        address=spec.peer_ip,
        asn=spec.peer_asn,
        node_asn=spec.local_asn,
        password=password,
        multihop=spec.ebgp_multihop,
    )


def node_document(node: Node) -> dict[str, Any]:
    """Return the Node object of a machine, as its kubelet would report it."""
    addresses = [{"type": "InternalIP", "address": str(each.ip)} for each in node.addresses]
    return {
        "apiVersion": NODE.api_version,
        "kind": NODE.name,
        "metadata": {"name": node.name},
        "status": {"addresses": addresses},
    }


def to_text(documents: Iterable[Any]) -> str:
    """Return documents as one manifest file (each is JSON, which is YAML)."""
    return "".join(f"---\n{json.dumps(document, indent=2)}\n" for document in documents)
