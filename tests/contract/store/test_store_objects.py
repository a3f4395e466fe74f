"""Create, read, patch and delete: the API's semantics, in any store."""

from datetime import UTC, datetime, timedelta

import pytest
from storedocs import NAMESPACE, document, node, peer, secret

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Refused, Store

pytestmark = pytest.mark.contract

SESSION_SPEC = {
    "localASN": 64513,
    "peerASN": 64512,
    "localIP": "10.0.1.50",
    "peerIP": "10.0.1.254",
    "nodeName": "node-01",
    "peer": "router",
}


async def test_what_is_not_there_is_none_and_not_an_error(store: Store) -> None:
    assert await store.get(BGP_PEER, "router", NAMESPACE) is None
    assert (await store.list(BGP_PEER)).items == ()


async def test_a_created_object_reads_back_with_the_stores_own_metadata(store: Store, other: Store) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)

    made = await store.create(BGP_PEER, peer(labels={"cluster": "bm"}))

    read = await other.get(BGP_PEER, "router", NAMESPACE)
    assert read == made
    assert read.key == Key(NAMESPACE, "router")
    assert read.spec is not None
    assert read.spec.peer_asn == 64512
    assert read.meta.labels == {"cluster": "bm"}
    assert read.meta.uid
    assert read.meta.resource_version
    assert read.meta.generation == 1
    assert read.meta.creation_timestamp is not None
    assert before < read.meta.creation_timestamp < datetime.now(UTC) + timedelta(seconds=2)
    assert read.document["apiVersion"] == "networking.gke.io/v1"
    assert read.document["kind"] == "BGPPeer"
    assert read.document["metadata"]["resourceVersion"] == read.meta.resource_version


async def test_a_writer_cannot_choose_uid_version_or_times(store: Store) -> None:
    chosen = {"uid": "mine", "resourceVersion": "7", "generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z"}
    made = await store.create(BGP_PEER, peer(**chosen))
    assert made.meta.uid != "mine"
    assert made.meta.generation == 1
    assert made.meta.creation_timestamp is not None
    assert made.meta.creation_timestamp.year > 2001


async def test_a_second_object_of_one_name_is_refused_as_existing(store: Store) -> None:
    await store.create(BGP_PEER, peer())
    with pytest.raises(AlreadyExists, match="router"):
        await store.create(BGP_PEER, peer(asn=64999))
    await store.create(BGP_PEER, peer("router-2"))


async def test_a_status_is_not_created_except_a_nodes(store: Store) -> None:
    session = document(BGP_SESSION, "s", spec=SESSION_SPEC, status={"state": "Established"})
    assert (await store.create(BGP_SESSION, session)).status is None
    made = await store.create(NODE, node(address="10.0.1.1"))
    assert made.status is not None
    assert made.status.addresses[0].address == "10.0.1.1"


async def test_an_object_that_breaks_a_rule_of_its_kind_is_refused(store: Store) -> None:
    with pytest.raises(Refused, match="peerIP"):
        await store.create(BGP_PEER, peer(ip="127.0.0.1"))
    unknown = peer()
    unknown["spec"]["peerIp"] = "10.0.1.254"
    with pytest.raises(Refused, match="peerIP"):
        await store.create(BGP_PEER, unknown)
    assert (await store.list(BGP_PEER)).items == ()


async def test_a_patch_merges_maps_replaces_lists_and_removes_nulls(store: Store) -> None:
    await store.create(NODE, node(labels={"a": "1", "b": "2"}))
    patch = {"metadata": {"labels": {"b": None, "c": "3"}}, "spec": {"podCIDRs": ["10.1.0.0/24", "fd00::/64"]}}
    await store.patch(NODE, "node-01", "", patch)
    patched = await store.patch(NODE, "node-01", "", {"spec": {"taints": [{"key": "x", "effect": "NoSchedule"}]}})
    assert patched.meta.labels == {"a": "1", "c": "3"}
    assert patched.document["spec"]["podCIDRs"] == ["10.1.0.0/24", "fd00::/64"]
    assert await store.get(NODE, "node-01") == patched


async def test_a_patch_of_what_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="router"):
        await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}})


async def test_every_write_has_a_higher_version(store: Store) -> None:
    versions = [(await store.create(BGP_PEER, peer())).meta.resource_version]
    for med in range(5):
        patched = await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": med}})
        versions.append(patched.meta.resource_version)
    assert len(set(versions)) == 6
    assert (await store.list(BGP_PEER)).version == versions[-1]


