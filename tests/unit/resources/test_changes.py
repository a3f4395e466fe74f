from typing import Any

import pytest
from resource_samples import Document, broken, put, sample
from resource_table import FIXED_FIELDS, MUTABLE_FIELDS

from flatbgp.resources import kinds
from flatbgp.resources.changes import changes
from flatbgp.resources.codec import decode
from flatbgp.resources.resource import Resource


def decoded(document: Document) -> Resource[Any, Any]:
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    return decode(kind, document)


@pytest.mark.parametrize(("name", "path", "value", "where"), FIXED_FIELDS)
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


@pytest.mark.parametrize(("name", "path", "value"), MUTABLE_FIELDS)
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
