"""What ``flatbgp plan`` says: actions, costs, order, and what will not work."""

from base64 import b64encode

import pytest
from planning_objects import Json, group, lease, make, mode, node, peer

from flatbgp.planning.costs import Cost
from flatbgp.planning.explain import Explanation, explain
from flatbgp.planning.future import future_of
from flatbgp.planning.mirror import SOURCES, Create, Places, plan_mirror
from flatbgp.resources import kinds
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import decode, encode_spec
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET

A, B = "10.0.1.100", "10.0.3.100"
RANGE = make(CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}})
LEASES = [lease(A, "node-01", subnet="10.0.1.0/24"), lease(B, "node-02", subnet="10.0.3.0/24")]
NODES = [node("node-01", "10.0.1.1", pods=["222.2.0.0/24"]), node("node-02", "10.0.3.2", pods=["222.2.1.0/24"])]
CONFIG = [RANGE, mode(), group(A, B), peer("bgppeer1", "10.0.1.254", 2)]


def say(before, after=None) -> Explanation:
    return explain(before, before if after is None else after, secret_namespace="kube-system")  # noqa: S106 - a namespace


def settled(resources: list[Resource]) -> list[Resource]:
    """The same with the objects that the roles make of them."""
    future = future_of(resources, "kube-system")
    routes = [
        make(BGP_ADVERTISED_ROUTE, f"r-{number}", encode_spec(BGP_ADVERTISED_ROUTE, spec))
        for number, spec in enumerate(future.routes.values())
    ]
    sessions = [
        make(
            BGP_SESSION,
            f"{s.peer_ip}-{s.node}",
            {
                "localASN": s.spec.local_asn,
                "peerASN": s.spec.peer_asn,
                "localIP": str(s.local_ip),
                "peerIP": str(s.peer_ip),
                "nodeName": s.node,
                "peer": s.peer,
            },
            status={"state": "Established", "flaps": 0},
        )
        for s in future.sessions.sessions
        if s.node
    ]
    return [*resources, *routes, *sessions]


def sessions(explanation: Explanation) -> list[str]:
    """What is said of sessions."""
    return [str(step) for step in explanation.steps if step.about == "session"]


RUNNING = settled([*CONFIG, *NODES, *LEASES])


def replaced(resources: list[Resource], *new: Resource) -> list[Resource]:
    state = {(r.kind.full_name, r.key): r for r in resources}
    state |= {(r.kind.full_name, r.key): r for r in new}
    return list(state.values())


def test_nothing_is_said_when_nothing_is_left_to_do() -> None:
    assert say(RUNNING) == Explanation()


def test_what_the_roles_have_left_to_do_is_said_in_order() -> None:
    fresh = [*CONFIG, node("node-01", "10.0.1.1"), *LEASES]
    assert [str(step) for step in say(fresh).steps] == [
        "Give Node node-01 222.2.0.0/24 of ClusterCIDRConfig wide. [none]",
        "Announce 222.2.0.0/24 via 10.0.1.1 (node-01) on every session. [route update]",
        "Open a session with 10.0.1.254 (BGPPeer bgppeer1) from 10.0.1.100 on node-01. [none]",
        "Open a session with 10.0.1.254 (BGPPeer bgppeer1) from 10.0.3.100 on node-02. [none]",
    ]


def test_s49_s50_a_node_that_comes_or_goes_moves_only_its_route() -> None:
    joined = say(RUNNING, [*RUNNING, node("node-03", "10.0.1.3")])
    assert [step.sentence for step in joined.steps] == [
        "Create Node node-03.",
        "Give Node node-03 222.2.2.0/24 of ClusterCIDRConfig wide.",
        "Announce 222.2.2.0/24 via 10.0.1.3 (node-03) on every session.",
    ]
    gone = say(RUNNING, [r for r in RUNNING if r.key.name != "node-02" or r.kind.name != "Node"])
    assert [step.sentence for step in gone.steps] == [
        "Delete Node node-02.",
        "Withdraw 222.2.1.0/24 via 10.0.3.2 (node-02) from every session.",
    ]
    assert gone.cost is Cost.ROUTE_UPDATE


