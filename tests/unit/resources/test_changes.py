from typing import Any

import pytest
from resource_samples import Document, broken, put, sample

from flatbgp.resources import kinds
from flatbgp.resources.changes import changes
from flatbgp.resources.codec import decode
from flatbgp.resources.resource import Resource


def decoded(document: Document) -> Resource[Any, Any]:
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    return decode(kind, document)


@pytest.mark.parametrize(
    ("name", "path", "value", "where"),
    [
        ("cluster", "spec.clusterNetwork.flatIPv4", False, "spec.clusterNetwork.flatIPv4"),
        ("cluster", "spec.clusterNetwork.flatIPv4", None, "spec.clusterNetwork.flatIPv4"),
        ("cluster", "spec.clusterNetwork.advancedNetworking", False, "spec.clusterNetwork.advancedNetworking"),
        ("config", "spec.ipv4.perNodeMaskSize", 25, "spec.ipv4"),
        ("config", "spec.ipv4.cidr", "222.3.0.0/16", "spec.ipv4"),
        ("config", "spec.ipv6", None, "spec.ipv6"),
        ("user-config", "spec.ipv4.perNodeMaskSize", 26, "spec.ipv4"),
        ("user-config", "spec.ipv6", {"cidr": "2001:db8::/112", "perNodeMaskSize": 120}, "spec.ipv6"),
        ("node", "spec.podCIDRs", ["222.2.9.0/24"], "spec.podCIDRs"),
        ("node", "spec.podCIDRs", [], "spec.podCIDRs"),
    ],
)
def test_s70_what_was_fixed_at_creation_never_changes(name: str, path: str, value: Any, where: str) -> None:
    new = broken(name, path, value)
    if path.endswith("ipv4.perNodeMaskSize") and name == "config":
        put(new, "spec.ipv6.perNodeMaskSize", value + 96)
    faults = changes(decoded(sample(name)), decoded(new))
    assert where in [fault.path for fault in faults]
    for fault in faults:
        assert "never changes: it is " in fault.problem
        assert fault.value is not None
        assert fault.subject.endswith(sample(name)["metadata"]["name"])


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("cluster", "spec.clusterNetwork.services.cidrBlocks", ["10.96.0.0/11"]),
        ("cluster", "spec.nodeConfig", {"x": 1}),
        ("config", "spec.nodeSelector", {"matchLabels": {"pool": "a"}}),
        ("config", "spec.ipv6.cidr", "2222:0003::0/112"),
        ("group", "spec.floatingIPs", ["10.0.9.9"]),
        ("mode", "spec.enableBGPIPv4", False),
        ("peer", "spec.peerASN", 7),
        ("peer", "metadata.labels", {}),
    ],
)
def test_what_may_change(name: str, path: str, value: Any) -> None:
    assert changes(decoded(sample(name)), decoded(broken(name, path, value))) == ()


def test_a_default_that_is_written_out_is_no_change() -> None:
    old = broken("cluster", "spec.clusterNetwork", {"flatIPv4": True})
    new = broken("cluster", "spec.clusterNetwork", {"flatIPv4": True, "advancedNetworking": False})
    assert changes(decoded(old), decoded(new)) == ()


def test_pod_cidrs_may_be_set_once() -> None:
    assert changes(decoded(broken("node", "spec", {})), decoded(sample("node"))) == ()


def test_a_stored_object_that_is_wrong_may_be_mended() -> None:
    old = broken("config", "spec.ipv4.perNodeMaskSize", 8)
    assert changes(decoded(old), decoded(sample("config"))) == ()
