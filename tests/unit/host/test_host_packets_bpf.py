"""The filters, run by the kernel itself: a socket filter works on a unix datagram socket as on a packet socket."""

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.host.packets import arp, bpf, ndp
from flatbgp.host.packets.ethernet import EthernetFrame

_SO_ATTACH_FILTER = 26
MAC = "02:00:00:00:00:01"
FLOATING, ROUTER, NODE, OTHER = (IPv4Address(f"10.0.1.{host}") for host in (100, 254, 1, 77))
FLOATING6, ROUTER6, NODE6, OTHER6 = (IPv6Address(f"2001:db8::{host}") for host in ("100", "254", "1", "77"))


@contextmanager
def filtered(program: bytes) -> Iterator[tuple[socket.socket, socket.socket]]:
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        receiver.setblocking(False)
        memory = ctypes.create_string_buffer(program, len(program))
        fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(memory))
        receiver.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
        yield sender, receiver


def passes(program: bytes, packet: bytes) -> bool:
    with filtered(program) as (sender, receiver):
        sender.send(packet)
        try:
            return receiver.recv(1 << 16) == packet
        except BlockingIOError:
            return False


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        pytest.param(arp.probe(MAC, FLOATING), True, id="probe for it"),
        pytest.param(arp.announcements(MAC, FLOATING)[0], True, id="announcement, request form"),
        pytest.param(arp.announcements(MAC, FLOATING)[1], True, id="announcement, reply form"),
        pytest.param(arp.reply(MAC, ROUTER, MAC, NODE), True, id="answer of the router"),
        pytest.param(arp.request(MAC, OTHER, ROUTER), True, id="question for the router"),
        pytest.param(arp.request(MAC, OTHER, NODE), False, id="between others"),
        pytest.param(arp.probe(MAC, OTHER), False, id="probe for another"),
    ],
)
def test_arp_passes_when_it_is_about_a_watched_address(packet: arp.ArpPacket, expected: bool) -> None:
    program = bpf.arp_filter([FLOATING, ROUTER])
    assert passes(program, arp.to_frame(packet)) is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        pytest.param(ndp.probe(FLOATING6), True, id="probe for it"),
        pytest.param(ndp.announcement(MAC, FLOATING6), True, id="announcement"),
        pytest.param(ndp.question(MAC, FLOATING6, OTHER6), True, id="used as a source"),
        pytest.param(ndp.NeighborAdvertisement(ROUTER6, NODE6, ROUTER6, MAC, solicited=True), True, id="answer"),
        pytest.param(ndp.question(MAC, NODE6, OTHER6), False, id="between others"),
    ],
)
def test_neighbor_discovery_passes_when_it_is_about_a_watched_address(message: ndp.NdpMessage, expected: bool) -> None:
    program = bpf.ndp_filter([FLOATING6, ROUTER6])
    frame = EthernetFrame(MAC, MAC, 0x86DD, ndp.encode(message)).encode()
    assert passes(program, frame) is expected


def test_other_icmpv6_about_a_watched_address_stays_out() -> None:
    frame = bytearray(ndp.to_frame(ndp.announcement(MAC, FLOATING6), MAC))
    frame[14 + 40] = 134
    assert not passes(bpf.ndp_filter([FLOATING6]), bytes(frame))


@given(watched=st.sets(st.ip_addresses(v=4), max_size=300), data=st.data())
def test_any_number_of_addresses_can_be_watched(watched: set[IPv4Address], data: st.DataObject) -> None:
    asked = data.draw(st.sampled_from(sorted(watched)) if watched else st.ip_addresses(v=4))
    assert passes(bpf.arp_filter(watched), arp.to_frame(arp.probe(MAC, asked))) is (asked in watched)


def ipv4(source: IPv4Address, destination: IPv4Address, protocol: int, payload: bytes, fragment: int = 0) -> bytes:
    options = bytes(4)
    head = struct.pack("!BBHHHBBH", 0x46, 0, 24 + len(payload), 0, fragment, 64, protocol, 0)
    return head + source.packed + destination.packed + options + payload


