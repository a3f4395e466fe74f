"""``apply``: what manifests say, and nothing of what others wrote."""

from typing import Any

import pytest
from storedocs import NAMESPACE, Backend, document, manifest, node, peer, secret

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.kind import Kind
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import Refused, Store, Verb

pytestmark = pytest.mark.contract


async def applied(store: Store, kind: Kind[Any, Any], value: dict[str, Any]) -> tuple[Verb, Resource[Any, Any]]:
    (outcome,) = await store.apply([manifest(kind, value)])
    meta = value["metadata"]
    found = await store.get(kind, meta["name"], meta.get("namespace", ""))
    assert found is not None
    return outcome.verb, found


async def test_apply_creates_changes_and_leaves_alone(store: Store) -> None:
    verb, made = await applied(store, BGP_PEER, peer())
    assert (verb, made.meta.generation) == (Verb.CREATED, 1)
    verb, same = await applied(store, BGP_PEER, peer())
    assert (verb, same) == (Verb.UNCHANGED, made)
    verb, changed = await applied(store, BGP_PEER, peer(asn=64999))
    assert (verb, changed.meta.generation) == (Verb.CONFIGURED, 2)
    assert changed.meta.uid == made.meta.uid


async def test_the_spec_is_replaced_as_a_whole(store: Store) -> None:
    value = peer()
    value["spec"] |= {"med": 5, "sessions": 2}
    await applied(store, BGP_PEER, value)
    _, found = await applied(store, BGP_PEER, peer())
    assert found.document["spec"] == peer()["spec"]


async def test_status_and_finalizers_and_marks_of_others_stay(store: Store) -> None:
    await applied(store, BGP_PEER, peer(labels={"mine": "1"}, annotations={"mine": "1"}))
    theirs = {"labels": {"theirs": "1"}, "annotations": {"theirs": "1"}, "finalizers": ["flatbgp.io/in-use"]}
    await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": theirs})
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": ""}]}
    await store.patch(BGP_PEER, "router", NAMESPACE, {"status": status}, subresource="status")

    changed = peer(asn=64999, labels={"mine": "2"}, annotations={"mine": "2"})
    changed["status"] = {"conditions": []}
    _, found = await applied(store, BGP_PEER, changed)
    assert found.meta.labels == {"mine": "2", "theirs": "1"}
    assert found.meta.annotations["mine"] == "2"
    assert found.meta.annotations["theirs"] == "1"
    assert found.meta.finalizers == ("flatbgp.io/in-use",)
    assert found.document["status"] == status


async def test_marks_that_a_manifest_no_longer_has_go(store: Store) -> None:
    await applied(store, BGP_PEER, peer(labels={"a": "1", "b": "2"}, annotations={"c": "3"}))
    verb, found = await applied(store, BGP_PEER, peer(labels={"b": "2"}))
    assert verb is Verb.CONFIGURED
    assert found.meta.labels == {"b": "2"}
    assert "c" not in found.meta.annotations
    assert found.meta.generation == 1


async def test_marks_of_a_created_object_stay_until_a_manifest_had_them(store: Store) -> None:
    await store.create(BGP_PEER, peer(labels={"a": "1"}))
    _, found = await applied(store, BGP_PEER, peer())
    assert found.meta.labels == {"a": "1"}
    verb, found = await applied(store, BGP_PEER, peer(labels={"a": "1"}))
    assert (verb, found.meta.labels) == (Verb.UNCHANGED, {"a": "1"})
    _, found = await applied(store, BGP_PEER, peer())
    assert found.meta.labels == {}


async def test_an_applied_secret_has_the_manifests_data_only(store: Store) -> None:
    value = secret()
    value["data"]["other"] = "eA=="
    await applied(store, SECRET, value)
    _, found = await applied(store, SECRET, secret(text="bmV3"))
    assert found.document["data"] == {"password": "bmV3"}