@pytest.mark.parametrize(
    ("spec", "words", "cost"),
    [
        ({"timers": {"holdTimeSeconds": 9, "keepAliveTimeSeconds": 3}}, "hold time and keepalive", Cost.SESSION_RESET),
        ({"localASN": 65009}, "local ASN", Cost.SESSION_RESET),
        ({"peerASN": 65009}, "peer ASN", Cost.SESSION_RESET),
        ({"ebgpMultihop": False}, "multihop", Cost.SESSION_RESET),
        ({"gracefulRestart": {"enabled": False}}, "graceful restart", Cost.SESSION_RESET),
        ({"med": 50}, "route attributes", Cost.ROUTE_UPDATE),
        ({"communities": ["65001:1"]}, "route attributes", Cost.ROUTE_UPDATE),
        ({"prefixLimit": 5}, "prefix limit", Cost.NONE),
        ({"timers": {"connectRetryTimeSeconds": 9}}, "connect retry", Cost.NONE),
    ],
)
def test_s17_a_changed_setting_has_its_cost_on_each_session(spec: Json, words: str, cost: Cost) -> None:
    result = say(RUNNING, replaced(RUNNING, peer("bgppeer1", "10.0.1.254", 2, spec=spec)))
    changes = [step for step in result.steps if step.about == "session"]
    assert len(changes) == 2
    for step in changes:
        assert step.sentence.startswith(f"Change {words} of the session with 10.0.1.254")
        assert step.cost is cost


def test_s18_a_changed_label_costs_nothing() -> None:
    result = say(
        RUNNING, replaced(RUNNING, peer("bgppeer1", "10.0.1.254", 2, labels={"flatip-peer": "true", "rack": "1"}))
    )
    assert [str(step) for step in result.steps] == ["Change labels of BGPPeer kube-system/bgppeer1. [none]"]


def test_s16_a_peer_that_is_added_or_deleted_touches_no_other_session() -> None:
    added = say(RUNNING, [*RUNNING, peer("bgppeer2", "10.0.3.254", 2)])
    assert {step.cost for step in added.steps} == {Cost.NONE}
    removed = say(RUNNING, [r for r in RUNNING if r.kind.name != "BGPPeer"])
    assert [step.sentence for step in removed.steps if step.about == "session"] == [
        "Withdraw all routes and end the session with 10.0.1.254 from 10.0.1.100 on node-01.",
        "Withdraw all routes and end the session with 10.0.1.254 from 10.0.3.100 on node-02.",
    ]


@pytest.mark.parametrize(
    ("router", "before", "after"),
    [("192.0.2.1", group(A, B), group(B, A)), ("10.0.3.254", group(A), group(A, B))],
    ids=["the group's order changes", "an address comes that is in the router's subnet"],
)
def test_a_session_that_another_one_replaces_is_said_to_end(router: str, before: Resource, after: Resource) -> None:
    running = settled([RANGE, mode(), before, peer("one", router, 1), *NODES, *LEASES])
    result = say(running, replaced(running, after))
    old = f"the session with {router} from {A} on node-01"
    assert sessions(result) == [
        f"Open a session with {router} (BGPPeer one) from {B} on node-02. [none]",
        f"Withdraw all routes and end {old}, once one that replaces it is Established. [session reset]",
    ]


def test_s02_which_address_a_session_comes_from_is_not_promised_before_its_subnet_is_known() -> None:
    far = [RANGE, mode(), group(A, B), peer("one", "10.0.3.254", 1), *NODES]
    order = "once nodes hold them: from those in its subnet first, then in this order"
    assert sessions(say(far)) == [f"Open a session with 10.0.3.254 (BGPPeer one) from {A}, {B}, {order}. [none]"]
    running = settled([RANGE, mode(), group(A), peer("one", "10.0.3.254", 1), *NODES, LEASES[0]])
    after = replaced(running, group(A, B))
    where = f"to one of {B} that proves to be in its subnet, once a node holds it"
    assert sessions(say(running, after)) == [f"Move a session with 10.0.3.254 (BGPPeer one) {where}. [session reset]"]
    assert say(after).steps == ()


