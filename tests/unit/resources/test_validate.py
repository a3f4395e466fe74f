import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from resource_samples import SAMPLES, Document, broken, check, put, sample, with_junk
from resource_table import BAD_FIELDS, BAD_PLACES, GOOD_FIELDS, GOOD_PLACES, UNKNOWN_FIELDS

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.codec import decode
from flatbgp.resources.faults import Severity, errors, shown
from flatbgp.resources.meta import Key
from flatbgp.resources.validate import check_files

EXAMPLES = Path(__file__).parents[3] / "examples"


def check_text(text: str) -> list[str]:
    return [str(fault) for fault in check_files([("f.yaml", text.encode())]).faults]


def problems(document: Document) -> dict[str, str]:
    return {fault.path: fault.problem for fault in check(document)}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_right(name: str) -> None:
    assert errors(check(sample(name))) == ()


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_of_the_guide_are_right(path: Path) -> None:
    checked = check_files([(path.name, path.read_bytes())])
    assert checked.faults == ()
    assert checked.manifests


def test_a_manifest_says_where_it_comes_from_and_keeps_its_document() -> None:
    files = [
        ("a.yaml", json.dumps(sample("peer")).encode()),
        ("-", b"---\n---\n" + json.dumps(sample("node")).encode()),
    ]
    peer, node = check_files(files).manifests
    assert (peer.kind, peer.key, peer.source, peer.index) == (BGP_PEER, Key("cluster-bm", "bgppeer1"), "a.yaml", 1)
    assert peer.document == SAMPLES["peer"]
    assert (node.key, node.source, node.index) == (Key("", "node-01"), "-", 2)


# Every kind's fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "path", "value", "expected"), [*BAD_FIELDS, *BAD_PLACES])
def test_a_bad_field_is_told_with_its_path_and_what_would_be_right(
    name: str, path: str, value: Any, expected: str
) -> None:
    faults = errors(check(broken(name, path, value)))
    assert len(faults) == 1, faults
    assert faults[0].path.startswith(path)
    assert expected in faults[0].problem
    assert faults[0].source == "f.yaml"
    assert faults[0].document == 1


@pytest.mark.parametrize(("name", "path", "value"), [*GOOD_FIELDS, *GOOD_PLACES])
def test_a_good_field_is_taken(name: str, path: str, value: Any) -> None:
    document = broken(name, path, value)
    if path == "spec.podCIDRs":
        put(document, "spec.podCIDR", value[0] if value else None)
    assert check(document) == ()


@pytest.mark.parametrize(
    ("cidr", "mask", "right"),
    [
        ("2001:db8::/64", 80, True),
        ("2001:db8::/64", 81, False),
        ("2001:db8::/48", 112, False),
        ("2001:db8::/48", 64, True),
    ],
)
def test_an_ipv6_range_is_split_into_at_most_65536_blocks(cidr: str, mask: int, right: bool) -> None:
    faults = check(broken("config", "spec", {"ipv6": {"cidr": cidr, "perNodeMaskSize": mask}}))
    assert bool(faults) is not right
    if faults:
        assert "at most 2^16" in faults[0].problem


@pytest.mark.parametrize(
    "ipv4", [{"cidr": "10.0.0.1/16", "perNodeMaskSize": 24}, {"cidr": "10.0.0.0/16"}, "10.0.0.0/16"]
)
def test_a_range_that_cannot_be_read_is_not_said_to_be_missing_as_well(ipv4: object) -> None:
    (fault,) = check(broken("config", "spec", {"ipv4": ipv4}))
    assert fault.path.startswith("spec.ipv4")


def test_an_ipv4_range_may_be_split_further() -> None:
    assert check(broken("config", "spec", {"ipv4": {"cidr": "10.0.0.0/8", "perNodeMaskSize": 30}})) == ()


def test_a_config_needs_a_range() -> None:
    assert "at least one of ipv4 and ipv6" in check(broken("config", "spec", {}))[0].problem


@pytest.mark.parametrize(
    ("addresses", "index"),
    [
        (["10.0.1.100", "10.0.1.100"], 1),
        (["2001:db8::1", "10.0.1.100", "2001:DB8:0::1"], 2),
        (["2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001"], 1),
    ],
)
def test_no_floating_ip_twice_in_any_spelling(addresses: list[str], index: int) -> None:
    faults = check(broken("group", "spec.floatingIPs", addresses))
    assert [fault.path for fault in faults] == [f"spec.floatingIPs[{index}]"]
    assert "is there twice: the same as [0]" in faults[0].problem


# Unknown fields ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "path", "right"), UNKNOWN_FIELDS)
def test_an_unknown_field_is_refused_at_any_depth_with_the_nearest_right_name(name: str, path: str, right: str) -> None:
    document = broken(name, path, "x")
    if path.endswith(".nam"):
        put(document, "spec.passwordSecretRef.name", "y")
    faults = errors(check(document))
    assert [(fault.path, fault.problem) for fault in faults] == [(path, f"unknown field; did you mean {right}?")]


