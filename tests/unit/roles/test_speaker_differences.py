"""The plan against a daemon, in sentences: what is missing, extra or different, and which object says so."""

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

import pytest
from planning_objects import group, lease, make, mode, node, peer

from flatbgp.engine.model import (
    EngineInfo,
    ExportAttributes,
    NeighborState,
    Observed,
    ObservedNeighbor,
    PasswordMark,
    Path,
    SessionState,
)
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.resource import Resource
from flatbgp.resources.secrets import Password
from flatbgp.roles.speaker.assumed import with_assumed_leases
from flatbgp.roles.speaker.differences import differences
from flatbgp.roles.speaker.expected import Expected, expected_of_manifests, expected_of_store

ROUTER, LOCAL, OTHER = (IPv4Address(text) for text in ("10.0.1.254", "10.0.1.100", "10.0.1.101"))
ENDS = "with 10.0.1.254 (AS65002) from 10.0.1.100 (AS65001)"
ROUTE = Path(ip_network("222.2.0.0/24"), ip_address("10.0.1.11"))
ASKED = "BGPAdvertisedRoute route-via-10-0-1-11 (Node node-01)"


def route(prefix: str = "222.2.0.0/24", next_hop: str = "10.0.1.11") -> Resource[Any, Any]:
    spec = {"prefix": prefix, "nextHop": next_hop, "nodeName": "node-01"}
    return make(BGP_ADVERTISED_ROUTE, f"route-via-{next_hop.replace('.', '-')}", spec)


def cluster(**changed: Resource[Any, Any] | None) -> list[Resource[Any, Any]]:
    """Return a small cluster in which node-01 has one session, with parts exchanged or left out."""
    parts: dict[str, Resource[Any, Any] | None] = {
        "mode": mode(),
        "group": group("10.0.1.100", "10.0.1.101"),
        "peer": peer(),
        "node": node("node-01", "10.0.1.11", pods=["222.2.0.0/24"]),
        "route": route(),
        "lease": lease("10.0.1.100", "node-01", subnet="10.0.1.0/24"),
        "lease2": lease("10.0.1.101", "node-02", subnet="10.0.1.0/24"),
    }
    return [part for part in (parts | changed).values() if part is not None]


def expected(**changed: Resource[Any, Any] | None) -> Expected:
    return expected_of_store(cluster(**changed), "node-01", "store", "kube-system")


def observed(plan: Expected, **changes: Any) -> Observed:
    """Return what a daemon has that has exactly what is planned, but for the changes."""
    neighbors = {
        address: ObservedNeighbor(replace(neighbor.effective(), password=None), None)
        for address, neighbor in plan.desired.neighbors.items()
    }
    info = EngineInfo("v4", True, plan.desired.router_id, 1, plan.desired.marker)
    return replace(Observed(info, neighbors, dict(plan.desired.paths)), **changes)


def said(plan: Expected, seen: Observed, state: SessionState = SessionState.ESTABLISHED) -> list[str]:
    states: Mapping[IPAddress, NeighborState] = {
        address: NeighborState(address, each.settings.local_address, state) for address, each in seen.neighbors.items()
    }
    return [str(each) for each in differences(plan, seen, states)]


def test_a_daemon_as_planned_has_no_difference() -> None:
    plan = expected()
    assert plan.desired.neighbors.keys() == {ROUTER}
    assert plan.desired.paths == {ROUTE.prefix: ROUTE}
    assert plan.held == {LOCAL}
    assert said(plan, observed(plan)) == []


class TestDaemon:
    def test_one_that_is_empty_is_said_with_what_should_be_there(self) -> None:
        [sentence] = said(expected(), Observed(EngineInfo("v4", started=False)))
        assert sentence.startswith(
            "Missing: BGP is not started in this gobgpd, but node-01 holds 10.0.1.100: 1 session"
        )

    def test_an_empty_one_of_an_idle_node_is_as_planned(self) -> None:
        plan = expected(lease=lease("10.0.1.100", "node-02"))
        assert said(plan, Observed(EngineInfo("v4", started=False))) == []

    @pytest.mark.parametrize(
        ("marker", "whose"),
        [("flatbgp-other-node-01", "belongs to flatbgp-other-node-01"), (None, "was started by something else")],
    )
    def test_one_of_somebody_else_is_named_and_nothing_more_is_compared(self, marker: str | None, whose: str) -> None:
        plan = expected()
        info = replace(observed(plan).info, marker=marker)
        [sentence] = said(plan, observed(plan, info=info, paths={}))
        assert whose in sentence
        assert "Restart gobgpd" in sentence


