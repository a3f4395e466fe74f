import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resource_samples import SAMPLES, broken, sample, with_junk

from flatbgp.resources import kinds
from flatbgp.resources.bgppeer import BGP_PEER, BGPPeerSpec, BGPTimers
from flatbgp.resources.bgpsession import BGP_SESSION, SessionStatusState
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG, LabelSelector
from flatbgp.resources.codec import decode, encode, encode_meta, encode_spec, encode_status
from flatbgp.resources.conditions import Condition
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.ip import Family
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource
from flatbgp.resources.schema import ListShape, MapShape, ObjectShape, ScalarShape, Shape, json_name, shape_of
from flatbgp.resources.secret import SECRET


def decoded(name: str) -> Resource[Any, Any]:
    document = sample(name)
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    return decode(kind, document)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_decodes_without_fault(name: str) -> None:
    resource = decoded(name)
    assert resource.faults == ()
    assert resource.spec is not None
    assert resource.document == SAMPLES[name]


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "secret"])
def test_what_is_encoded_decodes_to_the_same(name: str) -> None:
    resource = decoded(name)
    again = decode(resource.kind, encode(resource.kind, resource.meta, resource.spec, resource.status))
    assert (again.meta, again.spec, again.status) == (resource.meta, resource.spec, resource.status)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name not in {"secret", "node", "cluster"}])
def test_samples_encode_to_what_they_were(name: str) -> None:
    resource = decoded(name)
    assert encode(resource.kind, resource.meta, resource.spec, resource.status) == SAMPLES[name]


def test_field_names_are_spelled_as_the_guide_spells_them() -> None:
    names = {json_name(field.name) for kind in kinds.ALL for field in fields(kind.spec_type)}
    assert names >= {"localASN", "peerASN", "peerIP", "localIP", "nodeName", "nextHop", "prefix", "metric"}
    assert names >= {"enableBGPIPv4", "enableBGPIPv6", "peerSelector", "floatingIPs", "podCIDRs", "clusterNetwork"}
    assert names >= {"passwordSecretRef", "ebgpMultihop", "gracefulRestart", "communities", "largeCommunities", "med"}
    assert names >= {"localPref", "prefixLimit", "sessions", "timers", "ipv4", "ipv6", "nodeSelector", "holderIdentity"}
    below = {json_name(field.name) for field in fields(BGPTimers)}
    assert below == {"holdTimeSeconds", "keepAliveTimeSeconds", "connectRetryTimeSeconds"}


def test_values_become_typed() -> None:
    spec = decoded("peer").spec
    assert spec == BGPPeerSpec(65001, 65002, ip_address("10.0.1.254"), sessions=2)
    status = decoded("session").status
    assert status is not None
    assert status.state is SessionStatusState.NOT_ESTABLISHED
    assert status.reason is Reason.SPEAKER_SILENT
    assert status.since == datetime(2026, 1, 2, 3, 0, 0, 250000, UTC)
    assert status.families[0].family is Family.IPV4
    assert decoded("node").spec.pod_cidrs == (ip_network("222.2.0.0/24"), ip_network("2222:3::/120"))


def test_defaults_are_those_of_the_design() -> None:
    spec = decode(BGP_PEER, broken("peer", "spec", {"localASN": 1, "peerASN": 2, "peerIP": "10.0.0.1"})).spec
    assert spec is not None
    assert (spec.sessions, spec.ebgp_multihop, spec.prefix_limit) == (1, True, 10_000)
    assert (spec.timers.hold_time_seconds, spec.timers.keepalive, spec.timers.connect_retry_time_seconds) == (30, 10, 5)
    restart = spec.graceful_restart
    assert (restart.enabled, restart.restart_time_seconds, restart.deferral_time_seconds) == (True, 60, 3)


def test_defaults_are_not_written_into_specs() -> None:
    document = {"localASN": 1, "peerASN": 2, "peerIP": "10.0.0.1"}
    spec = decode(BGP_PEER, broken("peer", "spec", document)).spec
    assert spec is not None
    assert encode_spec(BGP_PEER, spec) == document
    assert encode_spec(BGP_PEER, replace(spec, timers=BGPTimers(hold_time_seconds=9))) == {
        **document,
        "timers": {"holdTimeSeconds": 9},
    }


def test_keepalive_follows_a_hold_time_that_is_set_alone() -> None:
    spec = decode(BGP_PEER, broken("peer", "spec.timers", {"holdTimeSeconds": 9})).spec
    assert spec is not None
    assert spec.timers.keepalive == 3


def test_statuses_show_their_zeros_and_leave_out_what_is_empty() -> None:
    status = decoded("session").status
    encoded = encode_status(BGP_SESSION, replace(status, reason=None, message="", families=()))
    assert encoded == {
        "state": "NotEstablished",
        "lastReport": "2026-01-02T03:04:05Z",
        "since": "2026-01-02T03:00:00.250000Z",
        "flaps": 0,
    }


def test_a_null_is_a_field_that_is_not_given() -> None:
    resource = decode(BGP_PEER, broken("peer", "spec.sessions", None))
    assert resource.faults == ()
    assert resource.spec is not None
    assert resource.spec.sessions == 1
    assert decode(LEASE, broken("lease", "spec.holderIdentity", None)).spec.holder_identity == ""  # type: ignore[union-attr]


def test_s42_a_bad_stored_object_has_faults_and_no_spec() -> None:
    resource = decode(BGP_PEER, broken("peer", "spec.peerASN", 23456))
    assert resource.spec is None
    assert [fault.path for fault in resource.faults] == ["spec.peerASN"]
    assert resource.meta.name == "bgppeer1"


def test_a_field_of_a_newer_version_is_ignored_in_the_store() -> None:
    resource = decode(BGP_PEER, broken("peer", "spec.bfd", {"enabled": True}))
    assert resource.faults == ()
    assert resource.spec == decoded("peer").spec


