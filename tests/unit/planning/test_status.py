"""What objects say about themselves."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from planning_objects import group, lease, make, mode, peer

from flatbgp.planning.configuration import configuration
from flatbgp.planning.holdings import holdings, observe
from flatbgp.planning.podcidrs import Shortage, Usage
from flatbgp.planning.routes import RoutePlan
from flatbgp.planning.sessions import plan_sessions
from flatbgp.planning.status import Facts, group_status, mode_status, peer_status, range_status
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import encode_status
from flatbgp.resources.ip import Family

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
A, B = "10.0.1.100", "10.0.3.100"
GROUP = group(A, B)


def facts(*peers, leases=(), now: float = 0.0, **more) -> Facts:
    config = configuration([mode()], [GROUP], peers)
    sightings = observe({}, leases, 0.0)
    found = holdings(config.floating_ips, sightings, now, 0.0)
    return Facts(config, plan_sessions(config, found, {}, {}), {}, found, sightings, **more)


def said(conditions) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, str(condition.reason)) for condition in conditions}


def test_a_group_names_the_holder_of_each_address_and_since_when() -> None:
    leases = [lease(A, "node-01"), lease(B, "node-02")]
    first = group_status(GROUP, facts(leases=leases), NOW)
    assert [(e.node, str(e.reason), e.since) for e in first.floating_ips] == [
        ("node-01", "Held", NOW),
        ("node-02", "Held", NOW),
    ]
    again = make(GROUP.kind, "default", GROUP.document["spec"], status=encode_status(GROUP.kind, first))
    assert group_status(again, facts(leases=leases), LATER) == first
    moved = group_status(again, facts(leases=[leases[0], lease(B, "node-03")]), LATER)
    assert [(e.node, e.since) for e in moved.floating_ips] == [("node-01", NOW), ("node-03", LATER)]


def test_s33_what_a_claimant_heard_is_the_reason_of_a_vacant_address() -> None:
    heard = lease(B, "", probe="52:54:00:12:34:56 answers")
    silent = lease(A, "node-01", probe="52:54:00:00:00:01 answers")
    status = group_status(GROUP, facts(leases=[silent, heard], now=60.0), NOW)
    assert [str(entry.reason) for entry in status.floating_ips] == ["HeldByUnreachableNode", "AddressConflict"]
    assert "node-01 no longer renews" in status.floating_ips[0].message
    assert "52:54:00:12:34:56" in status.floating_ips[1].message
    assert said(status.conditions) == {"Ready": ("False", "HeldByUnreachableNode")}


def test_the_time_of_a_condition_is_that_of_its_status_and_not_of_its_message() -> None:
    subject = peer(sessions=2)
    first = peer_status(subject, facts(subject), NOW)
    known = make(
        subject.kind, "bgppeer1", subject.document["spec"], labels=dict(subject.meta.labels),
        status=encode_status(subject.kind, first),
    )  # fmt: skip
    later = peer_status(known, facts(known, leases=[lease(A, "node-01")]), LATER)
    times = {condition.type: condition.last_transition_time for condition in later.conditions}
    assert times == {"Established": NOW, "SessionsComplete": NOW, "Ready": LATER}
    assert said(later.conditions)["SessionsComplete"] == ("False", "InsufficientFloatingIPs")


def test_s53_the_mode_names_nodes_without_address_and_without_block() -> None:
    status = mode_status(
        mode(),
        facts(
            peer(),
            routes=RoutePlan(
                total=1,
                without_address=(("node-02", Family.IPV6),),
                duplicates=((ip_network("10.4.0.0/24"), "node-03"),),
            ),
            shortages=(Shortage("node-09", "wide has no free block."),),
        ),
        NOW,
    )
    message = next(c.message for c in status.conditions if c.type == "RoutesComplete")
    assert said(status.conditions)["RoutesComplete"] == ("False", "CIDRNotAvailable")
    assert "node-09 (wide has no free block)" in message
    assert "node-02 (IPv6)" in message
    assert "10.4.0.0/24 of node-03" in message


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    short = tuple(Shortage(f"n{i:02}", "full.") for i in range(25))
    status = mode_status(mode(), facts(peer(), shortages=short), NOW)
    assert any("and 15 more" in condition.message for condition in status.conditions)


def test_a_secret_that_is_not_ours_beside_a_mirror_is_a_conflict() -> None:
    subject = peer(spec={"passwordSecretRef": {"name": "md5"}})
    status = peer_status(subject, facts(subject, secret_conflicts=frozenset({"md5"})), NOW)
    assert said(status.conditions)["Ready"] == ("False", "SecretConflict")


def cidr_config(**meta):
    return make(CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": "10.0.0.0/16", "perNodeMaskSize": 24}}, **meta)


def test_s66_a_range_names_what_it_overlaps() -> None:
    others = {"Service range": [ip_network("10.0.96.0/20")], "ClusterCIDRConfig x": [ip_network("172.16.0.0/12")]}
    inside = [(ip_address("10.0.1.1"), "address of Node node-01"), (ip_address("192.0.2.1"), "address of Node n")]
    status = range_status(cidr_config(), Usage((), 9), others, inside, mirrored=False, wall=NOW)
    message = next(c.message for c in status.conditions if c.type == "Overlapping")
    assert message == "Overlaps Service range 10.0.96.0/20, address of Node node-01 10.0.1.1; blocks are kept apart."


def test_s65_s69_a_range_tells_whether_it_is_free_full_or_going() -> None:
    def told(usage: Usage, **meta) -> dict[str, tuple[str, str]]:
        return said(range_status(cidr_config(**meta), usage, {}, [], mirrored=False, wall=NOW).conditions)

    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert told(Usage(("n1",), 3)) == {"Active": ("True", "Allocatable")}
    assert told(Usage(("n1",), 0)) == {"Active": ("False", "Exhausted")}
    assert told(Usage(("n1",), 3), **going) == {
        "Active": ("False", "Terminating"),
        "Terminating": ("True", "Terminating"),
    }


def test_a_range_made_by_hand_beside_a_mirror_is_not_used_and_says_so() -> None:
    status = range_status(cidr_config(), None, {}, [], mirrored=True, wall=NOW)
    assert said(status.conditions) == {"Ready": ("False", "NotMirrored")}