def test_an_unknown_field_like_no_other_brings_the_known_ones() -> None:
    assert problems(broken("group", "spec.zzz", 1)) == {"spec.zzz": "unknown field; known here: floatingIPs"}


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("spec.clusterNetwork.flatIpv4", "spec.clusterNetwork.advancedNetworking"),
        ("spec.flatIPv4", "spec.clusterNetwork.flatIPv4"),
        ("spec.network.flatipv4", "spec.clusterNetwork.flatIPv4"),
        ("spec.clusterNetworks", "spec.clusterNetwork"),
    ],
)
def test_a_near_miss_in_a_cluster_is_a_warning_and_the_field_is_kept(path: str, right: str) -> None:
    document = sample("cluster")
    if path == "spec.clusterNetwork.flatIpv4":
        del document["spec"]["clusterNetwork"]["flatIPv4"]
        right = "spec.clusterNetwork.flatIPv4"
    put(document, path, True)
    checked = check_files([("f", json.dumps(document).encode())])
    assert [(fault.path, fault.severity) for fault in checked.faults] == [(path, Severity.WARNING)]
    assert f"did you mean {right}?" in checked.faults[0].problem
    assert checked.manifests[0].document == document


# All at once, and how it is told -----------------------------------------------------------------------------------


def test_all_faults_of_all_documents_are_found_at_once() -> None:
    first = broken("peer", "spec", {"localASN": 0, "peerASN": "x", "peerIP": "1.2.3", "sesions": 2, "timers": {"x": 1}})
    second = broken("group", "spec.floatingIPs", ["1.2.3.4", "1.2.3.4", "::1"])
    faults = check(first, sample("mode"), second)
    assert [(fault.document, fault.path) for fault in faults] == [
        (1, "spec.localASN"),
        (1, "spec.peerASN"),
        (1, "spec.peerIP"),
        (1, "spec.timers.x"),
        (1, "spec.sesions"),
        (3, "spec.floatingIPs[1]"),
        (3, "spec.floatingIPs[2]"),
    ]


def test_a_file_with_an_error_yields_the_manifests_of_its_right_documents() -> None:
    text = "\n---\n".join(json.dumps(d) for d in (broken("peer", "spec.peerIP", "x"), sample("group")))
    checked = check_files([("f", text.encode())])
    assert [manifest.kind.name for manifest in checked.manifests] == ["NetworkGatewayGroup"]
    assert len(checked.faults) == 1


def test_a_rule_between_fields_is_told_beside_a_bad_field_elsewhere() -> None:
    faults = check(put(broken("peer", "spec.timers", {"keepAliveTimeSeconds": 20}), "spec.sessions", 0))
    assert [fault.path for fault in faults] == ["spec.sessions", "spec.timers.keepAliveTimeSeconds"]


def test_a_rule_between_fields_does_not_judge_the_default_of_a_bad_one() -> None:
    faults = check(broken("peer", "spec.timers", {"holdTimeSeconds": "60", "keepAliveTimeSeconds": 20}))
    assert [fault.path for fault in faults] == ["spec.timers.holdTimeSeconds"]


def test_a_fault_names_file_document_object_field_value_and_cure() -> None:
    text = json.dumps(broken("peer", "spec.peerIP", "10.0.1.254/24"))
    (fault,) = check_text(f"---\n---\n{text}")
    assert fault == (
        'f.yaml: document 2: BGPPeer cluster-bm/bgppeer1: spec.peerIP: "10.0.1.254/24" has a mask;'
        " write the address alone, as in 10.0.1.254"
    )


def test_a_member_of_a_list_is_told_by_its_place() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [sample("group"), broken("peer", "spec.sessions", 0)]}
    (fault,) = check(listed)
    assert fault.path == "items[1].spec.sessions"
    assert fault.subject == "BGPPeer cluster-bm/bgppeer1"


@pytest.mark.parametrize("value", ["x" * 1000, ["y"] * 1000, {"z": "w" * 1000}, "\u0000\n\u202e" * 100])
def test_a_value_is_cut_at_100_characters_and_printable(value: Any) -> None:
    (fault,) = check(broken("peer", "spec.peerIP", value))
    assert fault.value is not None
    assert len(fault.value) <= 100
    assert str(fault).isprintable()


@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=50))
def test_any_value_can_be_shown(value: Any) -> None:
    assert len(shown(value)) <= 100
    assert shown(value).isprintable()


def test_two_documents_for_one_object_are_refused() -> None:
    (fault,) = check(sample("peer"), sample("group"), broken("peer", "spec.sessions", 1))
    assert (fault.document, fault.subject) == (3, "BGPPeer cluster-bm/bgppeer1")
    assert "first in document 1" in fault.problem


