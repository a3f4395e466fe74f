"""When neighbours are added before their address is there."""

from ipaddress import ip_address

import pytest

from flatbgp.engine.model import FIRST_DIAL
from flatbgp.roles.speaker.arming import EARLY, ROOM, Arming

A, B = ip_address("10.0.1.100"), ip_address("10.0.1.101")


@pytest.mark.parametrize("first_dial", FIRST_DIAL.values())
def test_the_daemon_dials_only_when_the_address_is_there_and_has_had_room_to_come(first_dial: float) -> None:
    arming, at = Arming(), 100.0
    begin = at - first_dial + ROOM
    nothing, pause = arming.choose((A, at), 80.0, first_dial)
    assert (nothing, pause) == (None, pytest.approx(begin - 80.0))
    address, left = arming.choose((A, at), begin, first_dial)
    assert address == A
    assert left == pytest.approx(first_dial - EARLY)
    assert begin + first_dial >= at + ROOM - 1e-9


def test_an_address_that_does_not_come_is_given_up_before_the_first_dial_and_not_tried_again() -> None:
    arming = Arming()
    assert arming.choose((A, 10.0), 9.0, 1.5)[0] == A
    assert arming.choose((A, 11.0), 10.3, 1.5)[0] == A
    assert arming.choose((A, 11.5), 10.5, 1.5) == (None, None)
    assert arming.choose((A, 13.0), 12.6, 1.5) == (None, None)
    assert arming.choose((B, 13.0), 12.6, 1.5)[0] == B, "another one"


def test_what_was_expected_in_vain_is_prepared_for_again_when_it_is_expected_anew() -> None:
    arming = Arming()
    assert arming.choose((A, 10.0), 9.5, 1.5)[0] == A
    assert arming.choose(None, 9.6, 1.5) == (None, None)
    assert arming.choose((A, 30.0), 29.5, 1.5)[0] == A


def test_a_daemon_of_which_nothing_is_known_is_left_alone() -> None:
    assert Arming().choose((A, 10.0), 9.9, FIRST_DIAL.get("", 0.0)) == (None, None)
