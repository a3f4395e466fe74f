"""Which sessions exist: choice, order, stickiness, replacement, conflicts, waits."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_objects import group, held, mode, peer

from flatbgp.planning.configuration import Configuration, configuration, last_good
from flatbgp.planning.holdings import Holding
from flatbgp.planning.neighbors import neighbor_for
from flatbgp.planning.sessions import SessionId, SessionPlan, plan_sessions
from flatbgp.resources.reasons import Reason
from flatbgp.resources.secret import BASIC_AUTH, SecretSpec
from flatbgp.resources.secrets import Password

A, B = "10.0.1.100", "10.0.3.100"
RACK1, RACK2 = "10.0.1.0/24", "10.0.3.0/24"
BOTH_HELD = (held(A, "node-01", RACK1), held(B, "node-02", RACK2))


def config(*peers, **kwargs):
    return configuration([kwargs.get("mode", mode())], [kwargs.get("group", group(A, B))], peers)


def plan(config: Configuration, holdings, up=(), secrets=None) -> SessionPlan:
    established = {SessionId(router, local, node): name for name, router, local, node in up}
    return plan_sessions(config, holdings, established, secrets or {})


def pairs(plan: SessionPlan) -> list[tuple[str, str, str]]:
    return [(str(s.peer_ip), str(s.local_ip), s.node) for s in plan.sessions]


GUIDE = config(peer("bgppeer1", "10.0.1.254", 2), peer("bgppeer2", "10.0.3.254", 2))


def test_s01_two_peers_two_floating_ips_two_sessions_each_are_the_four_of_the_guide() -> None:
    assert pairs(plan(GUIDE, BOTH_HELD)) == [
        ("10.0.1.254", A, "node-01"),
        ("10.0.1.254", B, "node-02"),
        ("10.0.3.254", A, "node-01"),
        ("10.0.3.254", B, "node-02"),
    ]
    assert {p.reason for p in plan(GUIDE, BOTH_HELD).peers.values()} == {Reason.READY}


def test_s02_one_session_comes_from_the_address_in_the_peers_subnet() -> None:
    both = config(peer("bgppeer1", "10.0.1.254"), peer("bgppeer2", "10.0.3.254"))
    assert pairs(plan(both, BOTH_HELD)) == [("10.0.1.254", A, "node-01"), ("10.0.3.254", B, "node-02")]


def test_s02_without_an_address_in_the_subnet_the_order_of_the_group_decides() -> None:
    away = config(peer(ip="192.0.2.1"), group=group(B, A))
    assert pairs(plan(away, tuple(reversed(BOTH_HELD)))) == [("192.0.2.1", B, "node-02")]


def test_s03_more_sessions_than_floating_ips_is_a_shortfall_and_the_possible_ones_come() -> None:
    result = plan(config(peer(sessions=3)), BOTH_HELD)
    assert len(result.sessions) == 2
    assert result.peers["bgppeer1"].reason is Reason.INSUFFICIENT_FLOATING_IPS
    assert "2 of 3" in result.peers["bgppeer1"].message


def test_a_floating_ip_that_is_the_routers_own_address_gets_no_session_with_itself() -> None:
    result = plan(config(peer("wrong", A, 2), peer("right", "10.0.3.254", 2)), BOTH_HELD)
    assert pairs(result) == [(A, B, "node-02"), ("10.0.3.254", A, "node-01"), ("10.0.3.254", B, "node-02")]


def test_s30a_two_addresses_on_one_node_give_one_session_and_a_shortfall() -> None:
    result = plan(config(peer(sessions=2)), (held(A, "node-02", RACK1), held(B, "node-02", RACK2)))
    assert pairs(result) == [("10.0.1.254", A, "node-02")]
    assert result.peers["bgppeer1"].reason is Reason.INSUFFICIENT_FLOATING_IPS


def test_s30a_the_working_session_of_a_node_is_not_given_up_for_a_better_address_on_it() -> None:
    both_on_one = (held(A, "node-02", RACK1), held(B, "node-02", RACK2))
    up = [("bgppeer1", "10.0.1.254", B, "node-02")]
    assert pairs(plan(config(peer(sessions=2)), both_on_one, up)) == [("10.0.1.254", B, "node-02")]


def test_s04_an_address_that_no_node_can_hold_waits_with_no_gateway() -> None:
    never = Holding(ip_address(B), vacant_for=60.0, held_before=False)
    result = plan(config(peer(sessions=2)), (held(A, "node-01", RACK1), never))
    waiting = next(s for s in result.sessions if not s.node)
    assert (waiting.local_ip, waiting.waits) == (ip_address(B), Reason.NO_GATEWAY)


def test_s05_the_oldest_of_two_peers_with_one_address_wins_and_the_other_is_conflicting() -> None:
    old = peer("zz", annotations={"flatbgp.io/source-created": "2026-01-01T00:00:00Z"})
    new = peer("aa", annotations={"flatbgp.io/source-created": "2026-02-01T00:00:00Z"})
    result = plan(config(new, old), BOTH_HELD)
    assert {s.peer for s in result.sessions} == {"zz"}
    assert result.peers["aa"].reason is Reason.CONFLICTING
    assert "zz" in result.peers["aa"].message


def test_s05_a_working_session_is_not_torn_down_for_an_older_peer() -> None:
    old = peer("zz", annotations={"flatbgp.io/source-created": "2026-01-01T00:00:00Z"})
    new = peer("aa", annotations={"flatbgp.io/source-created": "2026-02-01T00:00:00Z"})
    result = plan(config(new, old), BOTH_HELD, up=[("aa", "10.0.1.254", A, "node-01")])
    assert {s.peer for s in result.sessions} == {"aa"}
    assert result.peers["zz"].reason is Reason.CONFLICTING


def test_s08_a_missing_secret_makes_the_session_wait_and_no_neighbour_without_password() -> None:
    secured = config(peer(spec={"passwordSecretRef": {"name": "md5"}}))
    waiting = plan(secured, BOTH_HELD)
    assert [s.waits for s in waiting.sessions] == [Reason.SECRET_MISSING]
    assert waiting.peers["bgppeer1"].reason is Reason.SECRET_MISSING
    with pytest.raises(ValueError, match="waits"):
        neighbor_for(waiting.sessions[0], None)
    ready = plan(secured, BOTH_HELD, secrets={"md5": SecretSpec(BASIC_AUTH, Password("x"))}).sessions[0]
    with pytest.raises(ValueError, match="password"):
        neighbor_for(ready, None)
    assert neighbor_for(ready, Password("x")).password == Password("x")


@pytest.mark.parametrize(
    "secret", [SecretSpec("Opaque", Password("x")), SecretSpec(BASIC_AUTH, None), SecretSpec(BASIC_AUTH, Password(""))]
)
def test_s08_a_secret_of_the_wrong_form_is_a_missing_one(secret: SecretSpec) -> None:
    secured = config(peer(spec={"passwordSecretRef": {"name": "md5"}}))
    assert plan(secured, BOTH_HELD, secrets={"md5": secret}).sessions[0].waits is Reason.SECRET_MISSING


def test_s19_a_selector_that_matches_nothing_gives_no_session() -> None:
    result = plan(config(peer(), mode=mode(selector={"no": "such"})), BOTH_HELD)
    assert result.sessions == ()
    assert result.peers["bgppeer1"].reason is Reason.NOT_SELECTED


def test_s32_all_gateways_lost_leaves_the_sessions_waiting_for_one() -> None:
    result = plan(GUIDE, (held(A, "node-01", RACK1, vacant=40.0), held(B, "", RACK2, vacant=40.0)))
    assert {s.waits for s in result.sessions} == {Reason.NO_GATEWAY}
    assert len(result.sessions) == 4
    assert {p.reason for p in result.peers.values()} == {Reason.NO_GATEWAY}
    assert plan(GUIDE, BOTH_HELD).sessions[0].waits is None


def test_a_peer_of_the_other_family_uses_only_addresses_of_that_family() -> None:
    six = config(peer(ip="2001:db8::fe", sessions=2), group=group(A, "2001:db8::100"))
    result = plan(six, (held(A, "node-01", RACK1), held("2001:db8::100", "node-02", "2001:db8::/64")))
    assert pairs(result) == [("2001:db8::fe", "2001:db8::100", "node-02")]


def test_a_vacant_address_keeps_its_place_for_thirty_seconds_and_the_plan_asks_to_be_looked_at_again() -> None:
    one = config(peer("bgppeer1", "10.0.1.254"))
    early = plan(one, (held(A, "node-01", RACK1, vacant=29.0), held(B, "node-02", RACK2)))
    assert pairs(early) == [("10.0.1.254", A, "")]
    assert early.recheck_after == pytest.approx(1.0)
    late = plan(one, (held(A, "node-01", RACK1, vacant=30.0), held(B, "node-02", RACK2)))
    assert pairs(late) == [("10.0.1.254", B, "node-02")]
    assert late.recheck_after is None


def test_the_old_session_stays_until_its_replacement_is_established() -> None:
    one = config(peer("bgppeer1", "10.0.1.254"))
    old = ("bgppeer1", "10.0.1.254", B, "node-02")
    both = plan(one, BOTH_HELD, up=[old])
    assert pairs(both) == [("10.0.1.254", A, "node-01"), ("10.0.1.254", B, "node-02")]
    assert [s.surplus for s in both.sessions] == [False, True]
    done = plan(one, BOTH_HELD, up=[old, ("bgppeer1", "10.0.1.254", A, "node-01")])
    assert pairs(done) == [("10.0.1.254", A, "node-01")]


def test_fewer_sessions_are_asked_for_and_a_working_one_is_kept_while_the_first_is_down() -> None:
    result = plan(config(peer(sessions=1)), BOTH_HELD, up=[("bgppeer1", "10.0.1.254", B, "node-02")])
    assert len(result.sessions) == 2


def test_s34_an_address_taken_out_of_the_group_ends_its_sessions_at_once() -> None:
    up = [("bgppeer1", "10.0.1.254", A, "node-01"), ("bgppeer1", "10.0.1.254", B, "node-02")]
    result = plan(config(peer(sessions=2), group=group(B)), (held(B, "node-02", RACK2),), up)
    assert pairs(result) == [("10.0.1.254", B, "node-02")]


def test_s42_a_peer_that_became_invalid_goes_on_with_its_last_good_settings() -> None:
    good, bad = peer(), peer(ip="10.0.1.300")
    memory = last_good({}, [good])
    kept = last_good(memory, [bad])
    result = configuration([mode()], [group(A, B)], list(kept.values()))
    assert pairs(plan(result, BOTH_HELD)) == [("10.0.1.254", A, "node-01")]
    verdict = result.verdicts["BGPPeer", good.key]
    assert verdict.reason is Reason.INVALID
    assert "spec.peerIP" in verdict.message


def test_s42_an_invalid_peer_that_never_was_valid_is_left_out_and_others_progress() -> None:
    result = config(peer("bad", ip="10.0.1.300"), peer("good", ip="10.0.3.254"))
    assert {s.peer for s in plan(result, BOTH_HELD).sessions} == {"good"}


def test_s42_an_object_made_anew_does_not_inherit_the_settings_of_its_predecessor() -> None:
    memory = last_good({}, [peer()])
    assert next(iter(last_good(memory, [peer(ip="bad", uid="another")]).values())).spec is None


def test_s41_objects_made_by_hand_beside_an_active_mirror_are_not_used() -> None:
    copies = {"labels": {"flatip-peer": "true", "flatbgp.io/mirrored-from": "cluster-bm"}}
    result = configuration(
        [mode(**copies)], [group(A, B, **copies)], [peer("copy", **copies), peer("handmade", ip="10.0.3.254")]
    )
    assert [p.meta.name for p, _ in result.peers] == ["copy"]
    assert result.verdicts["BGPPeer", peer("handmade").key].reason is Reason.NOT_MIRRORED


def test_sources_in_the_cluster_namespace_of_the_same_cluster_are_not_taken_for_copies() -> None:
    assert config(peer(namespace="cluster-bm")).peers == ()


ADDRESSES = [f"10.0.{rack}.{host}" for rack in (1, 3) for host in (100, 101, 102)]


@st.composite
def situations(draw: st.DrawFn) -> tuple[tuple[Holding, ...], int, list[tuple[str, str, str, str]]]:
    holdings = []
    for address in draw(st.permutations(ADDRESSES)):
        node = draw(st.sampled_from(["", "n1", "n2", "n3", "n4"]))
        vacant = draw(st.sampled_from([0.0, 29.9, 30.0, 1000.0])) if not node or draw(st.booleans()) else None
        subnet = ip_network(address + "/24", strict=False)
        holdings.append(Holding(ip_address(address), node, subnet, vacant, draw(st.booleans())))
    live = [h for h in holdings if h.holder]
    up = draw(st.lists(st.sampled_from(live), unique_by=lambda h: h.holder)) if live else []
    wanted = draw(st.integers(1, 5))
    return tuple(holdings), wanted, [("bgppeer1", "10.0.1.254", str(h.address), h.holder) for h in up]


@given(situations())
def test_the_choice_never_doubles_a_node_and_never_lowers_the_number_of_working_sessions(situation) -> None:
    holdings, wanted, up = situation
    result = plan(config(peer(sessions=wanted), group=group(*(str(h.address) for h in holdings))), holdings, up)
    nodes = [s.node for s in result.sessions if s.node]
    assert len(nodes) == len(set(nodes))
    assert len([s for s in result.sessions if not s.surplus]) <= wanted
    assert all(s.node == h.holder for s in result.sessions for h in holdings if h.address == s.local_ip)
    working = {(local, node) for _, _, local, node in up}
    kept = sum(1 for s in result.sessions if (str(s.local_ip), s.node) in working)
    assert kept >= min(len(working), wanted)
    again = [("bgppeer1", "10.0.1.254", str(s.local_ip), s.node) for s in result.sessions if s.node]
    settled = plan(config(peer(sessions=wanted), group=group(*(str(h.address) for h in holdings))), holdings, again)
    assert len([s for s in settled.sessions if s.node]) <= wanted
    lasting = plan(
        config(peer(sessions=wanted), group=group(*(str(h.address) for h in holdings))),
        holdings,
        [("bgppeer1", "10.0.1.254", str(s.local_ip), s.node) for s in settled.sessions if s.node],
    )
    assert pairs(lasting) == pairs(settled)  # once all is up, nothing moves any more
