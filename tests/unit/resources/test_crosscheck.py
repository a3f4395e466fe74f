import json
import time
from dataclasses import replace
from typing import Any

import pytest
from resource_samples import Document, broken, put, sample

from flatbgp.resources import kinds
from flatbgp.resources.codec import decode
from flatbgp.resources.crosscheck import crosscheck
from flatbgp.resources.faults import Fault, Severity, errors
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.resource import Resource
from flatbgp.resources.validate import check_files


def manifests(*documents: Document) -> tuple[Manifest, ...]:
    checked = check_files([("f", b"\n---\n".join(json.dumps(document).encode() for document in documents))])
    assert errors(checked.faults) == ()
    return checked.manifests


def stored(*documents: Document) -> tuple[Resource[Any, Any], ...]:
    found = []
    for document in documents:
        kind = kinds.of(document["apiVersion"], document["kind"])
        assert kind is not None
        found.append(decode(kind, document))
    return tuple(found)


def in_one_file(*documents: Document) -> tuple[Fault, ...]:
    return crosscheck(manifests(*documents))


def peer(name: str, address: str, **spec: Any) -> Document:
    document = put(broken("peer", "spec.peerIP", address), "metadata.name", name)
    document["spec"] |= spec
    return document


def config(name: str, cidr: str, mask: int = 24, **spec: Any) -> Document:
    family = "ipv6" if ":" in cidr else "ipv4"
    spec |= {family: {"cidr": cidr, "perNodeMaskSize": mask}}
    return put(broken("config", "spec", spec), "metadata.name", name)


def node(name: str, address: str, *ranges: str) -> Document:
    document = put(broken("node", "spec", {"podCIDRs": list(ranges)} if ranges else {}), "metadata.name", name)
    document["status"] = {"addresses": [{"type": "InternalIP", "address": address}]}
    return document


GUIDE = [sample("cluster"), sample("mode"), sample("config"), sample("group"), sample("peer")]


def user_side(*documents: Document) -> list[Document]:
    """Return the copies that a mirror makes on the user cluster."""
    copies = []
    for document in documents:
        group, _, version = document["apiVersion"].rpartition("/")
        copy = {**document, "metadata": {**document["metadata"]}}
        if group.startswith("baremetal."):
            copy["apiVersion"] = f"networking.gke.io/{version}"
            del copy["metadata"]["namespace"]
        else:
            copy["metadata"]["namespace"] = "kube-system"
        copies.append(copy)
    return copies


def test_the_guide_has_nothing_to_say() -> None:
    assert in_one_file(*GUIDE, peer("bgppeer2", "10.0.3.254"), sample("node")) == ()


# Errors ------------------------------------------------------------------------------------------------------------

