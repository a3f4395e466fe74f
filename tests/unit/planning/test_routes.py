"""From Nodes to BGPAdvertisedRoutes."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_objects import group, make, mode, node, peer

from flatbgp.planning.configuration import configuration
from flatbgp.planning.nodefacts import Node, NodeTable
from flatbgp.planning.routes import Announcing, Route, RoutePlan, RoutePlanner, after, announcing
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.codec import encode_spec
from flatbgp.resources.ip import Family
from flatbgp.resources.meta import Key

V4, V6 = Announcing(frozenset({Family.IPV4})), Announcing(frozenset({Family.IPV6}))
BOTH = Announcing(frozenset(Family))


class Planner:
    """A planner with its own table of Nodes, as the controller has it."""

    def __init__(self) -> None:
        self.table, self.routes = NodeTable(), RoutePlanner()

    def plan(self, nodes, announce, existing) -> RoutePlan:
        return self.routes.plan(self.table.read(nodes).values(), announce, existing)


def plan(nodes, announce, existing) -> RoutePlan:
    return Planner().plan(nodes, announce, existing)


def written(plan: RoutePlan, existing=None) -> dict[Key, Route]:
    """The objects as a store holds them after the plan."""
    return {
        key: make(BGP_ADVERTISED_ROUTE, key.name, encode_spec(BGP_ADVERTISED_ROUTE, spec))
        for key, spec in after(plan, existing or {}).items()
    }


def shown(objects) -> dict[str, tuple[str, str]]:
    return {key.name: (str(route.spec.prefix), str(route.spec.next_hop)) for key, route in objects.items()}


NODES = [
    node("node-01", "10.0.1.1", "2001:db8:1::1", pods=["222.2.0.0/24", "2222:3::/120"]),
    node("node-02", "10.0.3.2", "2001:db8:3::2", pods=["222.2.1.0/24", "2222:3::100/120"]),
]


def test_s49_a_route_has_the_name_of_the_guide_and_the_owning_node_as_next_hop() -> None:
    assert shown(written(plan(NODES, V4, {}))) == {
        "route-via-10-0-1-1": ("222.2.0.0/24", "10.0.1.1"),
        "route-via-10-0-3-2": ("222.2.1.0/24", "10.0.3.2"),
    }


def test_s53_ipv6_routes_have_the_global_ipv6_address_of_the_node_and_a_valid_name() -> None:
    six = shown(written(plan(NODES[:1], V6, {})))
    assert six == {"route-via-2001-0db8-0001-0000-0000-0000-0000-0001": ("2222:3::/120", "2001:db8:1::1")}


def test_s53_a_node_without_an_address_of_a_family_is_skipped_for_that_family_and_named() -> None:
    only4 = node("node-03", "10.0.1.3", "fe80::3", pods=["222.2.2.0/24", "2222:3::200/120"])
    result = plan([only4], BOTH, {})
    assert [str(spec.prefix) for _, spec in result.create] == ["222.2.2.0/24"]
    assert result.without_address == (("node-03", Family.IPV6),)


def test_s52_a_second_prefix_with_the_same_next_hop_gets_a_name_with_the_prefix() -> None:
    two = node("node-01", "10.0.1.1", pods=["222.2.0.0/24", "10.4.0.0/24"])
    assert shown(written(plan([two], V4, {}))) == {
        "route-via-10-0-1-1": ("222.2.0.0/24", "10.0.1.1"),
        "route-via-10-0-1-1-10-4-0-0-24": ("10.4.0.0/24", "10.0.1.1"),
    }


def test_s50_the_routes_of_a_deleted_node_go_and_no_other_is_written() -> None:
    before = written(plan(NODES, BOTH, {}))
    result = plan(NODES[1:], BOTH, before)
    assert not result.create
    assert not result.replace
    assert [route.meta.name for route in result.delete] == [
        "route-via-10-0-1-1",
        "route-via-2001-0db8-0001-0000-0000-0000-0000-0001",
    ]


def test_s50_a_node_that_is_being_deleted_loses_its_routes_at_once() -> None:
    going = node("node-01", "10.0.1.1", pods=["222.2.0.0/24"], deletionTimestamp="2026-01-01T00:00:00Z")
    assert plan([going], V4, {}).create == ()


def test_s51_a_changed_node_address_adds_the_new_next_hop_before_the_old_one_goes() -> None:
    before = written(plan(NODES[:1], V4, {}))
    moved = [node("node-01", "10.0.1.9", pods=["222.2.0.0/24"])]
    result = plan(moved, V4, before)
    assert [key.name for key, _ in result.create] == ["route-via-10-0-1-9"]
    assert [route.meta.name for route in result.delete] == ["route-via-10-0-1-1"]


def test_s44_a_route_deleted_by_hand_is_made_again_and_a_changed_one_put_right() -> None:
    objects = written(plan(NODES, V4, {}))
    by_hand = dict(objects)
    del by_hand[Key("kube-system", "route-via-10-0-1-1")]
    assert [key.name for key, _ in plan(NODES, V4, by_hand).create] == ["route-via-10-0-1-1"]
    changed = make(
        BGP_ADVERTISED_ROUTE,
        "route-via-10-0-1-1",
        {"prefix": "222.2.0.0/24", "nextHop": "10.0.1.1", "nodeName": "somebody"},
    )
    result = plan(NODES, V4, {**objects, changed.key: changed})
    assert [(route.meta.name, spec.node_name) for route, spec in result.replace] == [("route-via-10-0-1-1", "node-01")]


def test_s45_nothing_is_written_when_nothing_changed() -> None:
    objects = written(plan(NODES, BOTH, {}))
    assert plan(NODES, BOTH, objects) == RoutePlan(total=4)


def test_s46_a_route_that_belongs_to_no_node_is_removed_even_if_it_cannot_be_read() -> None:
    orphan = make(BGP_ADVERTISED_ROUTE, "route-via-9-9-9-9", {"prefix": "nonsense"})
    assert [route.meta.name for route in plan([], V4, {orphan.key: orphan}).delete] == ["route-via-9-9-9-9"]


def test_s54_switching_a_family_moves_only_its_routes() -> None:
    objects = written(plan(NODES, V4, {}))
    result = plan(NODES, BOTH, objects)
    assert {spec.prefix.version for _, spec in result.create} == {6}
    assert not result.delete
    assert {route.spec.prefix.version for route in plan(NODES, V4, written(result, objects)).delete} == {6}


def test_s55_a_node_that_is_not_ready_or_cordoned_keeps_its_routes() -> None:
    objects = written(plan(NODES, V4, {}))
    sick = [
        node(n.meta.name, n.status.addresses[0].address, pods=[str(n.spec.pod_cidrs[0])], labels={"sick": "true"})
        for n in NODES
    ]
    for each in sick:
        each.document["spec"]["unschedulable"] = True
        each.document["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    assert plan(sick, V4, objects) == RoutePlan(total=2)


def test_a_prefix_that_two_nodes_have_is_announced_for_the_older_one() -> None:
    older = node("zz", "10.0.1.1", pods=["222.2.0.0/24"], creationTimestamp="2026-01-01T00:00:00Z")
    newer = node("aa", "10.0.1.2", pods=["222.2.0.0/24"], creationTimestamp="2026-02-01T00:00:00Z")
    for order in ([older, newer], [newer, older]):
        result = plan(order, V4, {})
        assert [spec.node_name for _, spec in result.create] == ["zz"]
        assert result.duplicates == ((ip_network("222.2.0.0/24"), "aa"),)


@pytest.mark.parametrize(
    ("v4", "v6", "flat", "families"),
    [
        (True, False, True, {Family.IPV4}),
        (True, True, True, set(Family)),
        (False, True, False, {Family.IPV6}),
        (True, True, False, {Family.IPV6}),
        (True, False, None, {Family.IPV4}),
    ],
)
def test_s53_the_mode_chooses_the_families_and_ipv4_needs_flat_mode(v4, v6, flat, families) -> None:
    config = configuration([mode(v4=v4, v6=v6)], [group("10.0.1.100")], [])
    assert announcing(config, flat, []).families == families


def test_without_a_flat_ip_mode_nothing_is_announced() -> None:
    assert announcing(configuration([], [], []), True, written(plan(NODES, V4, {})).values()) == Announcing()


def test_s42_a_flat_ip_mode_that_cannot_be_read_changes_nothing() -> None:
    broken = mode(selector={"x": "y"})
    broken.document["spec"]["enableBGPIPv4"] = "perhaps"
    config = configuration([make(broken.kind, "default", broken.document["spec"])], [], [])
    assert announcing(config, True, written(plan(NODES, BOTH, {})).values()).families == set(Family)


def test_the_metric_is_the_lowest_med_of_the_selected_peers() -> None:
    peers = [
        peer("a", "10.0.1.254", spec={"med": 50}),
        peer("b", "10.0.3.254", spec={"med": 20}),
        peer("c", "10.0.4.254", spec={"med": 1}, labels={}),
        peer("d", "10.0.5.254"),
    ]
    config = configuration([mode()], [], peers)
    assert announcing(config, True, []).metric == 20
    assert announcing(configuration([mode()], [], peers[3:]), True, []).metric is None


@st.composite
def clusters(draw: st.DrawFn) -> list[Node]:
    names = draw(st.lists(st.sampled_from("abcdef"), unique=True))
    return [
        node(
            name,
            f"10.0.1.{draw(st.integers(1, 4))}",
            *draw(st.sampled_from([(), ("2001:db8::1",), ("2001:db8::2",)])),
            pods=[
                f"10.4.{draw(st.integers(0, 4))}.0/24",
                *draw(st.sampled_from([(), (f"2001:db8:4::{ord(name):x}00/120",), ("10.5.0.0/24",)])),
            ],
        )
        for name in names
    ]


@given(clusters(), clusters(), st.sampled_from([V4, V6, BOTH]), st.sampled_from([V4, V6, BOTH]))
def test_any_change_ends_at_what_is_wanted_and_never_takes_a_lasting_prefix_away(
    first: list[Node], second: list[Node], one: Announcing, other: Announcing
) -> None:
    planner = Planner()
    before = written(planner.plan(first, one, {}))
    result = planner.plan(second, other, before)
    assert result == plan(second, other, before)  # what is remembered makes no difference
    goal = {str(s.prefix) for s in after(result, before).values()}
    lasting = goal & {str(route.spec.prefix) for route in before.values()}
    state = {key: str(route.spec.prefix) for key, route in before.items()}
    for key, spec in [*result.create, *((route.key, spec) for route, spec in result.replace)]:
        state[key] = str(spec.prefix)
        assert lasting <= set(state.values())
    for route in result.delete:
        del state[route.key]
        assert lasting <= set(state.values())
    settled = written(result, before)
    assert planner.plan(second, other, settled) == RoutePlan(
        total=result.total, without_address=result.without_address, duplicates=result.duplicates
    )
    assert len({str(route.spec.prefix) for route in settled.values()}) == len(settled)
