"""What is worth a line in an object's history, and the Event that it becomes."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from planning_objects import group, make, node, peer

from flatbgp.planning.happenings import Happening, event_document, event_name, node_troubles, of_session, of_status
from flatbgp.planning.nodes import NodePlan
from flatbgp.planning.podcidrs import Shortage
from flatbgp.planning.routes import RoutePlan
from flatbgp.resources.bgppeer import BGPPeerStatus
from flatbgp.resources.bgpsession import BGP_SESSION, BGPSessionStatus, SessionStatusState
from flatbgp.resources.conditions import Condition
from flatbgp.resources.ip import Family
from flatbgp.resources.networkgatewaygroup import FloatingIPStatus, NetworkGatewayGroupStatus
from flatbgp.resources.reasons import Reason

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
A, B = ip_address("10.0.1.100"), ip_address("10.0.3.100")


def told(happenings) -> list[tuple[str, str, bool]]:
    return [(each.subject, str(each.reason), each.warning) for each in happenings]


def with_status(resource, status):
    return replace(resource, status=status)


def ready(status: str, reason: Reason, message: str = "") -> Condition:
    return Condition("Ready", status, reason, message)


def test_s89_a_condition_is_told_when_it_turns_and_not_when_only_its_message_changes() -> None:
    down = BGPPeerStatus(conditions=(ready("False", Reason.NO_GATEWAY, "a"),))
    up = BGPPeerStatus(conditions=(ready("True", Reason.READY),))
    assert told(of_status(peer(), down)) == [("Ready", "NoGateway", True)]
    other_words = BGPPeerStatus(conditions=(ready("False", Reason.NO_GATEWAY, "b"),))
    assert told(of_status(with_status(peer(), down), other_words)) == []
    assert told(of_status(with_status(peer(), down), up)) == [("Ready", "Ready", False)]
    assert told(of_status(peer(), up)) == [], "a new object that is fine is no news"
    overlapping = Condition("Overlapping", "True", Reason.OVERLAPPING)
    assert told(of_status(peer(), BGPPeerStatus(conditions=(overlapping,)))) == [("Overlapping", "Overlapping", True)]


def test_each_move_of_a_floating_ip_is_told_once_and_by_address() -> None:
    def held_by(node_a: str, node_b: str) -> NetworkGatewayGroupStatus:
        entries = tuple(
            FloatingIPStatus(each, name, NOW, Reason.HELD if name else Reason.NO_GATEWAY, f"{name} holds {each}.")
            for each, name in ((A, node_a), (B, node_b))
        )
        fine = all(entry.node for entry in entries)
        summary = ready("True", Reason.READY) if fine else ready("False", Reason.NO_GATEWAY)
        return NetworkGatewayGroupStatus(entries, conditions=(summary,))

    both = held_by("node-01", "node-02")
    assert told(of_status(group(str(A), str(B)), both)) == [(str(A), "Held", False), (str(B), "Held", False)]
    before = with_status(group(str(A), str(B)), both)
    moved = list(of_status(before, held_by("node-03", "node-02")))
    assert [each.message for each in moved] == ["node-03 holds 10.0.1.100."]
    assert told(of_status(before, held_by("node-01", ""))) == [(str(B), "NoGateway", True)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, ("Established", None), [("Established", False)]),
        (None, ("NotEstablished", Reason.CONNECTING), []),
        (("NotEstablished", Reason.CONNECTING), ("NotEstablished", Reason.BAD_PEER_AS), [("BadPeerAS", True)]),
        (("NotEstablished", Reason.BAD_PEER_AS), ("NotEstablished", Reason.BAD_PEER_AS), []),
        (("Established", Reason.BAD_PEER_AS), ("Established", Reason.BAD_PEER_AS), []),
        (("Established", None), ("NotEstablished", Reason.CONNECTING), [("Connecting", True)]),
        (("Established", None), ("NotEstablished", Reason.SPEAKER_SILENT), [("SpeakerSilent", True)]),
        (("NotEstablished", Reason.SPEAKER_SILENT), ("Established", None), [("Established", False)]),
    ],
)
def test_s06_a_session_is_told_when_it_comes_up_goes_down_or_stays_down_for_another_reason(
    before, after, expected
) -> None:
    def status(given) -> BGPSessionStatus | None:
        return given and BGPSessionStatus(SessionStatusState(given[0]), reason=given[1])

    session = make(BGP_SESSION, "10.0.1.254-node-01")
    found = of_session(BGP_SESSION, session.meta, status(before), status(after))
    assert [(str(each.reason), each.warning) for each in found] == expected


def test_s65_nodes_say_why_their_pods_are_not_reached() -> None:
    routes = RoutePlan(without_address=(("node-02", Family.IPV6),))
    troubles = node_troubles(NodePlan(short=(Shortage("node-01", "wide has no free block."),), routes=routes))
    assert troubles == {
        ("node-01", Reason.CIDR_NOT_AVAILABLE): "No pod CIDR: wide has no free block.",
        ("node-02", Reason.NO_ADDRESS): "Its IPv6 pod CIDR is not announced: it has no IPv6 InternalIP.",
    }


def test_the_same_happening_has_the_same_event_and_another_one_another() -> None:
    meta = node("node-01").meta
    one = Happening(node("node-01").kind, meta, "pod CIDRs", Reason.CIDR_NOT_AVAILABLE, "full", warning=True)
    assert event_name(one, "c") == event_name(replace(one), "c")
    others = [replace(one, message="other"), replace(one, reason=Reason.NO_ADDRESS), replace(one, subject="x")]
    assert len({event_name(each, "c") for each in [one, *others]} | {event_name(one, "d")}) == 5
    document = event_document(one, "flatbgp-controller", "me", 3, NOW)
    assert document["metadata"]["namespace"] == "default", "an API server takes Events of Nodes nowhere else"
    assert document["involvedObject"] == {"apiVersion": "v1", "kind": "Node", "name": "node-01", "uid": "uid-node-01"}
    assert (document["type"], document["count"], document["lastTimestamp"]) == ("Warning", 3, "2026-11-24T09:00:00Z")