async def test_a_stale_compare_and_swap_conflicts_and_changes_nothing(store: Store, other: Store) -> None:
    first = await store.create(BGP_PEER, peer())
    second = await other.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}}, version=first.meta.resource_version)
    with pytest.raises(Conflict, match="router"):
        await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 2}}, version=first.meta.resource_version)
    assert await store.get(BGP_PEER, "router", NAMESPACE) == second


async def test_the_generation_counts_changes_of_the_spec_alone(store: Store) -> None:
    await store.create(BGP_PEER, peer())
    by_label = await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": {"labels": {"a": "b"}}})
    assert by_label.meta.generation == 1
    by_status = await store.patch(BGP_PEER, "router", NAMESPACE, {"status": {"conditions": []}}, subresource="status")
    assert by_status.meta.generation == 1
    by_spec = await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}})
    assert by_spec.meta.generation == 2


async def test_s45_a_patch_that_changes_nothing_writes_nothing(store: Store) -> None:
    made = await store.create(BGP_SESSION, document(BGP_SESSION, "s", spec=SESSION_SPEC))
    status = {"status": {"state": "Established", "flaps": 3}}
    written = await store.patch(BGP_SESSION, "s", NAMESPACE, status, subresource="status")
    again = await store.patch(BGP_SESSION, "s", NAMESPACE, status, subresource="status")
    assert made.meta.resource_version != written.meta.resource_version
    assert again.meta.resource_version == written.meta.resource_version


async def test_status_and_the_rest_are_written_apart(store: Store) -> None:
    await store.create(BGP_SESSION, document(BGP_SESSION, "s", spec=SESSION_SPEC))
    everything = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"peer": "another"},
        "status": {"state": "Established"},
    }
    by_status = await store.patch(BGP_SESSION, "s", NAMESPACE, everything, subresource="status")
    assert by_status.document["spec"] == SESSION_SPEC
    assert by_status.meta.labels == {}
    assert by_status.document["status"] == {"state": "Established"}

    everything["status"] = {"state": "NotEstablished"}
    by_main = await store.patch(BGP_SESSION, "s", NAMESPACE, everything)
    assert by_main.document["spec"]["peer"] == "another"
    assert by_main.meta.labels == {"a": "b"}
    assert by_main.document["status"] == {"state": "Established"}


async def test_s70_a_fixed_field_stays_as_it_was_created(store: Store) -> None:
    config = document(CLUSTER_CIDR_CONFIG, "c", spec={"ipv4": {"cidr": "10.1.0.0/16", "perNodeMaskSize": 24}})
    made = await store.create(CLUSTER_CIDR_CONFIG, config)
    with pytest.raises(Refused, match="ipv4") as refusal:
        await store.patch(CLUSTER_CIDR_CONFIG, "c", "", {"spec": {"ipv4": {"perNodeMaskSize": 25}}})
    assert "24" in str(refusal.value)
    assert await store.get(CLUSTER_CIDR_CONFIG, "c") == made


async def test_pod_cidrs_are_set_once_and_the_single_field_follows(store: Store) -> None:
    made = await store.create(NODE, node())
    named = await store.patch(
        NODE, "node-01", "", {"spec": {"podCIDRs": ["10.1.0.0/24"]}}, version=made.meta.resource_version
    )
    assert named.document["spec"]["podCIDR"] == "10.1.0.0/24"
    with pytest.raises(Refused, match="podCIDRs"):
        await store.patch(NODE, "node-01", "", {"spec": {"podCIDRs": ["10.9.0.0/24"], "podCIDR": "10.9.0.0/24"}})


async def test_a_list_is_sorted_and_narrowed_by_namespace_and_labels(store: Store) -> None:
    for name, labels in (("c", {"rack": "1", "role": "x"}), ("a", {"rack": "2"}), ("b", {"rack": "1"})):
        await store.create(BGP_PEER, peer(name, labels=labels))
    await store.create(SECRET, secret())

    async def names(namespace: str | None = None, selector: dict[str, str] | None = None) -> list[str]:
        return [item.meta.name for item in (await store.list(BGP_PEER, namespace, selector)).items]

    assert await names() == ["a", "b", "c"]
    assert await names(NAMESPACE) == ["a", "b", "c"]
    assert await names("elsewhere") == []
    assert await names(None, {"rack": "1"}) == ["b", "c"]
    assert await names(None, {"rack": "1", "role": "x"}) == ["c"]
    assert await names(None, {"rack": "3"}) == []


