"""``describe``: everything about one object, with what to do."""

from datetime import UTC, datetime, timedelta

from flatbgp.cli.describe import described
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.codec import decode
from flatbgp.resources.reasons import Reason

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def moment(seconds_ago: int) -> str:
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def peer(**changes: object) -> dict[str, object]:
    return {
        "apiVersion": "networking.gke.io/v1",
        "kind": "BGPPeer",
        "metadata": {
            "name": "bgppeer1",
            "namespace": "kube-system",
            "creationTimestamp": moment(3600 * 65),
            "labels": {"b": "2", "a": "1"},
            "annotations": {"note": "two\nlines \x1b[31m"},
        },
        "spec": {"localASN": 65001, "peerASN": 65000, "peerIP": "10.0.1.254"},
        **changes,
    }


def text(document: dict[str, object]) -> str:
    return described(decode(BGP_PEER, document), NOW)


def test_marks_spec_and_age():
    assert text(peer()) == (
        "Name:         bgppeer1\n"
        "Namespace:    kube-system\n"
        "Labels:       a=1\n"
        "              b=2\n"
        "Annotations:  note: two lines \N{REPLACEMENT CHARACTER}[31m\n"
        "API Version:  networking.gke.io/v1\n"
        "Kind:         BGPPeer\n"
        "Created:      2025-12-30 10:04:05 UTC (2d17h ago)\n"
        "Spec:\n"
        "  localASN: 65001\n"
        "  peerASN: 65000\n"
        "  peerIP: 10.0.1.254\n"
    )


def test_conditions_are_a_table_and_each_reason_comes_with_its_cure():
    conditions = [
        {
            "type": "Ready",
            "status": "False",
            "reason": "NotSelected",
            "message": "no FlatIPMode selects it",
            "lastTransitionTime": moment(90),
        },
        {"type": "Conflicting", "status": "False", "reason": "Ready", "message": "", "lastTransitionTime": "nonsense"},
    ]
    shown = text(peer(status={"sessions": 2, "conditions": conditions}))
    assert (
        "Status:\n"
        "  sessions: 2\n"
        "Conditions:\n"
        "  TYPE          STATUS   REASON        SINCE       MESSAGE\n"
        "  Ready         False    NotSelected   90s         no FlatIPMode selects it\n"
        "  Conflicting   False    Ready         <unknown>\n"
        "What to do:\n"
        f"  NotSelected: {Reason.NOT_SELECTED.meaning} {Reason.NOT_SELECTED.cure}\n"
    ) in shown


def test_a_reason_of_a_floating_ip_or_a_session_is_explained_too():
    held = {"floatingIPs": [{"address": "10.0.1.100", "reason": "AddressConflict"}], "reason": "SpeakerSilent"}
    shown = text(peer(status=held))
    assert f"  AddressConflict: {Reason.ADDRESS_CONFLICT.meaning} {Reason.ADDRESS_CONFLICT.cure}\n" in shown
    assert f"  SpeakerSilent: {Reason.SPEAKER_SILENT.meaning} {Reason.SPEAKER_SILENT.cure}\n" in shown


def test_a_word_of_a_newer_version_is_shown_without_a_cure():
    shown = text(peer(status={"reason": "FromTheFuture"}))
    assert "reason: FromTheFuture" in shown
    assert "What to do" not in shown


def test_an_object_that_breaks_a_rule_says_which():
    shown = text(peer(spec={"localASN": 0, "peerASN": 65000, "peerIP": "10.0.1.254"}))
    assert "\nFault:        spec.localASN: 0 is no AS number to use" in shown


def test_whatever_somebody_wrote_into_a_store_is_described():
    for odd in (
        "text",
        5,
        None,
        [],
        {"conditions": "no"},
        {"conditions": [1, {"reason": ["x"]}]},
        {"floatingIPs": [None]},
    ):
        for name in ("status", "spec", "metadata", "data"):
            assert text(peer(**{name: odd})).startswith("Name:")
