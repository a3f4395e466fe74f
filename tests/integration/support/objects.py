"""Objects of the examples' cluster as manifests, and what objects say of themselves."""

import json
from collections.abc import Mapping
from typing import Any

from support.cluster import Cluster

NAMESPACE = "cluster-bm"
"""The cluster namespace of all examples."""

LABELS = {"flatipmode-peer": "true"}
"""What the examples' FlatIPMode selects."""


def peer(
    name: str,
    address: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> str:
    """Return a BGPPeer of the examples, with ``spec`` beside or in place of what they have."""
    return _manifest(
        "networking.gke.io/v1",
        "BGPPeer",
        name,
        {"labels": LABELS if labels is None else labels, "annotations": annotations or {}},
        spec={"localASN": 65001, "peerASN": 65002, "peerIP": address, "sessions": 2} | spec,
    )


def secret(name: str, password: str) -> str:
    """Return a Secret with a session's password."""
    return _manifest("v1", "Secret", name, {}, type="kubernetes.io/basic-auth", stringData={"password": password})


def mode(*, ipv4: bool = True, ipv6: bool = False, selector: Mapping[str, str] = LABELS) -> str:
    """Return the examples' FlatIPMode."""
    return _manifest(
        "baremetal.cluster.gke.io/v1alpha1",
        "FlatIPMode",
        "default",
        {},
        spec={"enableBGPIPv4": ipv4, "enableBGPIPv6": ipv6, "peerSelector": dict(selector)},
    )


def node(name: str, *addresses: str, unschedulable: bool = False, ready: bool = True) -> str:
    """Return a Node as its kubelet would report it, with these InternalIPs."""
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "spec": {"unschedulable": unschedulable},
        "status": {
            "addresses": [{"type": "InternalIP", "address": each} for each in addresses],
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }
    return json.dumps(document)


def in_user_namespace(manifest: str) -> str:
    """Return the object as its copy on the user cluster has it."""
    document = json.loads(manifest)
    return json.dumps(document | {"metadata": document["metadata"] | {"namespace": "kube-system"}})


def session(cluster: Cluster, peer_ip: str, node: str) -> dict[str, Any]:
    """Return the status of a BGPSession; empty if there is none."""
    found = cluster.objects("bgpsessions").get(f"{peer_ip}-{node}", {})
    return dict(found.get("status", {}))


def condition(document: Mapping[str, Any], kind: str) -> tuple[str, str]:
    """Return status and reason of a condition; empty strings if it is not there."""
    found = next((each for each in document.get("status", {}).get("conditions", ()) if each["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


def _manifest(api: str, kind: str, name: str, metadata: Mapping[str, Any], **content: Any) -> str:
    document = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE, **metadata}}
    return json.dumps(document | content)