def plain_ipv4(source: IPv4Address, destination: IPv4Address, protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return head + source.packed + destination.packed + payload


def ipv6(source: IPv6Address, destination: IPv6Address, protocol: int, payload: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + source.packed + destination.packed + payload


def tcp(source: int, destination: int) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 1, 5 << 4, 0x10, 0, 0, 0)


def without_protocol_test(program: bytes, family: int) -> bytes:
    """Return the part of the filter for one family: the ethertype of a unix socket's packets is 0."""
    instructions = [program[start : start + 8] for start in range(0, len(program), 8)]
    starts = [i for i, raw in enumerate(instructions) if struct.unpack("=HBBI", raw)[3] == 0xFFFFF000]
    begin = starts[0 if family == 4 else 1] + 3
    end = starts[1] if family == 4 else len(instructions) - 1
    return b"".join(instructions[begin:end])


PEERS = [ROUTER, IPv4Address("10.0.3.254"), ROUTER6]


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        pytest.param(ipv4(FLOATING, ROUTER, 6, tcp(40000, 179)), True, id="sent"),
        pytest.param(ipv4(ROUTER, FLOATING, 6, tcp(179, 40000)), True, id="received"),
        pytest.param(ipv4(ROUTER, FLOATING, 6, tcp(40000, 179)), True, id="the peer connects"),
        pytest.param(ipv4(FLOATING, ROUTER, 6, tcp(40000, 443)), False, id="another port"),
        pytest.param(ipv4(FLOATING, OTHER, 6, tcp(40000, 179)), False, id="another peer"),
        pytest.param(ipv4(FLOATING, ROUTER, 17, tcp(40000, 179)), False, id="udp"),
        pytest.param(ipv4(FLOATING, ROUTER, 6, tcp(40000, 179), fragment=9), False, id="fragment"),
        pytest.param(
            ipv4(NODE, FLOATING, 1, b"\x03\x01" + bytes(6) + plain_ipv4(FLOATING, ROUTER, 6, tcp(40000, 179))),
            True,
            id="unreachable",
        ),
        pytest.param(
            ipv4(NODE, FLOATING, 1, b"\x0b\x00" + bytes(6) + plain_ipv4(FLOATING, ROUTER, 6, tcp(40000, 179))),
            True,
            id="ttl exceeded",
        ),
        pytest.param(
            ipv4(NODE, FLOATING, 1, b"\x03\x01" + bytes(6) + plain_ipv4(FLOATING, OTHER, 6, tcp(40000, 179))),
            False,
            id="unreachable: another",
        ),
        pytest.param(ipv4(ROUTER, FLOATING, 1, b"\x08\x00" + bytes(60)), False, id="ping"),
    ],
)
def test_bgp_over_ipv4_passes_both_ways_for_the_peers(packet: bytes, expected: bool) -> None:
    assert passes(without_protocol_test(bpf.bgp_filter(PEERS), 4), packet) is expected


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        pytest.param(ipv6(FLOATING6, ROUTER6, 6, tcp(40000, 179)), True, id="sent"),
        pytest.param(ipv6(ROUTER6, FLOATING6, 6, tcp(179, 40000)), True, id="received"),
        pytest.param(ipv6(FLOATING6, ROUTER6, 6, tcp(40000, 443)), False, id="another port"),
        pytest.param(ipv6(FLOATING6, OTHER6, 6, tcp(40000, 179)), False, id="another peer"),
        pytest.param(
            ipv6(NODE6, FLOATING6, 58, b"\x01\x00" + bytes(6) + ipv6(FLOATING6, ROUTER6, 6, tcp(40000, 179))),
            True,
            id="unreachable",
        ),
        pytest.param(ipv6(ROUTER6, FLOATING6, 58, b"\x80\x00" + bytes(80)), False, id="ping"),
    ],
)
def test_bgp_over_ipv6_passes_both_ways_for_the_peers(packet: bytes, expected: bool) -> None:
    assert passes(without_protocol_test(bpf.bgp_filter(PEERS), 6), packet) is expected


@pytest.mark.parametrize("program", [bpf.arp_filter(()), bpf.ndp_filter(()), bpf.bgp_filter(())])
def test_without_addresses_nothing_passes(program: bytes) -> None:
    assert not passes(program, arp.to_frame(arp.probe(MAC, FLOATING)))
    assert not passes(program, ndp.to_frame(ndp.probe(FLOATING6), MAC))


def test_a_hundred_peers_fit() -> None:
    four = [IPv4Address("10.9.0.0") + host for host in range(50)]
    six = [ROUTER6 + host for host in range(50)]
    program = bpf.bgp_filter([*four, *six])
    assert passes(without_protocol_test(program, 4), ipv4(FLOATING, four[-1], 6, tcp(1, 179)))
    assert passes(without_protocol_test(program, 6), ipv6(FLOATING6, six[-1], 6, tcp(1, 179)))


def test_more_than_the_kernel_takes_is_said() -> None:
    with pytest.raises(ValueError, match="4096"):
        bpf.bgp_filter(IPv4Address("10.9.0.0") + host for host in range(1000))
