"""Why a session is not Established: the sentence an operator reads, from what was seen."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.planning.notifications import Names, Notification, explain
from flatbgp.planning.sessionstate import ConnectFailure, Observation, Wire, assess
from flatbgp.resources.bgpsession import SessionStatusState
from flatbgp.resources.ip import Family
from flatbgp.resources.reasons import Reason

NAMES = Names(
    peer="bgppeer1", peer_ip="10.0.1.254", local_ip="10.0.1.100", node="node-01", local_asn=65001, peer_asn=65002
)
WALL = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DOWN = Observation(established=False)
UP = Observation(established=True)


def status(seen: Observation, before=None, now: float = 100.0, wall: datetime = WALL):
    return assess(before, seen, NAMES, now, wall)


@pytest.mark.parametrize(
    ("code", "subcode", "word"),
    [
        (2, 2, "BadPeerAS"),
        (4, 0, "HoldTimerExpired"),
        (6, 1, "MaxPrefixes"),
        (6, 2, "AdministrativeShutdown"),
        (6, 3, "PeerDeconfigured"),
        (6, 5, "ConnectionRejected"),
        (2, 77, "OpenError"),
        (200, 3, "OtherNotification"),
    ],
)
@pytest.mark.parametrize("sent", [True, False])
def test_s14_a_notification_names_its_reason_and_numbers(code, subcode, word, sent):
    wire = Wire().notified(Notification(sent=sent, code=code, subcode=subcode), 99.0)
    shown = status(replace(DOWN, wire=wire))
    assert shown.state is SessionStatusState.NOT_ESTABLISHED
    assert str(shown.reason) == word
    assert f"{code}/{subcode}" in shown.message
    assert ("We ended" in shown.message) is sent


def test_s6_bad_peer_as_says_which_numbers_the_router_must_have():
    wire = Wire().notified(Notification(sent=False, code=2, subcode=2), 99.0)
    message = status(replace(DOWN, wire=wire)).message
    assert "10.0.1.100 with remote AS 65001" in message
    assert "AS 65002 itself" in message


def test_an_administrative_shutdown_repeats_the_routers_text():
    wire = Wire().notified(Notification(sent=False, code=6, subcode=2, text="maintenance until 5"), 99.0)
    assert '"maintenance until 5"' in status(replace(DOWN, wire=wire)).message


def test_s7_a_password_and_ten_seconds_of_silence_point_at_authentication():
    silent = Wire().failed(ConnectFailure.UNANSWERED, 100.0)
    seen = replace(DOWN, wire=silent, has_password=True)
    assert status(seen, now=109.9).reason is Reason.CONNECT_TIMEOUT
    assert status(seen, now=110.0).reason is Reason.AUTHENTICATION_SUSPECTED
    assert status(replace(seen, has_password=False), now=110.0).reason is Reason.CONNECT_TIMEOUT


def test_repeated_failures_of_one_sort_count_from_the_first():
    wire = Wire().failed(ConnectFailure.UNANSWERED, 100.0).failed(ConnectFailure.UNANSWERED, 107.0)
    assert wire.failing_since == 100.0
    assert wire.failed(ConnectFailure.REFUSED, 108.0).failing_since == 108.0


def test_s8_a_missing_secret_is_said_before_anything_else():
    seen = Observation(established=None, waits=Reason.SECRET_MISSING, waits_message="Secret md5 is not there")
    shown = status(seen)
    assert (shown.reason, shown.message) == (Reason.SECRET_MISSING, "Secret md5 is not there")


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ConnectFailure.REFUSED, Reason.CONNECTION_REFUSED),
        (ConnectFailure.UNREACHABLE, Reason.UNREACHABLE),
        (ConnectFailure.UNANSWERED, Reason.CONNECT_TIMEOUT),
    ],
)
def test_s13_failed_connects_say_how_they_failed(failure, reason):
    assert status(replace(DOWN, wire=Wire().failed(failure, 99.0))).reason is reason


def test_s13_no_route_is_said_even_before_the_first_attempt():
    assert status(replace(DOWN, has_route=False)).reason is Reason.NO_ROUTE


def test_s10_a_single_hop_session_that_gets_no_answer_is_told_about_its_ttl():
    seen = replace(DOWN, wire=Wire().failed(ConnectFailure.UNANSWERED, 90.0), single_hop=True)
    assert "TTL 1" in status(seen).message


def test_a_notification_of_this_down_time_outlasts_a_mere_silence():
    wire = Wire().notified(Notification(sent=True, code=4, subcode=0), 90.0).failed(ConnectFailure.UNANSWERED, 95.0)
    shown = status(replace(DOWN, wire=wire))
    assert shown.reason is Reason.HOLD_TIMER_EXPIRED
    assert "does not answer TCP" in shown.message


def test_s59_the_prefix_limit_says_when_it_is_tried_again():
    shown = status(replace(DOWN, prefix_limit_exceeded=True))
    assert shown.reason is Reason.MAX_PREFIXES
    assert "5 minutes" in shown.message


def test_s14_the_last_reason_is_kept_after_the_session_came_back():
    wire = Wire().notified(Notification(sent=False, code=6, subcode=4), 90.0)
    down = status(replace(DOWN, wire=wire))
    up = status(replace(UP, wire=wire.established(95.0)), before=down)
    assert up.reason is Reason.ESTABLISHED
    assert "AdministrativeReset" in up.message
    restarted = status(UP, before=up)
    assert "AdministrativeReset" in restarted.message


def test_a_session_that_is_lost_again_does_not_show_the_notification_of_the_time_before():
    wire = Wire().notified(Notification(sent=False, code=6, subcode=4), 90.0).established(95.0)
    assert status(replace(DOWN, wire=wire.failed(ConnectFailure.LOST, 99.0))).reason is Reason.CONNECTION_LOST


def test_a_notification_that_has_just_ended_a_session_outlasts_a_look_that_still_saw_it_up():
    wire = Wire().notified(Notification(sent=False, code=6, subcode=2), 97.0).established(since=80.0)
    assert status(replace(DOWN, wire=wire)).reason is Reason.ADMINISTRATIVE_SHUTDOWN


def test_the_end_of_tcp_that_follows_a_notification_is_no_news():
    wire = Wire().notified(Notification(sent=False, code=6, subcode=2), 90.0).failed(ConnectFailure.LOST, 90.1)
    assert "without a NOTIFICATION" not in status(replace(DOWN, wire=wire)).message


def test_s13_a_router_that_does_not_even_answer_arp_is_said_to_be_unreachable():
    shown = status(replace(DOWN, next_hop_answers=False))
    assert shown.reason is Reason.UNREACHABLE
    assert "ARP" in shown.message


def test_s15_families_that_the_router_lacks_are_said_to_be_withheld():
    seen = replace(UP, families={Family.IPV4: (3, 0)}, wanted_families=frozenset(Family))
    shown = status(seen)
    assert [family.family for family in shown.families] == [Family.IPV4]
    assert "does not offer IPv6" in shown.message


def test_since_moves_only_with_the_state_and_flaps_count_losses():
    up = status(UP)
    later = WALL + timedelta(seconds=30)
    same = status(UP, before=up, wall=later)
    assert same.since == WALL
    down = status(DOWN, before=same, wall=later)
    assert (down.since, down.flaps) == (later, 1)
    again = status(DOWN, before=down, wall=later + timedelta(seconds=5))
    assert (again.since, again.flaps) == (later, 1)
    assert status(UP, before=again, wall=later).flaps == 1


@given(st.booleans(), st.integers(0, 255), st.integers(0, 255), st.text(max_size=128))
def test_every_notification_has_a_sentence(sent, code, subcode, text):
    meaning = explain(Notification(sent=sent, code=code, subcode=subcode, text=text))
    sentence = meaning.sentence(NAMES)
    assert f"{code}/{subcode}" in sentence
    assert text in sentence
    assert "{" not in meaning.cure.format(**dict.fromkeys(NAMES.__dataclass_fields__, ""))
