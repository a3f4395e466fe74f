"""What a NOTIFICATION on the wire means for the session that it ended."""

from ipaddress import ip_address

import pytest

from flatbgp.host.model import SessionMessage
from flatbgp.host.packets.bgp import Notification
from flatbgp.roles.speaker.wire import WireRecord

LOCAL, PEER = ip_address("10.0.1.100"), ip_address("10.0.1.254")


def _taken(code: int, subcode: int, *, sent: bool) -> WireRecord:
    record = WireRecord()
    record.take(SessionMessage(1.0, LOCAL, PEER, sent, Notification(code, subcode)))
    return record


@pytest.mark.parametrize("subcode", [2, 3])
def test_s7_a_cease_of_ours_that_makes_way_for_a_new_configuration_is_no_reason(subcode: int) -> None:
    assert _taken(6, subcode, sent=True).of(LOCAL, PEER).notification is None


@pytest.mark.parametrize(("code", "subcode", "sent"), [(6, 2, False), (6, 3, False), (6, 1, True), (2, 2, True)])
def test_s14_every_other_notification_is_one(code: int, subcode: int, sent: bool) -> None:
    told = _taken(code, subcode, sent=sent).of(LOCAL, PEER).notification
    assert told is not None
    assert (told.code, told.subcode, told.sent) == (code, subcode, sent)