async def test_a_delete_removes_and_a_second_one_finds_nothing(store: Store) -> None:
    await store.create(BGP_PEER, peer())
    assert await store.delete(BGP_PEER, "router", NAMESPACE) is True
    assert await store.get(BGP_PEER, "router", NAMESPACE) is None
    with pytest.raises(NotFound, match="router"):
        await store.delete(BGP_PEER, "router", NAMESPACE)


async def test_a_delete_with_a_stale_version_conflicts(store: Store) -> None:
    made = await store.create(BGP_PEER, peer())
    now = await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}})
    with pytest.raises(Conflict):
        await store.delete(BGP_PEER, "router", NAMESPACE, version=made.meta.resource_version)
    assert await store.delete(BGP_PEER, "router", NAMESPACE, version=now.meta.resource_version) is True


async def test_a_new_object_of_an_old_name_has_another_uid(store: Store) -> None:
    old = await store.create(BGP_PEER, peer())
    await store.delete(BGP_PEER, "router", NAMESPACE)
    new = await store.create(BGP_PEER, peer())
    assert new.meta.uid != old.meta.uid
    with pytest.raises(Conflict):
        await store.patch(BGP_PEER, "router", NAMESPACE, {"spec": {"med": 1}}, version=old.meta.resource_version)


async def test_s69_a_finalizer_holds_a_deleted_object_until_it_is_removed(store: Store) -> None:
    await store.create(BGP_PEER, peer(finalizers=["flatbgp.io/in-use", "flatbgp.io/more"]))

    assert await store.delete(BGP_PEER, "router", NAMESPACE) is False
    held = await store.get(BGP_PEER, "router", NAMESPACE)
    assert held is not None
    assert held.meta.deleting
    assert held.meta.finalizers == ("flatbgp.io/in-use", "flatbgp.io/more")
    assert await store.delete(BGP_PEER, "router", NAMESPACE) is False

    patch = {"metadata": {"finalizers": ["flatbgp.io/more"]}}
    assert (await store.patch(BGP_PEER, "router", NAMESPACE, patch)).meta.deleting
    assert await store.get(BGP_PEER, "router", NAMESPACE) is not None
    await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": {"finalizers": None}})
    assert await store.get(BGP_PEER, "router", NAMESPACE) is None


async def test_a_terminating_object_gets_no_new_finalizer_but_a_status(store: Store) -> None:
    await store.create(BGP_PEER, peer(finalizers=["flatbgp.io/in-use"]))
    await store.delete(BGP_PEER, "router", NAMESPACE)
    patch = {"metadata": {"finalizers": ["flatbgp.io/in-use", "flatbgp.io/late"]}}
    with pytest.raises(Refused, match="finalizer"):
        await store.patch(BGP_PEER, "router", NAMESPACE, patch)
    conditions = [{"type": "Ready", "status": "False", "reason": "Ready", "message": ""}]
    told = await store.patch(
        BGP_PEER, "router", NAMESPACE, {"status": {"conditions": conditions}}, subresource="status"
    )
    assert told.document["status"]["conditions"] == conditions


async def test_string_data_of_a_secret_is_stored_as_data(store: Store) -> None:
    plain = document(SECRET, "s", type="kubernetes.io/basic-auth", stringData={"password": "päss"})
    made = await store.create(SECRET, plain)
    assert "stringData" not in made.document
    assert made.document["data"] == {"password": "cMOkc3M="}
    assert made.spec is not None
    assert made.spec.password is not None
    assert made.spec.password.reveal() == "päss"


async def test_s79_no_text_of_a_secret_shows_its_data(store: Store) -> None:
    made = await store.create(SECRET, secret(text="aHVzaC1odXNo"))
    for text in (repr(made), str(made), repr(made.document), f"{await store.list(SECRET)}"):
        assert "aHVzaC1odXNo" not in text
        assert "hush-hush" not in text


async def test_the_identity_is_that_of_the_store_and_not_of_the_client(store: Store, other: Store) -> None:
    assert await store.identity()
    assert await store.identity() == await other.identity()
