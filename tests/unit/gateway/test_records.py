"""What a Lease object says, and how it is written: the names are contract."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord, lease_document, lease_patch, read_lease
from flatbgp.resources.lease import LEASE, LeaseSpec
from flatbgp.resources.meta import Meta
from flatbgp.resources.resource import Resource

ADDRESS = ip_address("10.0.1.100")
CONTENT = LeaseContent("node-1", "m1", 5, ip_network("10.0.1.0/24"), True, "node-2", "02:00:00:00:00:01 answers")


def stored(document: Any) -> Resource[Any, Any]:
    spec, meta = document["spec"], document["metadata"]
    return Resource(
        LEASE,
        Meta(meta["name"], meta["namespace"], resource_version="7", annotations=meta["annotations"]),
        LeaseSpec(
            spec["holderIdentity"],
            spec["leaseDurationSeconds"],
            spec.get("acquireTime", ""),
            spec.get("renewTime", ""),
            spec.get("leaseTransitions", 0),
        ),
    )


def test_a_lease_is_named_and_annotated_as_the_contract_says() -> None:
    document = lease_document(ADDRESS, CONTENT, "2026-01-01T00:00:00.000000Z")
    assert document["metadata"] == {
        "name": "floatingip-10-0-1-100",
        "namespace": "kube-system",
        "labels": {"flatbgp.io/floating-ip": "true"},
        "annotations": {
            "flatbgp.io/address": "10.0.1.100",
            "flatbgp.io/subnet": "10.0.1.0/24",
            "flatbgp.io/instance": "m1",
            "flatbgp.io/router-heard": "true",
            "flatbgp.io/wanted-by": "node-2",
            "flatbgp.io/probe": "02:00:00:00:00:01 answers",
        },
    }
    six = lease_document(ip_address("fd00::1"), LeaseContent(), None)
    assert six["metadata"]["name"] == "floatingip-fd00-0000-0000-0000-0000-0000-0000-0001"


def test_what_is_written_is_read_back() -> None:
    record = read_lease(stored(lease_document(ADDRESS, CONTENT, "2026-01-01T00:00:00.000000Z")))
    assert record.content == CONTENT
    assert record.version == "7"
    assert record.held_before


def test_a_new_holder_is_a_transition_and_a_renewal_is_none() -> None:
    before = LeaseRecord("7", CONTENT, "t1", transitions=3)
    renewal = lease_patch(ADDRESS, CONTENT, before, "t2")["spec"]
    assert "leaseTransitions" not in renewal
    assert "acquireTime" not in renewal
    assert renewal["renewTime"] == "t2"
    taken = lease_patch(ADDRESS, replace(CONTENT, holder="node-2", instance="m2"), before, "t2")["spec"]
    assert taken["leaseTransitions"] == 4
    assert taken["acquireTime"] == "t2"


def test_freeing_removes_what_only_a_holder_says_and_no_time_changes() -> None:
    patch = lease_patch(ADDRESS, replace(CONTENT, holder="", instance="", router_heard=None), None, None)
    assert patch["spec"]["holderIdentity"] == ""
    assert "renewTime" not in patch["spec"]
    notes = patch["metadata"]["annotations"]
    assert notes["flatbgp.io/instance"] is None
    assert notes["flatbgp.io/router-heard"] is None


def test_a_lease_written_by_hand_with_nonsense_is_read_as_far_as_it_goes() -> None:
    document = dict(lease_document(ADDRESS, CONTENT, "t"))
    document["metadata"]["annotations"] |= {"flatbgp.io/subnet": "rubbish", "flatbgp.io/router-heard": "perhaps"}
    content = read_lease(stored(document)).content
    assert content.subnet is None
    assert content.router_heard is None


def test_an_annotation_is_no_renewal() -> None:
    before = LeaseRecord("7", CONTENT, "t1")
    after = LeaseRecord("8", replace(CONTENT, wanted_by="", probe="x"), "t1")
    assert before.token == after.token
    assert before.token != LeaseRecord("9", CONTENT, "t2").token
