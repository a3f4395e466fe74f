"""Neighbor Discovery: the bytes of RFC 4861, and what its validation refuses."""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets import ip, ndp
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import EthernetFrame, mac_text
from flatbgp.host.packets.ip import IPPacket
from flatbgp.host.packets.ndp import NeighborAdvertisement, NeighborSolicitation

MAC = "02:00:00:00:00:01"
OWN = IPv6Address("2001:db8::1")
ADDRESS = IPv6Address("2001:db8::12:3456")
unicast = st.ip_addresses(v=6).filter(lambda address: not address.is_multicast)
macs = st.none() | st.binary(min_size=6, max_size=6).map(mac_text)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(
            ndp.probe(ADDRESS),
            "33 33 ff 12 34 56 02 00 00 00 00 01 86 dd "  # to the solicited-node group, from us, IPv6
            "60 00 00 00 00 18 3a ff "  # 24 octets of ICMPv6, hop limit 255
            "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
            "ff 02 00 00 00 00 00 00 00 00 00 01 ff 12 34 56 "
            "87 00 e4 1e 00 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 12 34 56",
            id="probe",
        ),
        pytest.param(
            ndp.announcement(MAC, ADDRESS),
            "33 33 00 00 00 01 02 00 00 00 00 01 86 dd "
            "60 00 00 00 00 20 3a ff "
            "20 01 0d b8 00 00 00 00 00 00 00 00 00 12 34 56 "
            "ff 02 00 00 00 00 00 00 00 00 00 00 00 00 00 01 "
            "88 00 90 5c 20 00 00 00 20 01 0d b8 00 00 00 00 00 00 00 00 00 12 34 56 02 01 02 00 00 00 00 01",
            id="announcement",
        ),
    ],
)
def test_a_message_has_the_bytes_of_rfc_4861(message: ndp.NdpMessage, expected: str) -> None:
    assert ndp.to_frame(message, MAC).hex(" ") == expected


def read(frame: bytes) -> ndp.NdpMessage:
    return ndp.decode(ip.decode_ip(EthernetFrame.decode(frame).payload))


@given(
    source=unicast.filter(lambda address: int(address) != 0), target=unicast, mac=macs, padding=st.binary(max_size=20)
)
def test_a_question_is_read_as_it_was_written(
    source: IPv6Address, target: IPv6Address, mac: str | None, padding: bytes
) -> None:
    message = NeighborSolicitation(source, ndp.solicited_node(target), target, mac)
    assert read(ndp.to_frame(message, MAC) + padding) == message


@given(target=unicast)
def test_a_probe_is_read_as_it_was_written(target: IPv6Address) -> None:
    assert read(ndp.to_frame(ndp.probe(target), MAC)) == ndp.probe(target)


@given(source=unicast, target=unicast, mac=macs, flags=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_an_advertisement_is_read_as_it_was_written(
    source: IPv6Address, target: IPv6Address, mac: str | None, flags: tuple[bool, bool, bool]
) -> None:
    router, solicited, override = flags
    message = NeighborAdvertisement(source, OWN, target, mac, router=router, solicited=solicited, override=override)
    assert ndp.decode(ip.decode_ip(ndp.encode(message))) == message


def _packet(message: ndp.NdpMessage) -> IPPacket:
    return ip.decode_ip(ndp.encode(message))


def _with(packet: IPPacket, *, hop_limit: int | None = None, payload: bytes | None = None) -> IPPacket:
    body = bytearray(packet.payload if payload is None else payload)
    if payload is not None:
        body[2:4] = b"\0\0"
        source, destination = IPv6Address(int(packet.source)), IPv6Address(int(packet.destination))
        body[2:4] = ip.checksum_ipv6(source, destination, 58, bytes(body)).to_bytes(2, "big")
    return IPPacket(
        packet.source,
        packet.destination,
        packet.protocol,
        packet.hop_limit if hop_limit is None else hop_limit,
        bytes(body),
    )


def test_a_packet_that_passed_a_router_is_refused() -> None:
    packet = _packet(ndp.announcement(MAC, ADDRESS))
    assert ndp.decode(_with(packet, hop_limit=255))
    with pytest.raises(MalformedPacket, match="hop limit 254"):
        ndp.decode(_with(packet, hop_limit=254))


@given(position=st.integers(0, 31), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(position: int, bit: int) -> None:
    packet = _packet(ndp.announcement(MAC, ADDRESS))
    payload = bytearray(packet.payload)
    payload[position] ^= 1 << bit
    with pytest.raises(MalformedPacket):
        ndp.decode(IPPacket(packet.source, packet.destination, packet.protocol, packet.hop_limit, bytes(payload)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(lambda body: bytes([135, 1]) + body[2:], "code", id="code"),
        pytest.param(lambda body: body[:8] + IPv6Address("ff02::1").packed + body[24:], "multicast", id="target"),
        pytest.param(lambda body: body + bytes(8), "length 0", id="option of length 0"),
        pytest.param(lambda body: body + bytes([1, 2, 0, 0, 0, 0, 0, 0]), "cut off", id="option cut off"),
        pytest.param(lambda body: bytes([134]) + body[1:], "type 134", id="router advertisement"),
        pytest.param(lambda body: body + bytes([1, 1, 2, 0, 0, 0, 0, 1]), "source option", id="option in a probe"),
        pytest.param(lambda body: body[:20], "no whole", id="short"),
    ],
)
def test_what_rfc_4861_forbids_is_refused(change: "object", why: str) -> None:
    packet = _packet(ndp.probe(ADDRESS))
    assert callable(change)
    with pytest.raises(MalformedPacket, match=why):
        ndp.decode(_with(packet, payload=change(packet.payload)))


def test_an_advertisement_to_all_is_never_solicited() -> None:
    message = NeighborAdvertisement(ADDRESS, ndp.ALL_NODES, ADDRESS, MAC, solicited=True)
    with pytest.raises(MalformedPacket, match="solicited"):
        ndp.decode(_packet(message))


def test_options_that_nobody_knows_are_skipped() -> None:
    packet = _packet(ndp.question(MAC, OWN, ADDRESS))
    nonce = bytes([14, 1, 1, 2, 3, 4, 5, 6])
    decoded = ndp.decode(_with(packet, payload=packet.payload[:24] + nonce + packet.payload[24:]))
    assert decoded == ndp.question(MAC, OWN, ADDRESS)


def test_a_group_has_the_ethernet_address_of_rfc_2464() -> None:
    assert ndp.multicast_mac(ndp.solicited_node(ADDRESS)) == "33:33:ff:12:34:56"
