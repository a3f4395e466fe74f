"""ARP: the bytes of RFC 826, the probes and announcements of RFC 5227."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets import arp
from flatbgp.host.packets.arp import ArpPacket, Operation
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import EthernetFrame, mac_text

MAC = "02:00:00:00:00:01"
ADDRESS = IPv4Address("10.0.1.100")
macs = st.binary(min_size=6, max_size=6).map(mac_text)
packets = st.builds(
    ArpPacket,
    st.sampled_from(Operation),
    macs,
    st.ip_addresses(v=4),
    macs,
    st.ip_addresses(v=4),
)


def test_a_probe_has_the_bytes_of_rfc_5227() -> None:
    assert arp.to_frame(arp.probe(MAC, ADDRESS)).hex(" ") == (
        "ff ff ff ff ff ff 02 00 00 00 00 01 08 06 "  # to all, from us, ARP
        "00 01 08 00 06 04 00 01 "  # Ethernet, IPv4, lengths, request
        "02 00 00 00 00 01 00 00 00 00 "  # our MAC, 0.0.0.0
        "00 00 00 00 00 00 0a 00 01 64"  # nobody's MAC, the address
    )


def test_an_announcement_comes_in_both_forms() -> None:
    request, reply = arp.announcements(MAC, ADDRESS)
    assert (request.operation, reply.operation) == (Operation.REQUEST, Operation.REPLY)
    for form in (request, reply):
        assert form.is_announcement
        assert not form.is_probe
        assert (form.sender_mac, form.sender_ip, form.target_ip) == (MAC, ADDRESS, ADDRESS)


def test_a_question_is_neither_probe_nor_announcement() -> None:
    question = arp.request(MAC, IPv4Address("10.0.1.1"), ADDRESS)
    assert not question.is_probe
    assert not question.is_announcement


def test_an_answer_goes_back_to_the_asker() -> None:
    answer = arp.reply(MAC, ADDRESS, "02:00:00:00:00:02", IPv4Address("10.0.1.2"))
    assert (answer.operation, answer.target_mac) == (Operation.REPLY, "02:00:00:00:00:02")
    assert not answer.is_announcement


def test_a_probe_for_the_unspecified_address_announces_nothing() -> None:
    assert not arp.probe(MAC, IPv4Address(0)).is_announcement


@given(packet=packets, padding=st.binary(max_size=40))
def test_a_packet_is_read_as_it_was_written_whatever_padding_follows(packet: ArpPacket, padding: bytes) -> None:
    frame = EthernetFrame.decode(arp.to_frame(packet) + padding)
    assert ArpPacket.decode(frame.payload) == packet
    assert len(packet.encode()) == 28


@pytest.mark.parametrize("offset", [1, 3, 4, 5, 7])
def test_another_hardware_protocol_length_or_operation_is_refused(offset: int) -> None:
    packet = bytearray(arp.probe(MAC, ADDRESS).encode())
    packet[offset] = 0x42
    with pytest.raises(MalformedPacket):
        ArpPacket.decode(bytes(packet))