def test_s02_the_subnet_of_a_new_address_is_known_from_another_one_in_it() -> None:
    running = settled([RANGE, mode(), group(A, B), peer("one", "10.0.3.254", 2), *NODES, *LEASES])
    result = say(running, replaced(running, group(A, B, "10.0.3.101")))
    old = f"the session with 10.0.3.254 from {A} on node-01"
    assert sessions(result) == [
        "Open a session with 10.0.3.254 (BGPPeer one) from 10.0.3.101, once a node holds that address. [none]",
        f"Withdraw all routes and end {old}, once one that replaces it is Established. [session reset]",
    ]


def test_s34_a_floating_ip_that_is_removed_ends_its_sessions() -> None:
    result = say(RUNNING, replaced(RUNNING, group(A)))
    assert "Take 10.0.3.100 off node-02, after its sessions have ended." in [step.sentence for step in result.steps]
    assert result.cost is Cost.SESSION_RESET
    assert any("1 of 2 sessions are possible" in note for note in result.notes)


def test_s24_a_drained_node_hands_its_address_over() -> None:
    draining = node("node-01", "10.0.1.1", pods=["222.2.0.0/24"], annotations={"flatbgp.io/drain": "true"})
    sentences = [step.sentence for step in say(RUNNING, replaced(RUNNING, draining)).steps]
    assert any(sentence.startswith("node-01 is draining and hands 10.0.1.100 over") for sentence in sentences)


def test_s24_a_drain_names_those_who_may_take_over() -> None:
    mark = {"flatbgp.io/drain": "true"}
    draining = node("node-01", "10.0.1.1", pods=["222.2.0.0/24"], annotations=mark)
    alone = say(RUNNING, replaced(RUNNING, draining))
    (sentence,) = (step.sentence for step in alone.steps if step.about == "floating IP")
    assert sentence == (
        "node-01 is draining and hands 10.0.1.100 over, but no other Node has an address in 10.0.1.0/24: nobody takes "
        "it, and its sessions are down until flatbgp undrain node-01."
    )
    others = [node(f"spare-{n}", f"10.0.1.{n}") for n in range(10, 17)]
    others += [node("away", "10.0.3.9"), node("out", "10.0.1.8", annotations=mark), node("spare-none")]
    among = say(RUNNING, replaced(RUNNING, draining, *others))
    (sentence,) = (step.sentence for step in among.steps if step.about == "floating IP")
    assert sentence == (
        "node-01 is draining and hands 10.0.1.100 over to spare-10 or spare-11 or spare-12 or spare-13 or spare-14 or "
        "2 more; routers that do graceful restart keep the routes."
    )
    assert among.cost is Cost.SESSION_RESET


def test_a_cordoned_node_keeps_what_it_holds() -> None:
    cordoned = node("node-01", "10.0.1.1", pods=["222.2.0.0/24"])
    cordoned = decode(
        cordoned.kind, {**cordoned.document, "spec": {**cordoned.document["spec"], "unschedulable": True}}
    )
    assert say(RUNNING, replaced(RUNNING, cordoned)).cost is Cost.NONE


def test_s54_switching_a_family_moves_routes_and_resets_no_session() -> None:
    six = [node("node-01", "10.0.1.1", "2001:db8::1", pods=["222.2.0.0/24", "2222:3::/120"]), NODES[1]]
    running = settled([*CONFIG, *six, *LEASES])
    result = say(running, replaced(running, mode(v6=True)))
    assert [step.sentence for step in result.steps if step.about != "object"] == [
        "Announce 2222:3::/120 via 2001:db8::1 (node-01) on every session."
    ]
    assert result.cost is Cost.ROUTE_UPDATE