_ERRORS: list[tuple[str, list[Document], str, str]] = [
    (
        "a floating IP that is a router",
        [sample("group"), peer("p", "10.0.3.100")],
        "spec.floatingIPs[1]",
        "router's address",
    ),
    ("a floating IP that is a node", [sample("group"), node("n", "10.0.1.100")], "spec.floatingIPs[0]", "of Node n"),
    (
        "a floating IP in another spelling",
        [broken("group", "spec.floatingIPs", ["2001:db8::1"]), node("n", "2001:0DB8::0001")],
        "spec.floatingIPs[0]",
        "of Node n",
    ),
    (
        "a floating IP among the services",
        [sample("cluster"), broken("group", "spec.floatingIPs", ["10.100.0.1"])],
        "spec.floatingIPs[0]",
        "service range 10.96.0.0/12",
    ),
    (
        "IPv4 announced in an island cluster",
        [broken("cluster", "spec.clusterNetwork.flatIPv4", value=False), sample("mode")],
        "spec.enableBGPIPv4",
        "needs flatIPv4: true in Cluster cluster-bm/bm",
    ),
    (
        "IPv4 announced where flatIPv4 is left out",
        [broken("cluster", "spec.clusterNetwork", {"advancedNetworking": True}), sample("mode")],
        "spec.enableBGPIPv4",
        "fixed at creation",
    ),
    ("s66 a range over services", [sample("cluster"), config("c", "10.96.0.0/16")], "spec.ipv4.cidr", "service range"),
    ("s66 a range around services", [sample("cluster"), config("c", "10.0.0.0/8")], "spec.ipv4.cidr", "service range"),
    (
        "s66 an IPv6 range over services",
        [sample("cluster"), config("c", "2620:0:1000:2630:5:2::/112", 120)],
        "spec.ipv6.cidr",
        "service range",
    ),
    ("s66 a range with a node in it", [config("c", "10.0.0.0/16"), node("n", "10.0.1.1")], "spec.ipv4.cidr", "Node n"),
    (
        "a range with a floating IP in it",
        [sample("group"), config("c", "10.0.3.0/24", 26)],
        "spec.ipv4.cidr",
        "10.0.3.100",
    ),
    (
        "a range with a router in it",
        [peer("p", "10.0.9.254"), config("c", "10.0.9.0/24", 26)],
        "spec.ipv4.cidr",
        "router",
    ),
    (
        "a podCIDR over services",
        [sample("cluster"), node("n", "10.0.1.1", "10.96.1.0/24")],
        "spec.podCIDRs[0]",
        "service",
    ),
    (
        "a podCIDR with a node in it",
        [node("m", "10.0.1.1"), node("n", "10.0.2.1", "10.1.0.0/24", "10.0.1.0/24")],
        "spec.podCIDRs[1]",
        "Node m",
    ),
    (
        "two nodes with one podCIDR",
        [node("m", "10.0.1.1", "10.1.0.0/24"), node("n", "10.0.1.2", "10.1.0.0/24")],
        "spec.podCIDRs[0]",
        "each node needs a block of its own",
    ),
    (
        "two nodes with overlapping podCIDRs",
        [
            node("m", "10.0.1.1", "10.1.0.0/20"),
            node("x", "10.0.1.3", "9.0.0.0/24"),
            node("n", "10.0.1.2", "10.1.9.0/24"),
        ],
        "spec.podCIDRs[0]",
        "10.1.0.0/20 of Node m and 10.1.9.0/24 of Node n",
    ),
    (
        "an object outside of the cluster namespace",
        [sample("cluster"), broken("group", "metadata.namespace", "cluster-bn")],
        "metadata.namespace",
        "must be the cluster namespace: cluster-bm",
    ),
    (
        "an admin object in kube-system",
        [sample("cluster"), broken("config", "metadata.namespace", "kube-system")],
        "metadata.namespace",
        "must be the cluster namespace: cluster-bm",
    ),
]


@pytest.mark.parametrize(("documents", "path", "expected"), [e[1:] for e in _ERRORS], ids=[e[0] for e in _ERRORS])
def test_what_can_never_work_is_an_error(documents: list[Document], path: str, expected: str) -> None:
    faults = errors(in_one_file(*documents))
    assert [fault.path for fault in faults] == [path]
    assert expected in faults[0].problem
    assert faults[0].source == "f"
    assert faults[0].document > 0


@pytest.mark.parametrize(
    ("documents", "path", "expected"), [e[1:] for e in _ERRORS[:11]], ids=[e[0] for e in _ERRORS[:11]]
)
def test_file_and_store_are_looked_at_together(documents: list[Document], path: str, expected: str) -> None:
    first, second = documents
    assert path
    for file, store in ((first, second), (second, first)):
        faults = errors(crosscheck(manifests(file), stored(store)))
        assert len(faults) == 1
        assert faults[0].subject.startswith(file["kind"]), "a fault stands at the object of the file"
        assert expected
    assert crosscheck((), stored(*documents)) == ()


@pytest.mark.parametrize(
    "name", [e[0] for e in _ERRORS if "cluster" not in e[0] and "podCIDR" not in e[0] and "kube" not in e[0]]
)
def test_the_same_holds_on_the_user_cluster(name: str) -> None:
    documents = next(documents for title, documents, *_ in _ERRORS if title == name)
    copies = [document if document["kind"] in ("Node", "Cluster") else user_side(document)[0] for document in documents]
    assert len(errors(in_one_file(*copies))) == 1