class TestSessions:
    def test_a_missing_one_names_the_peer_and_the_lease(self) -> None:
        plan = expected()
        assert said(plan, observed(plan, neighbors={})) == [
            f"Missing: The session {ENDS}: BGPPeer bgppeer1 asks for it, and node-01 holds 10.0.1.100 by its Lease."
        ]

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"peer": None}, "no BGPPeer has the peerIP 10.0.1.254"),
            ({"peer": peer(labels={"other": "label"})}, "BGPPeer bgppeer1 gets no session: The peerSelector of"),
            ({"group": group("10.0.1.101")}, "10.0.1.100 is not among the floatingIPs of the NetworkGatewayGroup"),
            ({"lease": lease("10.0.1.100", "node-02")}, "node-01 does not hold 10.0.1.100; node-02 does, by its Lease"),
            ({"lease": None}, "node-01 does not hold 10.0.1.100; nobody does, by its Lease"),
        ],
    )
    def test_an_extra_one_names_what_no_longer_asks_for_it(
        self, changed: dict[str, Resource[Any, Any] | None], why: str
    ) -> None:
        seen = observed(expected())
        plan = expected(**changed)
        [extra] = [sentence for sentence in said(plan, seen) if sentence.startswith("Extra: The session")]
        assert extra.startswith(f"Extra: The session with 10.0.1.254 from 10.0.1.100: {why}")

    def test_a_setting_that_differs_is_given_with_both_values_and_its_field(self) -> None:
        plan = expected()
        there = observed(plan).neighbors[ROUTER]
        other = replace(there.settings, hold_time=90, multihop=False, export=ExportAttributes(med=5))
        sentences = said(plan, observed(plan, neighbors={ROUTER: replace(there, settings=other)}))
        assert [sentence.partition(" of the session")[0] for sentence in sentences] == [
            "Different: The route attributes",
            "Different: The hold time",
            "Different: The multihop",
        ]
        assert sentences[1] == (
            f"Different: The hold time of the session {ENDS}: gobgpd has 90, and it should be 30 "
            "(BGPPeer bgppeer1, spec.timers)."
        )

    def test_a_password_is_compared_and_never_told(self) -> None:
        plan = expected()
        there = observed(plan).neighbors[ROUTER]
        with_one = replace(there, password=PasswordMark.of("sesame", b"salt"))
        [sentence] = said(plan, observed(plan, neighbors={ROUTER: with_one}))
        assert "gobgpd has one, and there should be none" in sentence
        wanted = {ROUTER: replace(plan.desired.neighbors[ROUTER], password=Password("other"))}
        other = replace(plan, desired=replace(plan.desired, neighbors=wanted))
        [sentence] = said(other, observed(plan, neighbors={ROUTER: with_one}))
        assert "another one than the Secret" in sentence
        assert "other" not in sentence.replace("another", "")
        [sentence] = said(other, observed(plan))
        assert "is missing" in sentence

    def test_one_from_another_address_is_different(self) -> None:
        plan = expected()
        there = observed(plan).neighbors[ROUTER]
        moved = replace(there, settings=replace(there.settings, local_address=OTHER))
        [sentence] = said(plan, observed(plan, neighbors={ROUTER: moved}))
        assert f"The session {ENDS} goes out from 10.0.1.101" in sentence

    def test_one_that_is_down_is_said_with_its_last_report(self) -> None:
        spec = {"localASN": 65001, "peerASN": 65002, "localIP": str(LOCAL), "peerIP": str(ROUTER)}
        status = {"state": "NotEstablished", "reason": "BadPeerAS", "message": "The router wants another AS."}
        session = make(
            BGP_SESSION, "10.0.1.254-node-01", spec | {"nodeName": "node-01", "peer": "bgppeer1"}, status=status
        )
        plan = expected(session=session)
        [sentence] = said(plan, observed(plan), SessionState.ACTIVE)
        assert sentence == (
            f"Not established: The session {ENDS} is configured as planned, and Active. "
            "BadPeerAS: The router wants another AS."
        )

    def test_one_that_waits_is_said_with_what_it_waits_for(self) -> None:
        plan = expected(peer=peer(spec={"passwordSecretRef": {"name": "bgp"}}))
        [sentence] = said(plan, observed(plan))
        assert sentence.startswith(f"Waiting: The session {ENDS} waits: ")
        assert "bgp" in sentence