def test_s79_a_rotated_password_is_a_reset_and_is_never_shown() -> None:
    def secret(text: str) -> Resource:
        data = {"password": b64encode(text.encode()).decode()}
        meta = {"name": "md5", "namespace": "kube-system"}
        return decode(SECRET, {"metadata": meta, "type": "kubernetes.io/basic-auth", "data": data})

    secured = settled([RANGE, mode(), group(A, B), *NODES, *LEASES, secret("alt"), named_peer()])
    result = say(secured, replaced(secured, secret("neu")))
    assert [step.sentence for step in result.steps] == [
        "Change data.password of Secret kube-system/md5.",
        "Change password of the session with 10.0.1.254 from 10.0.1.100 on node-01, by a session reset.",
    ]
    for text in ("alt", "neu"):
        assert text not in repr(result).replace("password", "")
    missing = say(secured, [r for r in secured if r.kind is not SECRET])
    assert any(step.sentence.startswith("End the session") for step in missing.steps)


def named_peer() -> Resource:
    return peer("bgppeer1", "10.0.1.254", 1, spec={"passwordSecretRef": {"name": "md5"}})


def test_s90_what_will_not_work_is_a_note() -> None:
    broken = [
        mode(v6=True),
        group(A),
        peer("one", "10.0.1.254"),
        peer("two", "10.0.1.254"),
        node("node-01", "10.0.1.1", pods=["222.2.0.0/24", "2222:3::/120"]),
        node("node-02", "10.0.1.2"),
    ]
    notes = " ".join(say(broken).notes)
    assert "BGPPeer two: BGPPeer one has the same peerIP" in notes
    assert "Node node-02 gets no pod CIDR: No ClusterCIDRConfig selects this node." in notes
    assert "Node node-01 has no IPv6 address" in notes


def test_s41_manifests_of_the_cluster_namespace_are_followed_through_the_mirror() -> None:
    network = {"advancedNetworking": True, "flatIPv4": True}
    ranges = {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}}
    sources = [
        make(CLUSTER, "bm", {"clusterNetwork": network}, namespace="cluster-bm"),
        make(ADMIN_CLUSTER_CIDR_CONFIG, "wide", ranges, namespace="cluster-bm"),
        make(
            ADMIN_FLAT_IP_MODE,
            "default",
            {"enableBGPIPv4": True, "peerSelector": {"flatip-peer": "true"}},
            namespace="cluster-bm",
        ),
        group(A, namespace="cluster-bm"),
        peer("bgppeer1", namespace="cluster-bm"),
    ]
    result = say([node("node-01", "10.0.1.1")], [node("node-01", "10.0.1.1"), *sources])
    sentences = [step.sentence for step in result.steps if step.about != "object"]
    assert sentences == [
        "Give Node node-01 222.2.0.0/24 of ClusterCIDRConfig wide.",
        "A healthy node of its subnet claims 10.0.1.100.",
        "Announce 222.2.0.0/24 via 10.0.1.1 (node-01) on every session.",
        "Open a session with 10.0.1.254 (BGPPeer bgppeer1) from 10.0.1.100, once a node holds that address.",
    ]


ADMIN = [
    make(CLUSTER, "bm", {"clusterNetwork": {"flatIPv4": True, "services": {"cidrBlocks": ["FD00:0::/112"]}}}),
    make(ADMIN_CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}}),
    make(ADMIN_FLAT_IP_MODE, "default", {"enableBGPIPv4": True, "peerSelector": {"flatip-peer": "true"}}),
    group(A, B),
    peer("bgppeer1", "10.0.1.254", 2, spec={"med": 7}),
]
"""What is on the admin cluster, in the namespace cluster-bm."""


def of_admin(resource: Resource, **spec: object) -> Resource:
    document = resource.document
    meta = {**document["metadata"], "namespace": "cluster-bm"}
    return decode(resource.kind, {**document, "metadata": meta, "spec": {**document["spec"], **spec}})


