"""Documents of every kind that are right as they stand, for tests that then break one thing."""

import json
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from flatbgp.resources.faults import Fault
from flatbgp.resources.validate import check_files

Document = dict[str, Any]

GROUP = "networking.gke.io"
ADMIN_GROUP = "baremetal.cluster.gke.io"

_META = {"name": "default", "namespace": "cluster-bm"}

SAMPLES: dict[str, Document] = {
    "cluster": {
        "apiVersion": f"{ADMIN_GROUP}/v1",
        "kind": "Cluster",
        "metadata": {"name": "bm", "namespace": "cluster-bm"},
        "spec": {
            "type": "user",
            "clusterNetwork": {
                "advancedNetworking": True,
                "flatIPv4": True,
                "services": {"cidrBlocks": ["10.96.0.0/12", "2620:0:1000:2630:5:2::/112"]},
            },
        },
    },
    "mode": {
        "apiVersion": f"{ADMIN_GROUP}/v1alpha1",
        "kind": "FlatIPMode",
        "metadata": _META,
        "spec": {"enableBGPIPv4": True, "enableBGPIPv6": True, "peerSelector": {"flatip-peer": "true"}},
    },
    "user-mode": {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "FlatIPMode",
        "metadata": {"name": "default"},
        "spec": {"enableBGPIPv4": True, "peerSelector": {"flatip-peer": "true"}},
    },
    "config": {
        "apiVersion": f"{ADMIN_GROUP}/v1alpha1",
        "kind": "ClusterCIDRConfig",
        "metadata": {"name": "cluster-wide-1", "namespace": "cluster-bm"},
        "spec": {
            "ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24},
            "ipv6": {"cidr": "2222:3::/112", "perNodeMaskSize": 120},
        },
    },
    "user-config": {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ClusterCIDRConfig",
        "metadata": {"name": "cluster-wide-1"},
        "spec": {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}},
    },
    "group": {
        "apiVersion": f"{GROUP}/v1",
        "kind": "NetworkGatewayGroup",
        "metadata": _META,
        "spec": {"floatingIPs": ["10.0.1.100", "10.0.3.100"]},
    },
    "peer": {
        "apiVersion": f"{GROUP}/v1",
        "kind": "BGPPeer",
        "metadata": {"name": "bgppeer1", "namespace": "cluster-bm", "labels": {"flatip-peer": "true"}},
        "spec": {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254", "sessions": 2},
    },
    "session": {
        "apiVersion": f"{GROUP}/v1",
        "kind": "BGPSession",
        "metadata": {"name": "10.0.1.254-node-01", "namespace": "kube-system"},
        "spec": {
            "localASN": 65001,
            "peerASN": 65002,
            "localIP": "10.0.1.100",
            "peerIP": "10.0.1.254",
            "nodeName": "node-01",
            "peer": "bgppeer1",
        },
        "status": {
            "state": "NotEstablished",
            "lastReport": "2026-01-02T03:04:05Z",
            "since": "2026-01-02T03:00:00.250000Z",
            "reason": "SpeakerSilent",
            "message": "nothing heard",
            "families": [{"family": "IPv4", "advertised": 3, "received": 0}],
            "flaps": 0,
        },
    },
    "route": {
        "apiVersion": f"{GROUP}/v1",
        "kind": "BGPAdvertisedRoute",
        "metadata": {"name": "route-via-10-0-1-1", "namespace": "kube-system"},
        "spec": {"prefix": "222.2.0.0/24", "nextHop": "10.0.1.1", "nodeName": "node-01"},
    },
    "node": {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-01", "labels": {"kubernetes.io/hostname": "node-01"}},
        "spec": {"podCIDRs": ["222.2.0.0/24", "2222:3::/120"], "podCIDR": "222.2.0.0/24", "providerID": "x"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "10.0.1.1"}, {"type": "Hostname", "address": "node-01"}],
            "nodeInfo": {"kernelVersion": "6.1"},
        },
    },
    "secret": {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "router-1", "namespace": "cluster-bm"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": "aHVudGVyMg=="},
    },
    "lease": {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "floatingip-10-0-1-100", "namespace": "kube-system"},
        "spec": {
            "holderIdentity": "node-01",
            "leaseDurationSeconds": 5,
            "acquireTime": "2026-01-02T03:04:05.000000Z",
            "renewTime": "2026-01-02T03:04:06.000000Z",
            "leaseTransitions": 1,
        },
    },
}


def sample(name: str) -> Document:
    """Return a copy of a sample."""
    return deepcopy(SAMPLES[name])


def put(document: Document, path: str, value: Any) -> Document:
    """Set a field by its path ("spec.timers.holdTimeSeconds"), making what is above it; return the document."""
    *above, last = path.split(".")
    place = document
    for name in above:
        place = place.setdefault(name, {})
    place[last] = value
    return document


def broken(name: str, path: str, value: Any) -> Document:
    """Return a sample with one field set to something else."""
    return put(sample(name), path, value)


def with_junk(data: st.DataObject, name: str, junk: Any) -> Document:
    """Return a sample with one field, drawn at any depth, set to anything."""
    document = sample(name)
    place, depth = document, data.draw(st.integers(0, 4))
    key = data.draw(st.sampled_from(sorted(place)))
    while depth and isinstance(place[key], dict) and place[key]:
        place, depth = place[key], depth - 1
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = junk
    return document


def check(*documents: Document) -> tuple[Fault, ...]:
    """Return what is wrong with a file of these documents."""
    text = "\n---\n".join(json.dumps(document) for document in documents)
    return check_files([("f.yaml", text.encode())]).faults
