"""OPEN and NOTIFICATION, as the standards write them."""

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets.bgp import (
    MARKER,
    Header,
    MessageType,
    Notification,
    decode_notification,
    decode_open,
)
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.resources.ip import Family


def capability(code: int, value: bytes = b"") -> bytes:
    return bytes([code, len(value)]) + value


def open_body(*capabilities: bytes, asn: int = 65001, hold: int = 30, extended: bool = False) -> bytes:
    joined = b"".join(capabilities)
    if extended:
        parameter = b"\x02" + len(joined).to_bytes(2, "big") + joined
        lengths = b"\xff\xff" + len(parameter).to_bytes(2, "big")
    else:
        parameter = bytes([2, len(joined)]) + joined if joined else b""
        lengths = bytes([len(parameter)])
    return struct.pack("!BHH4s", 4, asn, hold, IPv4Address("10.0.1.1").packed) + lengths + parameter


IPV4 = capability(1, bytes([0, 1, 0, 1]))
IPV6 = capability(1, bytes([0, 2, 0, 1]))
EVPN = capability(1, bytes([0, 25, 0, 70]))


def test_an_open_without_capabilities_is_ipv4_with_a_short_asn() -> None:
    message = decode_open(open_body())
    assert (message.version, message.asn, message.hold_time) == (4, 65001, 30)
    assert message.router_id == IPv4Address("10.0.1.1")
    assert message.families == {Family.IPV4}
    assert not message.four_octet_asn
    assert message.graceful_restart is None
    assert message.capabilities == ()


def test_s32_the_four_octet_asn_is_the_one_that_counts() -> None:
    message = decode_open(open_body(capability(65, (4_200_000_001).to_bytes(4, "big")), asn=23456))
    assert (message.asn, message.four_octet_asn) == (4_200_000_001, True)


@pytest.mark.parametrize(
    ("offered", "families"),
    [
        ([IPV4, IPV6], {Family.IPV4, Family.IPV6}),
        ([IPV6], {Family.IPV6}),
        ([IPV6, EVPN], {Family.IPV6}),
        ([EVPN], set()),
    ],
)
def test_s15_only_the_families_offered_are_there(offered: list[bytes], families: set[Family]) -> None:
    assert decode_open(open_body(*offered)).families == families


def test_graceful_restart_has_its_flags_time_and_families() -> None:
    value = (0xC000 | 60).to_bytes(2, "big") + bytes([0, 1, 1, 0x80]) + bytes([0, 2, 1, 0])
    graceful = decode_open(open_body(IPV4, IPV6, capability(64, value))).graceful_restart
    assert graceful is not None
    assert (graceful.restart_time, graceful.restarting, graceful.notification) == (60, True, True)
    assert graceful.families == {Family.IPV4, Family.IPV6}
    assert graceful.preserved == {Family.IPV4}


def test_graceful_restart_of_a_mere_helper_has_no_family() -> None:
    graceful = decode_open(open_body(capability(64, (120).to_bytes(2, "big")))).graceful_restart
    assert graceful is not None
    assert (graceful.restart_time, graceful.restarting, graceful.families) == (120, False, frozenset())


@given(codes=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=8), extended=st.booleans())
def test_unknown_capabilities_are_listed_in_both_forms_of_parameters(
    codes: list[tuple[int, bytes]], extended: bool
) -> None:
    message = decode_open(open_body(*(capability(code, value) for code, value in codes), extended=extended))
    if codes or extended:
        assert message.capabilities == tuple(sorted({code for code, _ in codes}))


@pytest.mark.parametrize("cut", [5, 10, 12, 14])
def test_an_open_cut_off_is_refused(cut: int) -> None:
    with pytest.raises(MalformedPacket):
        decode_open(open_body(IPV4, IPV6)[:cut])


def test_s06_bad_peer_as_is_two_two() -> None:
    assert decode_notification(bytes([2, 2, 0xFD, 0xE9])) == Notification(2, 2, b"\xfd\xe9")


def shutdown(subcode: int, text: bytes) -> bytes:
    return bytes([6, subcode, len(text)]) + text


@pytest.mark.parametrize("subcode", [2, 4])
def test_s14_a_shutdown_brings_its_text(subcode: int) -> None:
    note = decode_notification(shutdown(subcode, "Wartung bis 14 Uhr, Fräulein Müller".encode()))
    assert (note.code, note.subcode, note.text) == (6, subcode, "Wartung bis 14 Uhr, Fräulein Müller")


def test_s14_a_text_for_terminals_is_one_printable_line() -> None:
    note = decode_notification(shutdown(2, b"stop\x1b[31m\r\n now\x00\xff"))
    assert note.text == "stop [31m now \ufffd"
    assert note.text.isprintable()


@given(text=st.binary(max_size=255))
def test_any_text_becomes_printable(text: bytes) -> None:
    assert decode_notification(shutdown(2, text)).text.isprintable()


def test_other_notifications_have_no_text() -> None:
    assert decode_notification(bytes([6, 3, 2]) + b"ab").text == ""
    assert decode_notification(bytes([6, 2])).text == ""


def test_a_hard_reset_is_what_it_wraps() -> None:
    note = decode_notification(bytes([6, 9]) + shutdown(2, b"moved"))
    assert (note.code, note.subcode, note.text, note.hard) == (6, 2, "moved", True)
    empty = decode_notification(bytes([6, 9]))
    assert (empty.code, empty.subcode, empty.hard) == (6, 9, True)


def test_a_header_needs_marker_length_and_type() -> None:
    good = MARKER + (19).to_bytes(2, "big") + b"\x04"
    assert Header.decode(good) == Header(19, MessageType.KEEPALIVE)
    for bad in (b"\0" + good[1:], good[:16] + b"\0\x12" + good[18:], good[:18] + b"\x09", good[:18]):
        with pytest.raises(MalformedPacket):
            Header.decode(bad)
