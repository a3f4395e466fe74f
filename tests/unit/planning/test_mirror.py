"""The mirror: copies follow their sources, and nothing else is touched."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_objects import make

from flatbgp.planning.marks import MIRRORED_FROM, SOURCE_CREATED
from flatbgp.planning.mirror import Create, Delete, MirrorPlan, Places, Recreate, Update, plan_mirror
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.mergepatch import merged
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET

NS = "cluster-bm"
PLACES = Places(NS, "kube-system")
CREATED = "2026-01-01T00:00:00Z"
PEER_SPEC = {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254", "sessions": 2}


def source(kind, name="default", spec=None, **more) -> Resource:
    return make(kind, name, spec, **({"namespace": NS, "creationTimestamp": CREATED} | more))


def secret(name="md5", namespace=NS, kind="kubernetes.io/basic-auth", **meta) -> Resource:
    return decode(
        SECRET,
        {
            "metadata": {"name": name, "namespace": namespace, **meta},
            "type": kind,
            "data": {"password": b64encode(b"geheim").decode()},
        },
    )


PEER = source(BGP_PEER, "bgppeer1", PEER_SPEC, labels={"flatip-peer": "true"})
GUIDE = [
    source(
        CLUSTER,
        "bm",
        {"clusterNetwork": {"flatIPv4": True, "services": {"cidrBlocks": ["10.96.0.0/12", "fd00::/112"]}}},
    ),
    source(ADMIN_CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}}),
    source(NETWORK_GATEWAY_GROUP, spec={"floatingIPs": ["10.0.1.100", "10.0.3.100"]}),
    source(ADMIN_FLAT_IP_MODE, spec={"enableBGPIPv4": True, "peerSelector": {"flatip-peer": "true"}}),
    PEER,
]


def by_kind(resources) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {}
    for resource in resources:
        found.setdefault(resource.kind.full_name, []).append(resource)
    return found


def plan(sources, targets=(), places=PLACES) -> MirrorPlan:
    return plan_mirror(by_kind(sources), by_kind(targets), places)


def applied(plan: MirrorPlan, targets=()) -> list[Resource]:
    """The user cluster after the plan, as a store would hold it (finalizers aside)."""
    state = {(t.kind.full_name, t.key): t for t in targets}
    for action in plan.actions:
        place = (action.kind.full_name, action.key)
        match action:
            case Create() | Recreate():
                state[place] = decode(action.kind, dict(action.document))
            case Update():
                state[place] = decode(action.kind, merged(state[place].document, action.patch))
            case Delete():
                del state[place]
    return list(state.values())


def words(plan: MirrorPlan) -> list[str]:
    return [f"{type(a).__name__} {a.kind.full_name} {a.key}" for a in plan.actions]


def test_s41_the_guides_objects_are_copied_to_their_places_on_the_user_cluster() -> None:
    assert words(plan(GUIDE)) == [
        "Create clustercidrconfigs.networking.gke.io wide",
        "Create networkgatewaygroups.networking.gke.io kube-system/default",
        "Create bgppeers.networking.gke.io kube-system/bgppeer1",
        "Create flatipmodes.networking.gke.io default",
    ]


def test_a_copy_has_spec_and_labels_of_its_source_and_tells_where_it_is_from() -> None:
    copies = {copy.kind.name: copy for copy in applied(plan(GUIDE))}
    peer = copies["BGPPeer"]
    assert peer.document["spec"] == PEER_SPEC
    assert peer.meta.labels == {"flatip-peer": "true", MIRRORED_FROM: NS}
    assert peer.meta.annotations == {SOURCE_CREATED: CREATED}
    assert copies["FlatIPMode"].meta.annotations["flatbgp.io/flat-ipv4"] == "true"
    assert copies["ClusterCIDRConfig"].meta.annotations["flatbgp.io/services"] == "10.96.0.0/12,fd00::/112"


def test_s45_copies_that_are_right_are_not_written() -> None:
    assert plan(GUIDE, applied(plan(GUIDE))).actions == ()


def test_s41_an_edit_on_the_user_cluster_is_overwritten_removed_fields_and_added_labels_too() -> None:
    copies = applied(plan(GUIDE))
    peer = next(copy for copy in copies if copy.kind is BGP_PEER)
    edited = decode(
        BGP_PEER,
        merged(
            peer.document,
            {
                "spec": {"sessions": None, "med": 5},
                "metadata": {"labels": {"x": "y"}, "annotations": {"kept": "yes"}},
                "status": {"sessions": 2},
            },
        ),
    )
    result = plan(GUIDE, [edited if copy is peer else copy for copy in copies])
    (update,) = result.actions
    assert isinstance(update, Update)
    assert update.patch == {"spec": {"sessions": 2, "med": None}, "metadata": {"labels": {"x": None}}}


def test_s41_a_copy_whose_source_is_gone_is_deleted_the_mode_first() -> None:
    assert words(plan([], applied(plan(GUIDE)))) == [
        "Delete flatipmodes.networking.gke.io default",
        "Delete bgppeers.networking.gke.io kube-system/bgppeer1",
        "Delete networkgatewaygroups.networking.gke.io kube-system/default",
        "Delete clustercidrconfigs.networking.gke.io wide",
    ]


def test_an_object_of_the_same_name_made_by_hand_is_overwritten_and_marked_others_are_left_alone() -> None:
    by_hand = make(BGP_PEER, "bgppeer1", PEER_SPEC | {"peerIP": "10.0.9.9"})
    other = make(BGP_PEER, "other", PEER_SPEC)
    result = plan([PEER], [by_hand, other])
    assert words(result) == ["Update bgppeers.networking.gke.io kube-system/bgppeer1"]
    copy = next(copy for copy in applied(result, [by_hand, other]) if copy.meta.name == "bgppeer1")
    assert copy.document["spec"] == PEER_SPEC
    assert copy.meta.labels[MIRRORED_FROM] == NS


def test_objects_of_other_namespaces_on_the_admin_cluster_are_no_sources() -> None:
    assert plan([make(BGP_PEER, "x", PEER_SPEC, namespace="cluster-other")]).actions == ()


def test_s42_an_invalid_source_keeps_its_last_good_copy_and_is_reported() -> None:
    copies = applied(plan(GUIDE))
    broken = source(BGP_PEER, "bgppeer1", PEER_SPEC | {"peerIP": "10.0.1.300"})
    result = plan([*GUIDE[:-1], broken], copies)
    assert result.actions == ()
    assert "spec.peerIP" in result.problems[f"BGPPeer {NS}/bgppeer1"]


def named(peer_secret: str) -> Resource:
    return source(BGP_PEER, "bgppeer1", PEER_SPEC | {"passwordSecretRef": {"name": peer_secret}})


def test_secrets_are_copied_only_if_a_peer_names_them_and_before_the_peer() -> None:
    result = plan([named("md5"), secret(), secret("unrelated")], places=Places(NS, "flatbgp"))
    assert words(result) == [
        "Create secrets flatbgp/md5",
        "Create bgppeers.networking.gke.io kube-system/bgppeer1",
    ]
    assert "geheim" not in repr(result)
    assert b64encode(b"geheim").decode() not in repr(result)


def test_a_secret_that_no_peer_names_any_more_is_deleted_on_the_user_cluster() -> None:
    copies = applied(plan([named("md5"), secret()]))
    assert "Delete secrets kube-system/md5" in words(plan([PEER, secret()], copies))


def test_a_secret_of_another_type_is_not_copied() -> None:
    result = plan([named("md5"), secret(kind="Opaque")])
    assert [a.kind for a in result.actions] == [BGP_PEER]
    assert "basic-auth" in result.problems[f"Secret {NS}/md5"]


def test_a_secret_that_is_not_ours_is_never_overwritten() -> None:
    theirs = secret(namespace="kube-system")
    result = plan([named("md5"), secret()], [theirs])
    assert [a.kind for a in result.actions] == [BGP_PEER]
    assert "not ours" in result.problems[f"Secret {NS}/md5"]


def test_in_one_store_a_secret_that_is_where_its_copy_would_be_is_left_as_it_is() -> None:
    places = Places(NS, NS, same_store=True)
    result = plan([named("md5"), secret()], [secret()], places)
    assert [a.kind for a in result.actions] == [BGP_PEER]
    assert not result.problems


def wide(cidr="222.2.0.0/16", **meta) -> Resource:
    return source(ADMIN_CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}}, **meta)


def held_copy(**meta) -> Resource:
    return make(
        CLUSTER_CIDR_CONFIG,
        "wide",
        {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}},
        labels={MIRRORED_FROM: NS},
        annotations={SOURCE_CREATED: CREATED},
        finalizers=["flatbgp.io/in-use"],
        **meta,
    )


def test_s69_a_range_deleted_by_hand_on_the_user_cluster_is_made_again_though_a_finalizer_holds_it() -> None:
    result = plan([wide()], [held_copy(deletionTimestamp=CREATED)])
    assert words(result) == ["Recreate clustercidrconfigs.networking.gke.io wide"]


def test_s69_a_range_whose_source_is_gone_is_deleted_once_and_then_left_to_its_finalizer() -> None:
    assert words(plan([], [held_copy()])) == ["Delete clustercidrconfigs.networking.gke.io wide"]
    assert plan([], [held_copy(deletionTimestamp=CREATED)]).actions == ()


def test_s70_a_source_made_anew_with_another_range_waits_until_the_old_copy_is_gone() -> None:
    assert words(plan([wide("222.3.0.0/16")], [held_copy()])) == ["Delete clustercidrconfigs.networking.gke.io wide"]
    assert plan([wide("222.3.0.0/16")], [held_copy(deletionTimestamp=CREATED)]).actions == ()
    assert words(plan([wide("222.3.0.0/16")])) == ["Create clustercidrconfigs.networking.gke.io wide"]


def test_a_node_selector_is_changed_in_place() -> None:
    changed = source(
        ADMIN_CLUSTER_CIDR_CONFIG,
        "wide",
        {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}, "nodeSelector": {"matchLabels": {"a": "b"}}},
    )
    (update,) = plan([changed], [held_copy()]).actions
    assert isinstance(update, Update)
    assert update.patch == {"spec": {"nodeSelector": {"matchLabels": {"a": "b"}}}}


@pytest.mark.parametrize("action", plan(GUIDE).actions, ids=str)
def test_every_action_says_itself_in_a_sentence(action) -> None:
    assert "on the user cluster" in str(action)


PEERS = st.dictionaries(st.sampled_from("abc"), st.tuples(st.integers(1, 3), st.booleans()), max_size=3)


@given(PEERS, PEERS, st.booleans())
def test_whatever_stood_there_the_copies_end_as_their_sources_and_stay_so(wanted, found, marked) -> None:
    sources = [source(BGP_PEER, name, PEER_SPEC | {"sessions": n}) for name, (n, _) in wanted.items()]
    targets = [
        make(BGP_PEER, name, PEER_SPEC | {"sessions": n}, labels={MIRRORED_FROM: NS} if marked and mark else {})
        for name, (n, mark) in found.items()
    ]
    result = applied(plan(sources, targets), targets)
    ours = {copy.meta.name: copy.spec.sessions for copy in result if MIRRORED_FROM in copy.meta.labels}
    assert ours == {name: n for name, (n, _) in wanted.items()}
    by_hand = {name for name, (_, mark) in found.items() if not (marked and mark)} - set(wanted)
    assert {copy.meta.name for copy in result} == set(wanted) | by_hand
    assert plan(sources, result).actions == ()


def test_kinds_of_the_same_plural_are_not_mixed_up() -> None:
    copies = applied(plan(GUIDE))
    assert {copy.kind for copy in copies} == {FLAT_IP_MODE, CLUSTER_CIDR_CONFIG, NETWORK_GATEWAY_GROUP, BGP_PEER}