def test_warnings_do_not_make_a_stored_object_invalid() -> None:
    resource = decode(BGP_PEER, broken("peer", "spec.localPref", 200))
    assert resource.faults == ()
    assert resource.spec is not None


def test_a_status_of_a_newer_version_is_read_as_far_as_possible() -> None:
    document = sample("session")
    document["status"] |= {"reason": "InventedLater", "families": [{"family": "IPv4"}, {"family": "L2VPN"}], "new": 1}
    resource = decode(BGP_SESSION, document)
    assert resource.faults == ()
    assert resource.status is not None
    assert resource.status.reason is None
    assert [family.family for family in resource.status.families] == [Family.IPV4]


@pytest.mark.parametrize("status", [None, [], "x", {"state": "Unheard"}, {"state": 1}])
def test_a_status_that_cannot_be_read_is_none(status: Any) -> None:
    resource = decode(BGP_SESSION, broken("session", "status", status))
    assert resource.status is None
    assert resource.spec is not None


@pytest.mark.parametrize("kind", [FLAT_IP_MODE, NETWORK_GATEWAY_GROUP])
def test_only_the_name_default_counts(kind: kinds.AnyKind) -> None:
    name = "user-mode" if kind is FLAT_IP_MODE else "group"
    resource = decode(kind, broken(name, "metadata.name", "other"))
    assert resource.spec is None
    assert resource.faults[0].path == "metadata.name"


def test_an_object_of_another_product_needs_no_spec() -> None:
    resource = decode(NODE, {"metadata": {"name": "n"}})
    assert resource.faults == ()
    assert resource.spec is not None
    assert resource.spec.pod_cidrs == ()
    assert resource.status is None


def test_metadata_is_read() -> None:
    meta = decode(
        CLUSTER_CIDR_CONFIG,
        {
            **sample("user-config"),
            "metadata": {
                "name": "a",
                "uid": "u",
                "resourceVersion": "7",
                "generation": 3,
                "creationTimestamp": "2026-01-02T03:04:05Z",
                "deletionTimestamp": "2026-01-02T04:04:05+01:00",
                "labels": {"a": "b"},
                "annotations": {"c": "d"},
                "finalizers": ["flatbgp.io/in-use"],
            },
        },
    ).meta
    assert meta.creation_timestamp == meta.deletion_timestamp == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert meta.deleting
    assert (meta.uid, meta.resource_version, meta.generation, meta.finalizers) == ("u", "7", 3, ("flatbgp.io/in-use",))
    assert encode_meta(meta)["deletionTimestamp"] == "2026-01-02T03:04:05Z"


def test_conditions_have_the_names_of_the_api() -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    status = replace(
        decoded("group").kind.status_type(), conditions=(Condition("Ready", "True", Reason.READY, "", moment, 4),)
    )
    assert encode_status(NETWORK_GATEWAY_GROUP, status) == {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "lastTransitionTime": "2026-01-02T00:00:00Z",
                "observedGeneration": 4,
            }
        ]
    }


def test_label_selectors_match_as_kubernetes_ones_do() -> None:
    def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
        spec = decode(CLUSTER_CIDR_CONFIG, broken("user-config", "spec.nodeSelector", selector)).spec
        assert spec is not None
        assert isinstance(spec.node_selector, LabelSelector)
        return spec.node_selector.matches(labels)

    def expression(operator: str, *values: str) -> dict[str, Any]:
        return {
            "matchExpressions": [{"key": "k", "operator": operator, **({"values": list(values)} if values else {})}]
        }

    assert matches({}, {})
    assert matches({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"})
    assert not matches({"matchLabels": {"a": "1", "b": "3"}}, {"a": "1", "b": "2"})
    assert matches(expression("In", "x", "y"), {"k": "y"})
    assert not matches(expression("In", "x"), {})
    assert matches(expression("NotIn", "x"), {})
    assert not matches(expression("NotIn", "x"), {"k": "x"})
    assert matches(expression("Exists"), {"k": ""})
    assert not matches(expression("DoesNotExist"), {"k": ""})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(kind=st.sampled_from(kinds.ALL), document=_JSON)
def test_decoding_never_raises_on_any_json(kind: kinds.AnyKind, document: Any) -> None:
    resource = decode(kind, document)
    assert (resource.spec is None) == bool(resource.faults)


@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)), junk=_JSON)
def test_decoding_never_raises_on_a_sample_with_junk_in_a_field(data: st.DataObject, name: str, junk: Any) -> None:
    document = with_junk(data, name, junk)
    kind = kinds.of(SAMPLES[name]["apiVersion"], SAMPLES[name]["kind"])
    assert kind is not None
    resource = decode(kind, document)
    assert (resource.spec is None) == bool(resource.faults)
    for fault in resource.faults:
        assert "\n" not in str(fault)


def test_every_field_says_what_it_is() -> None:
    def check(shape: Shape) -> None:
        match shape:
            case ObjectShape():
                for known in shape.properties:
                    assert known.doc, f"{shape.type.__name__}.{known.attribute} has no Doc"
                    check(known.shape)
            case ListShape():
                check(shape.item)
            case MapShape() | ScalarShape():
                pass

    for kind in kinds.ALL:
        check(shape_of(kind.spec_type))
        check(shape_of(kind.status_type))


def test_decoded_objects_do_not_show_secrets() -> None:
    resource = decoded("secret")
    assert "hunter2" not in repr(resource)
    assert "aHVudGVyMg" not in repr(resource)
    assert resource.spec.password.reveal() == "hunter2"
    assert json.loads(json.dumps(resource.document)) == SAMPLES["secret"]
    assert resource.kind is SECRET