class TestRoutes:
    def test_missing_extra_and_different_ones_name_their_objects(self) -> None:
        plan = expected()
        extra = Path(ip_network("10.9.0.0/24"), ip_address("10.0.1.9"))
        moved = replace(ROUTE, next_hop=ip_address("10.0.1.12"))
        assert said(plan, observed(plan, paths={extra.prefix: extra})) == [
            f"Missing: Route 222.2.0.0/24 via 10.0.1.11: {ASKED} asks for it.",
            "Extra: Route 10.9.0.0/24 via 10.0.1.9: no BGPAdvertisedRoute asks for it.",
        ]
        assert said(plan, observed(plan, paths={moved.prefix: moved})) == [
            f"Different: Route 222.2.0.0/24 goes via 10.0.1.12, and should go via 10.0.1.11: {ASKED} says so."
        ]

    def test_a_path_kept_from_a_router_is_missing_there(self) -> None:
        plan = expected()
        [sentence] = said(plan, observed(plan, unreached=frozenset({ROUTE.prefix})))
        assert "is in gobgpd, but kept from a router" in sentence

    def test_a_node_that_holds_nothing_announces_nothing(self) -> None:
        seen = observed(expected())
        plan = expected(lease=lease("10.0.1.100", "node-02"))
        assert "node-01 holds no floating IP, so its gobgpd announces nothing." in said(plan, seen)[-1]

    def test_of_very_many_only_some_are_named(self) -> None:
        plan = expected()
        many = [Path(ip_network(f"10.{n}.0.0/24"), ip_address("10.0.1.9")) for n in range(80)]
        sentences = said(plan, observed(plan, paths=plan.desired.paths | {path.prefix: path for path in many}))
        assert len(sentences) == 51
        assert sentences[-1] == "Extra: And 30 more routes."


def test_a_policy_that_somebody_changed_is_said_with_what_to_do() -> None:
    plan = expected()
    [found] = differences(plan, observed(plan), {}, ["The policy flatbgp-import is missing"])
    assert str(found).startswith("Different: The policy flatbgp-import is missing: ")
    assert str(found).endswith("Restart gobgpd, so that it is filled anew.")


class TestManifests:
    def nodes(self) -> list[Resource[Any, Any]]:
        return [node(name, address) for name, address in (("node-01", "10.0.1.11"), ("node-02", "10.0.1.99"))]

    def objects(self) -> list[Resource[Any, Any]]:
        ranges = make(CLUSTER_CIDR_CONFIG, "one", {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}})
        return [mode(), group("10.0.1.100"), peer(), ranges, *self.nodes()]

    def test_the_node_nearest_to_a_floating_ip_is_taken_for_its_holder(self) -> None:
        _, holders = with_assumed_leases(self.objects(), "node-01", [], "kube-system")
        assert holders == {LOCAL: "node-02"}

    def test_what_is_said_to_be_held_is_held(self) -> None:
        complete, holders = with_assumed_leases(self.objects(), "node-01", [LOCAL], "kube-system")
        plan = expected_of_manifests(complete, "node-01", "kube-system")
        assert holders == {LOCAL: "node-01"}
        assert plan.held == {LOCAL}
        assert plan.desired.neighbors.keys() == {ROUTER}
        assert {str(prefix): str(path.next_hop) for prefix, path in plan.desired.paths.items()} == {
            "222.2.0.0/24": "10.0.1.11",
            "222.2.1.0/24": "10.0.1.99",
        }

    def test_a_lease_among_the_manifests_counts(self) -> None:
        objects = [*self.objects(), lease("10.0.1.100", "node-01", subnet="10.0.1.0/24")]
        complete, holders = with_assumed_leases(objects, "node-01", [], "kube-system")
        assert holders == {}
        assert expected_of_manifests(complete, "node-01", "kube-system").held == {LOCAL}

    def test_an_address_with_no_node_in_its_subnet_is_held_by_nobody(self) -> None:
        objects = [mode(), group("10.0.9.100"), peer(), *self.nodes()]
        assert with_assumed_leases(objects, "node-01", [], "kube-system")[1] == {}