def test_one_name_in_two_groups_or_namespaces_is_no_repetition() -> None:
    assert (
        errors(check(sample("mode"), sample("user-mode"), sample("group"), broken("group", "metadata.namespace", "b")))
        == ()
    )


def test_a_repetition_in_another_file_names_that_file() -> None:
    content = json.dumps(sample("peer")).encode()
    (fault,) = check_files([("a.yaml", content), ("b.yaml", content)]).faults
    assert (fault.source, fault.problem) == ("b.yaml", "is there twice: first in document 1 of a.yaml; remove one")


# YAML's words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('sessions: "2"', "not a string (no quotes)"),
        ("sessions: yes", "write true"),
        ("sessions: 010", 'write 8, or "010" in quotes if the text is meant'),
        ("sessions: 1_0", "write 10"),
        ("sessions: 0x2", "write 2"),
        ("sessions: 2.0", "must be a whole number"),
        ("sessions: 2024-01-01", "must be a whole number, not a string"),
        ("ebgpMultihop: yes", "must be true or false; write true"),
        ("ebgpMultihop: off", "must be true or false; write false"),
        ('ebgpMultihop: "true"', "must be true or false, not a string"),
    ],
)
def test_words_that_yaml_readers_differ_on_are_refused_with_advice(line: str, expected: str) -> None:
    text = f"""
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {{name: a, namespace: b}}
spec:
  localASN: 1
  peerASN: 2
  peerIP: 10.0.0.1
  {line}
"""
    (fault,) = check_text(text)
    assert expected in fault


def test_labels_need_quotes_around_what_yaml_takes_for_something_else() -> None:
    faults = check_text(
        """
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: a, namespace: b, labels: {x: true, y: yes, z: 1, q: null, ok: "true", date: 2024-01-01}}
spec: {localASN: 1, peerASN: 2, peerIP: 10.0.0.1, communities: [65000:10, 1:20]}
"""
    )
    assert [fault.split(": ")[3] for fault in faults] == [f"metadata.labels.{name}" for name in "xyzq"]


def test_fields_of_a_cluster_that_we_do_not_read_are_kept_as_kubectl_would() -> None:
    text = """
apiVersion: baremetal.cluster.gke.io/v1
kind: Cluster
metadata: {name: bm, namespace: c}
spec: {a: yes, b: 010}
"""
    checked = check_files([("f", text.encode())])
    assert checked.faults == ()
    assert checked.manifests[0].document["spec"] == {"a": True, "b": 8}


# Others ------------------------------------------------------------------------------------------------------------


def test_local_pref_towards_an_ebgp_peer_is_a_warning_s56() -> None:
    (fault,) = check(broken("peer", "spec.localPref", 200))
    assert (fault.path, fault.severity) == ("spec.localPref", Severity.WARNING)
    assert check(put(broken("peer", "spec.localPref", 200), "spec.peerASN", 65001)) == ()


@pytest.mark.parametrize("name", ["session", "route"])
def test_what_a_role_writes_is_pointed_out(name: str) -> None:
    (fault,) = check(sample(name))
    assert fault.severity is Severity.WARNING
    assert "is written by the" in fault.problem


def test_a_node_with_the_old_singular_field_gets_both() -> None:
    document = broken("node", "spec", {"podCIDR": "10.1.0.0/24"})
    (manifest,) = check_files([("f", json.dumps(document).encode())]).manifests
    assert manifest.document["spec"] == {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24"]}


def test_the_arithmetic_of_the_restart_time_is_told() -> None:
    problem = problems(broken("peer", "spec.gracefulRestart.restartTimeSeconds", 5))[
        "spec.gracefulRestart.restartTimeSeconds"
    ]
    assert "25.8 s = 10 s (a frozen gobgpd is given up" in problem
    assert "10 s (the new session is Established, with GoBGP 3.10)" in problem


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300)
@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)), junk=_JSON)
def test_junk_in_any_field_gives_faults_and_never_an_exception(data: st.DataObject, name: str, junk: Any) -> None:
    document = with_junk(data, name, junk)
    checked = check_files([("f", json.dumps(document).encode())])
    assert bool(checked.manifests) is not bool(errors(checked.faults))
    for fault in checked.faults:
        assert "\n" not in str(fault)
    for manifest in checked.manifests:
        # What is accepted here is usable there: apply and the roles never disagree.
        assert decode(manifest.kind, manifest.document).faults == ()
        json.dumps(manifest.document).encode()


def test_an_object_may_have_many_labels_and_annotations_with_capitals() -> None:
    labels = {f"example.com/label-{number}": "x" for number in range(200)}
    assert check(broken("node", "metadata.labels", labels)) == ()
    assert check(broken("node", "metadata.annotations", {"Example.COM/Some_Key": "any text: \n{}"})) == ()