def user_cluster() -> list[Resource]:
    """The store of the user cluster, apart from the admin cluster's, with all done."""
    sources = {kind.full_name: [of_admin(each) for each in ADMIN if each.kind is kind] for kind in SOURCES}
    copies = [
        decode(action.kind, dict(action.document))
        for action in plan_mirror(sources, {}, Places("cluster-bm", "kube-system")).actions
        if isinstance(action, Create)
    ]
    return settled([*copies, *NODES, *LEASES])


def test_s41_a_plan_of_the_admin_clusters_own_store_says_that_it_does_not_see_the_user_cluster() -> None:
    admin = [of_admin(each) for each in ADMIN]
    (first, *_) = say(admin).notes
    assert first.startswith("This store has no Node and nothing else of the user cluster of cluster-bm.")
    assert "This store" not in " ".join(say([*admin, *NODES]).notes)


@pytest.mark.parametrize("parts", [(0, 1, 2, 3, 4), (0,), (1,), (2,), (3,), (4,)])
def test_s41_manifests_that_the_admin_cluster_has_already_change_nothing(parts: tuple[int, ...]) -> None:
    store = user_cluster()
    assert say(store, [*store, *(of_admin(ADMIN[part]) for part in parts)]) == Explanation()


@pytest.mark.parametrize(
    ("part", "spec", "expected"),
    [
        (4, {"med": 8}, ["Change spec.med of BGPPeer cluster-bm/bgppeer1.", "Change route attributes of the session"]),
        (
            2,
            {"enableBGPIPv4": False},
            ["Change spec.enableBGPIPv4 of FlatIPMode cluster-bm/default.", "Withdraw 222.2."],
        ),
        (3, {"floatingIPs": [A]}, ["Change spec.floatingIPs of NetworkGatewayGroup", "Take 10.0.3.100 off node-02"]),
        (0, {"clusterNetwork": {"flatIPv4": False}}, ["Change spec.clusterNetwork of Cluster cluster-bm/bm."]),
    ],
)
def test_s41_a_single_manifest_of_the_cluster_namespace_changes_only_what_it_is_about(
    part: int, spec: Json, expected: list[str]
) -> None:
    store = user_cluster()
    steps = [step.sentence for step in say(store, [*store, of_admin(ADMIN[part], **spec)]).steps]
    assert [sentence[: len(words)] for words, sentence in zip(expected, steps, strict=False)] == expected
    assert not any("Create" in sentence or "Delete" in sentence for sentence in steps)


def test_s17_a_changed_copy_is_planned_as_it_is_where_the_admin_cluster_is_another_store() -> None:
    store = user_cluster()
    (copy,) = [each for each in store if each.kind is BGP_PEER and each.meta.namespace == "kube-system"]
    changed = decode(BGP_PEER, {**copy.document, "spec": {**copy.document["spec"], "timers": {"holdTimeSeconds": 12}}})
    found = say(store, [each if each is not copy else changed for each in store])
    assert Cost.SESSION_RESET in {step.cost for step in found.steps}


def test_the_same_objects_in_another_order_are_explained_the_same() -> None:
    changed = replaced(RUNNING, group(A), peer("bgppeer2", "10.0.3.254"), node("node-03", "10.0.1.3"))
    assert say(RUNNING, changed) == say(list(reversed(RUNNING)), list(reversed(changed)))


def test_many_routes_are_counted_and_not_all_named() -> None:
    many = [node(f"n{i:03}", f"10.9.0.{i + 1}", pods=[f"10.{i}.0.0/24"]) for i in range(120)]
    steps = [step.sentence for step in say([mode(), group(A), peer(), *many]).steps if step.about == "route"]
    assert len(steps) == 51
    assert steps[-1] == "70 more routes are announced."


def test_every_kind_can_be_in_a_view() -> None:
    for kind in kinds.ALL:
        assert say([make(kind, "default")]).notes is not None
