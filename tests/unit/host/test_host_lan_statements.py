"""What a frame says of an address, and in which way."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.lan import Statement, statements
from flatbgp.host.model import Voice
from flatbgp.host.packets import arp, ndp
from flatbgp.host.packets.ethernet import EthernetFrame

MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
ADDRESS, NODE = IPv4Address("10.0.1.100"), IPv4Address("10.0.1.1")
ADDRESS6, NODE6 = IPv6Address("2001:db8::100"), IPv6Address("2001:db8::1")


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (arp.to_frame(arp.probe(MAC, ADDRESS)), (ADDRESS, MAC, Voice.PROBE)),
        (arp.to_frame(arp.announcements(MAC, ADDRESS)[0]), (ADDRESS, MAC, Voice.ANNOUNCEMENT)),
        (arp.to_frame(arp.announcements(MAC, ADDRESS)[1]), (ADDRESS, MAC, Voice.ANNOUNCEMENT)),
        (arp.to_frame(arp.reply(MAC, ADDRESS, OTHER_MAC, NODE)), (ADDRESS, MAC, Voice.ANSWER)),
        # The answer to a probe: its target is 0.0.0.0.
        (arp.to_frame(arp.reply(MAC, ADDRESS, OTHER_MAC, IPv4Address(0))), (ADDRESS, MAC, Voice.ANSWER)),
        (arp.to_frame(arp.request(MAC, ADDRESS, NODE)), (ADDRESS, MAC, Voice.USE)),
        (ndp.to_frame(ndp.probe(ADDRESS6), MAC), (ADDRESS6, MAC, Voice.PROBE)),
        (ndp.to_frame(ndp.announcement(MAC, ADDRESS6), MAC), (ADDRESS6, MAC, Voice.ANNOUNCEMENT)),
        (ndp.to_frame(ndp.question(OTHER_MAC, ADDRESS6, NODE6), MAC), (ADDRESS6, OTHER_MAC, Voice.USE)),
        (
            EthernetFrame(
                OTHER_MAC,
                MAC,
                0x86DD,
                ndp.encode(ndp.NeighborAdvertisement(ADDRESS6, NODE6, ADDRESS6, solicited=True)),
            ).encode(),
            (ADDRESS6, MAC, Voice.ANSWER),
        ),
    ],
)
def test_a_frame_says_who_has_or_wants_an_address(frame: bytes, expected: Statement) -> None:
    assert statements(frame) == [expected]


@given(frame=st.binary(max_size=120))
def test_garbage_says_nothing_or_something(frame: bytes) -> None:
    assert len(statements(frame)) <= 1


@pytest.mark.parametrize("ethertype", [0x0800, 0x0806, 0x86DD])
@given(payload=st.binary(max_size=80))
def test_garbage_of_a_known_type_breaks_nothing(ethertype: int, payload: bytes) -> None:
    assert len(statements(EthernetFrame(MAC, OTHER_MAC, ethertype, payload).encode())) <= 1