async def test_nothing_is_written_when_one_of_many_is_refused(store: Store, backend: Backend) -> None:
    config = document(CLUSTER_CIDR_CONFIG, "c", spec={"ipv4": {"cidr": "10.1.0.0/16", "perNodeMaskSize": 24}})
    await applied(store, CLUSTER_CIDR_CONFIG, config)
    await applied(store, BGP_PEER, peer("held", finalizers=["flatbgp.io/in-use"]))
    await store.delete(BGP_PEER, "held", NAMESPACE)
    before = (await store.list(BGP_PEER)).version

    moved = document(CLUSTER_CIDR_CONFIG, "c", spec={"ipv4": {"cidr": "10.9.0.0/16", "perNodeMaskSize": 24}})
    given = [
        manifest(BGP_PEER, peer("new")),
        manifest(CLUSTER_CIDR_CONFIG, moved),
        manifest(BGP_PEER, peer("held")),
    ]
    with pytest.raises(Refused) as refusal:
        await store.apply(given)

    lines = str(refusal.value).splitlines()
    assert len(lines) == 2
    assert "test.yaml: document 1: ClusterCIDRConfig c: spec.ipv4" in lines[0]
    assert "10.1.0.0/16" in lines[0]
    assert "BGPPeer kube-system/held" in lines[1]
    assert "being deleted" in lines[1]
    assert "flatbgp.io/in-use" in lines[1]
    if backend.embedded:
        assert await store.get(BGP_PEER, "new", NAMESPACE) is None
        assert (await store.list(BGP_PEER)).version == before


async def test_an_applied_node_brings_its_status_and_keeps_its_pod_cidrs(store: Store, backend: Backend) -> None:
    if not backend.embedded:
        pytest.skip("only the embedded store takes a Node's status from a manifest")
    conditions = [{"type": "Ready", "status": "True"}]
    value = node(spec={"podCIDR": "10.1.0.0/24"})
    value["status"]["conditions"] = conditions
    _, found = await applied(store, NODE, value)
    assert found.document["status"]["conditions"] == conditions
    assert found.document["spec"] == {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}

    _, found = await applied(store, NODE, node(address="10.0.1.9", spec={"podCIDRs": ["10.2.0.0/24"]}))
    assert found.document["spec"] == {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}
    assert found.document["status"]["addresses"] == [{"type": "InternalIP", "address": "10.0.1.9"}]
    assert found.document["status"]["conditions"] == conditions

    verb, _ = await applied(store, NODE, node(address="10.0.1.9"))
    assert verb is Verb.UNCHANGED
    bare = node(address="10.0.1.9")
    del bare["status"]
    verb, found = await applied(store, NODE, bare)
    assert verb is Verb.UNCHANGED
    assert found.status.addresses


async def test_a_node_without_pod_cidrs_takes_the_manifests(store: Store) -> None:
    await applied(store, NODE, node())
    _, found = await applied(store, NODE, node(spec={"podCIDRs": ["10.2.0.0/24", "fd00:2::/64"]}))
    assert found.document["spec"]["podCIDR"] == "10.2.0.0/24"
    assert [str(network) for network in found.spec.pod_cidrs] == ["10.2.0.0/24", "fd00:2::/64"]


async def test_a_preview_shows_what_apply_would_leave_and_writes_nothing(store: Store) -> None:
    await applied(store, BGP_PEER, peer(labels={"mine": "1"}))
    await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": {"labels": {"theirs": "1"}}})
    before = await store.list(BGP_PEER)
    manifests = [manifest(BGP_PEER, peer(asn=64999)), manifest(BGP_PEER, peer("new", ip="10.0.1.253"))]
    changed, new = await store.preview(manifests)
    assert changed.document["spec"]["peerASN"] == 64999
    assert changed.meta.labels == {"theirs": "1"}
    assert (new.meta.name, new.meta.generation) == ("new", 1)
    assert await store.list(BGP_PEER) == before
    await store.apply(manifests)
    assert [each.spec for each in (await store.list(BGP_PEER)).items] == [new.spec, changed.spec]


async def test_a_preview_of_what_is_being_deleted_shows_it_as_it_is(store: Store) -> None:
    await applied(store, BGP_PEER, peer())
    await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": {"finalizers": ["flatbgp.io/in-use"]}})
    await store.delete(BGP_PEER, "router", NAMESPACE)
    (shown,) = await store.preview([manifest(BGP_PEER, peer(asn=64999))])
    assert shown == await store.get(BGP_PEER, "router", NAMESPACE)
