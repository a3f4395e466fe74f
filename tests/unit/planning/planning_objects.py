"""Objects for the tests of planning, decoded from the JSON that a store would hold."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from flatbgp.planning.configuration import Group, Mode, Peer
from flatbgp.planning.holdings import Holding
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource

Json = dict[str, Any]


def make(kind: Kind[S, T], name: str, spec: Mapping[str, Any] | None = None, **more: Any) -> Resource[S, T]:
    """Decode an object; ``more`` are metadata fields, and ``status``."""
    status = more.pop("status", None)
    namespace = more.pop("namespace", "kube-system" if kind.namespaced else "")
    document: Json = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": name, "uid": f"uid-{name}", **({"namespace": namespace} if namespace else {}), **more},
    }
    if spec is not None:
        document["spec"] = dict(spec)
    if status is not None:
        document["status"] = status
    return decode(kind, document)


def peer(name: str = "bgppeer1", ip: str = "10.0.1.254", sessions: int = 1, **more: Any) -> Peer:
    spec = {"localASN": 65001, "peerASN": 65002, "peerIP": ip, "sessions": sessions} | more.pop("spec", {})
    return make(BGP_PEER, name, spec, **({"labels": {"flatip-peer": "true"}} | more))


def mode(*, v4: bool = True, v6: bool = False, selector: Mapping[str, str] | None = None, **more: Any) -> Mode:
    chosen = {"flatip-peer": "true"} if selector is None else dict(selector)
    return make(FLAT_IP_MODE, "default", {"enableBGPIPv4": v4, "enableBGPIPv6": v6, "peerSelector": chosen}, **more)


def group(*addresses: str, **more: Any) -> Group:
    return make(NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": list(addresses)}, **more)


def held(address: str, node: str = "", subnet: str | None = None, *, vacant: float | None = None) -> Holding:
    return Holding(
        ip_address(address),
        node=node,
        subnet=ip_network(subnet) if subnet else None,
        vacant_for=vacant if vacant is not None else (None if node else 0.0),
    )


def lease(address: str, holder: str, renewed: str = "1", *, duration: int = 5, **annotations: str) -> Any:
    marks = {f"flatbgp.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return make(
        LEASE,
        f"floatingip-{address.replace('.', '-')}",
        {
            "holderIdentity": holder,
            "renewTime": renewed,
            "acquireTime": "0",
            "leaseDurationSeconds": duration,
            "leaseTransitions": 1,
        },
        annotations={"flatbgp.io/address": address, **marks},
    )


def node(name: str, *addresses: str, pods: Sequence[str] = (), **more: Any) -> Any:
    status = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}
    spec = {"podCIDRs": list(pods), "podCIDR": pods[0]} if pods else {}
    return make(NODE, name, spec, status=status, **more)