def test_a_manifest_replaces_what_is_stored_of_that_name() -> None:
    old = stored(sample("group"), peer("p", "10.0.1.254"))
    mended = manifests(broken("group", "spec.floatingIPs", ["10.0.1.101"]))
    assert errors(crosscheck(mended, old)) == ()
    worse = manifests(peer("p", "10.0.1.100"))
    assert [fault.path for fault in errors(crosscheck(worse, old))] == ["spec.peerIP"]


def test_two_objects_that_conflict_can_be_mended_in_one_file() -> None:
    old = stored(sample("group"), peer("p", "10.0.1.100"))
    assert (
        errors(crosscheck(manifests(broken("group", "spec.floatingIPs", ["10.0.1.100"]), peer("p", "10.0.1.1")), old))
        == ()
    )


def test_faults_among_stored_objects_do_not_stop_another() -> None:
    old = stored(sample("group"), peer("p", "10.0.1.100"), config("c", "10.96.0.0/14"), sample("cluster"))
    assert errors(crosscheck(manifests(sample("node")), old)) == ()


def test_a_node_keeps_its_stored_ranges_and_status() -> None:
    old = stored(node("n", "10.0.1.1", "10.1.0.0/24"), node("m", "10.0.1.2", "10.2.0.0/24"))
    again = manifests(put(node("n", "10.0.1.1"), "status", None))
    assert crosscheck(again, old) == ()
    group = manifests(broken("group", "spec.floatingIPs", ["10.0.1.1"]))
    assert len(errors(crosscheck((*again, *group), old))) == 1
    taken = manifests(node("n", "10.0.1.1", "10.2.0.0/24"))
    assert crosscheck(taken, old) == (), "apply leaves podCIDRs that are set"


def test_sources_and_their_copies_in_one_store_are_not_held_against_each_other() -> None:
    copies = user_side(*[document for document in GUIDE if document["kind"] != "Cluster"])
    assert crosscheck(manifests(*GUIDE), stored(*copies)) == ()
    assert crosscheck(manifests(*copies), stored(*GUIDE)) == ()


def test_clusters_of_other_namespaces_are_others() -> None:
    other = [put({**document, "metadata": dict(document["metadata"])}, "metadata.namespace", "b") for document in GUIDE]
    assert crosscheck(manifests(*GUIDE, *other)) == ()


def test_nodes_are_not_held_against_one_of_several_clusters() -> None:
    other = put(sample("cluster"), "metadata.namespace", "cluster-bn")
    assert errors(in_one_file(sample("cluster"), other, sample("group"), node("n", "10.0.1.100"))) == ()


def test_objects_that_break_their_own_rules_are_left_out() -> None:
    bad = stored(broken("group", "spec.floatingIPs", ["10.0.1.254", "x"]))
    assert crosscheck(manifests(sample("peer")), bad) == ()


def test_host_names_and_unreadable_addresses_of_nodes_are_left_out() -> None:
    document = node("n", "10.0.1.1")
    document["status"]["addresses"] += [
        {"type": "Hostname", "address": "10.0.1.100"},
        {"type": "ExternalIP", "address": "x"},
    ]
    assert errors(crosscheck(manifests(sample("group")), stored(document))) == ()


# Warnings ----------------------------------------------------------------------------------------------------------

_WARNINGS: list[tuple[str, list[Document], str, str]] = [
    (
        "a selector that matches nothing",
        [sample("mode"), broken("peer", "metadata.labels", {})],
        "spec.peerSelector",
        "matches no",
    ),
    ("a selector without any BGPPeer", [sample("mode")], "spec.peerSelector", "none there"),
    (
        "an empty selector",
        [broken("mode", "spec.peerSelector", {}), sample("peer")],
        "spec.peerSelector",
        "selects every",
    ),
    (
        "two configs without selector",
        [config("a", "10.1.0.0/16"), config("b", "10.2.0.0/16", nodeSelector={"matchLabels": {}})],
        "spec.nodeSelector",
        "is missing or empty",
    ),
    (
        "s66 ranges that overlap each other",
        [config("a", "10.1.0.0/16"), config("b", "10.1.128.0/17", nodeSelector={"matchLabels": {"a": "b"}})],
        "spec.ipv4.cidr",
        "overlaps 10.1.0.0/16",
    ),
    (
        "a Secret that is not there",
        [peer("p", "10.0.1.254", passwordSecretRef={"name": "s"})],
        "spec.passwordSecretRef.name",
        "not there",
    ),
    (
        "a Secret of another namespace",
        [peer("p", "10.0.1.254", passwordSecretRef={"name": "router-1"}), broken("secret", "metadata.namespace", "b")],
        "spec.passwordSecretRef.name",
        "not there in cluster-bm",
    ),
    (
        "two BGPPeers with one peerIP",
        [peer("p", "2001:db8::1"), peer("q", "2001:db8:0::1")],
        "spec.peerIP",
        "only the older",
    ),
    (
        "more sessions than floating IPs",
        [broken("group", "spec.floatingIPs", ["10.0.1.100"]), sample("peer")],
        "spec.sessions",
        "has 1 floating IPs of its family (IPv4)",
    ),
    (
        "no floating IP of the router's family",
        [sample("group"), peer("p", "2001:db8::1", sessions=1)],
        "spec.sessions",
        "has 0 floating IPs of its family (IPv6)",
    ),
    (
        "BGP without advanced networking",
        [broken("cluster", "spec.clusterNetwork", {"flatIPv4": True}), sample("mode"), sample("peer")],
        "spec.clusterNetwork.advancedNetworking",
        "the guide has it true",
    ),
]


@pytest.mark.parametrize(("documents", "path", "expected"), [w[1:] for w in _WARNINGS], ids=[w[0] for w in _WARNINGS])
def test_what_was_hardly_meant_is_a_warning(documents: list[Document], path: str, expected: str) -> None:
    faults = in_one_file(*documents)
    assert {fault.severity for fault in faults} == {Severity.WARNING}
    assert {fault.path for fault in faults} == {path}
    assert expected in faults[0].problem


def test_warnings_tell_of_the_store_too() -> None:
    assert crosscheck(manifests(peer("q", "10.0.1.254")), stored(peer("p", "10.0.1.254")))[0].subject.endswith("/q")
    secret = peer("p", "10.0.1.254", passwordSecretRef={"name": "router-1"})
    assert crosscheck(manifests(secret), stored(sample("secret"))) == ()
    assert "not of type" in crosscheck(manifests(secret), stored({**sample("secret"), "type": "Opaque"}))[0].problem
    nothing = {**sample("secret"), "data": {}}
    assert "without the key password" in crosscheck(manifests(secret), stored(nothing))[0].problem


def test_the_families_of_one_config_are_no_overlap_and_a_pool_of_nodes_no_fallback() -> None:
    pool = config("b", "10.2.0.0/16", nodeSelector={"matchLabels": {"pool": "x"}})
    assert in_one_file(sample("config"), pool) == ()


def test_five_thousand_nodes_are_checked_quickly() -> None:
    nodes = [
        node(f"n{i}", f"172.16.{i // 250}.{i % 250 + 1}", f"10.{128 + i // 250}.{i % 250}.0/24") for i in range(5000)
    ]
    old = stored(*nodes, *GUIDE)
    new = manifests(config("big", "10.128.0.0/9", nodeSelector={"matchLabels": {"a": "b"}}), sample("group"))
    start = time.process_time()
    faults = crosscheck(new, old)
    assert time.process_time() - start < 3, "it is about 0.2 s; quadratic work would be minutes"
    assert faults == ()


def test_faults_are_in_the_order_of_the_documents_and_none_is_there_twice() -> None:
    first = replace(manifests(config("c", "10.96.0.0/16"))[0], source="a", index=2)
    faults = crosscheck((*manifests(sample("cluster"), node("n", "10.96.0.1")), first))
    assert [(fault.source, fault.document) for fault in faults] == sorted(
        (fault.source, fault.document) for fault in faults
    )
    assert len(set(faults)) == len(faults)
