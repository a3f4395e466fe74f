"""What is said on the racks' LANs: who answers for a floating IP, and who speaks BGP from one.

An observer host with an interface in each rack asks for every floating IP ten times a second, by plain ARP requests or
neighbour solicitations from an address of its own: a probe (RFC 5227, RFC 4862) would make the speakers announce, and
the router's own questions would teach it what only the announcements should. The BGP frames are caught where the
nodes' cables enter the switch.
"""

import ctypes
import socket
import struct
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from flatbgp.host.packets import arp, ndp
from flatbgp.host.packets.arp import ArpPacket, Operation
from flatbgp.host.packets.bpf import arp_filter, assemble, ndp_filter
from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.host.packets.ethernet import ETHERTYPE_ARP, ETHERTYPE_IPV6, EthernetFrame
from flatbgp.host.packets.ip import decode_ip
from flatbgp.host.packets.ndp import NeighborAdvertisement
from flatbgp.lab.namespaces import Namespace
from flatbgp.resources.ip import IPAddress
from support.capture import BGP_PORT, Segment, read_segment
from support.holders import Holders
from support.netns import inside

ASKED_EVERY = 0.1
"""Seconds between two questions for an address."""

WITHOUT_ADDRESS = "it does not have the address"

LINGER = 0.002
"""Seconds of error between the clock of a frame's arrival and that of the news that its source address has gone."""

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SO_ATTACH_FILTER = 26
_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
_SYN, _RST = 0x02, 0x04
_TCP = assemble(
    [
        (0x28, 0, 0, 12),  # ldh [12]: the frame's type
        (0x15, 1, 0, 0x0800),  # IPv4: go on after the next step
        (0x15, 2, 5, 0x86DD),  # IPv6: go on where its protocol is loaded; neither: drop
        (0x30, 0, 0, 23),  # ldb [23]: the protocol of IPv4
        (0x05, 0, 0, 1),  # skip the next step
        (0x30, 0, 0, 20),  # ldb [20]: the next header of IPv6
        (0x15, 0, 1, 6),  # TCP?
        (0x06, 0, 0, 0xFFFF),  # take all of it
        (0x06, 0, 0, 0),  # drop
    ]
)
"""TCP and nothing else: pings would be a hundred times as many (classic BPF)."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A BGP segment that should never have left a node."""

    at: float
    node: str
    why: str
    segment: Segment


@dataclass(slots=True)
class Answers:
    """The MAC addresses that answered for each address in the present round, and rounds with more than one."""

    double: list[tuple[float, IPAddress, tuple[str, ...]]] = field(default_factory=list)
    _round: dict[IPAddress, set[str]] = field(default_factory=dict)

    def answered(self, at: float, address: IPAddress, mac: str) -> None:
        """Take an answer."""
        macs = self._round.setdefault(address, set())
        macs.add(mac)
        if len(macs) > 1:
            self.double.append((at, address, tuple(sorted(macs))))

    def next_round(self) -> None:
        """Begin anew: what is answered from now on belongs to new questions."""
        self._round.clear()


class Observer:
    """One interface of the observer, in one rack. ``own`` and ``wanted`` are of one family."""

    def __init__(self, namespace: Namespace, interface: str, own: IPAddress, wanted: Collection[IPAddress]) -> None:
        with inside(namespace):
            caught = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        mac = namespace.run("cat", f"/sys/class/net/{interface}/address").strip()
        self._socket = caught
        if isinstance(own, IPv4Address):
            four = [each for each in wanted if isinstance(each, IPv4Address)]
            _attach(caught, arp_filter(four))
            ethertype, self._answer = ETHERTYPE_ARP, partial(_arp_answer, own)
            self._questions = [arp.to_frame(arp.request(mac, own, each)) for each in four]
        else:
            six = [each for each in wanted if isinstance(each, IPv6Address)]
            _attach(caught, ndp_filter(six))
            ethertype, self._answer = ETHERTYPE_IPV6, partial(_ndp_answer, own)
            self._questions = [ndp.to_frame(ndp.question(mac, own, each), mac) for each in six]
        caught.bind((interface, ethertype))

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def ask(self) -> None:
        """Ask for every address."""
        for question in self._questions:
            self._socket.send(question)

    def read(self) -> Iterable[tuple[IPAddress, str]]:
        """Return the answers that have come: address and MAC address."""
        while True:
            try:
                data, sender = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            if sender[2] == _PACKET_OUTGOING:
                continue
            try:
                answer = self._answer(EthernetFrame.decode(data))
            except MalformedPacket:
                continue
            if answer is not None:
                yield answer

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def _arp_answer(own: IPv4Address, frame: EthernetFrame) -> tuple[IPAddress, str] | None:
    packet = ArpPacket.decode(frame.payload)
    if packet.operation is not Operation.REPLY or packet.target_ip != own:
        return None
    return packet.sender_ip, packet.sender_mac


def _ndp_answer(own: IPv6Address, frame: EthernetFrame) -> tuple[IPAddress, str] | None:
    message = ndp.decode(decode_ip(frame.payload))
    if not isinstance(message, NeighborAdvertisement) or message.destination != own or message.target_mac is None:
        return None
    return message.target, message.target_mac


class Cable:
    """Catches the TCP segments that a node sends, at its port of the switch."""

    def __init__(self, node: str, switch: Namespace, port: str) -> None:
        self.node = node
        with inside(switch):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
            _attach(self._socket, _TCP)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._socket.bind((port, _ETH_P_ALL))

    def fileno(self) -> int:
        """For ``select``."""
        return self._socket.fileno()

    def read(self) -> Iterable[Segment]:
        """Return what has come, each with its arrival (of :func:`time.monotonic`)."""
        while True:
            try:
                data, ancillary, _, sender = self._socket.recvmsg(65535, 64)
            except BlockingIOError:
                return
            except OSError:  # said once each time the port is switched off
                continue
            if sender[2] != _PACKET_OUTGOING and (segment := read_segment(_arrival(ancillary), data)) is not None:
                yield segment

    def close(self) -> None:
        """Stop."""
        self._socket.close()


@dataclass(slots=True)
class Speech:
    """Judges what nodes say in BGP: only from floating IPs that they have, and only in sessions of that time.

    A connection is known by its two ends. It belongs to the node's term (:meth:`Holders.term`) in which its first
    segment was seen; a segment of it in a later term is one of an old session that came back with the address.
    """

    holders: Holders
    leaks: list[Leak] = field(default_factory=list)
    _terms: dict[tuple[object, ...], int] = field(default_factory=dict)

    def heard(self, node: str, segment: Segment) -> None:
        """Take a segment that a node sent."""
        if BGP_PORT not in (segment.source_port, segment.destination_port):
            return
        if segment.destination in self.holders.addresses:
            return  # a router's, for an address that has left: a node that forwards sends it on
        why = self._fault(node, segment)
        if why:
            self.leaks.append(Leak(segment.time, node, why, segment))

    def _fault(self, node: str, segment: Segment) -> str:
        source = segment.source
        if source not in self.holders.addresses:
            return "a session from an address that is no floating IP"
        if not self.holders.has(node, source):
            left = self.holders.left_at(node, source)
            recently = left is not None and segment.time - left < LINGER
            return "" if recently else WITHOUT_ADDRESS
        key = (node, source, segment.source_port, segment.destination, segment.destination_port)
        term = self.holders.term(node, source)
        if segment.flags & _SYN:
            self._terms[key] = term
        if segment.flags & _RST and not segment.payload:
            return ""  # what a kernel answers to a router that still believes in the old session
        if self._terms.setdefault(key, term) != term:
            return "a segment of a session from before the address left and came back"
        return ""


def _arrival(ancillary: list[tuple[int, int, bytes]]) -> float:
    """Return when the kernel took a frame in, in the terms of the monotonic clock."""
    data = next(data for _, kind, data in ancillary if kind == _SO_TIMESTAMPNS)
    seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
    return time.monotonic() - (time.time() - (seconds + nanoseconds / 1e9))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def _attach(caught: socket.socket, packet_filter: bytes) -> None:
    """Have the kernel pass only what a filter selects."""
    code = ctypes.create_string_buffer(packet_filter, len(packet_filter))
    program = _Program(len(packet_filter) // 8, ctypes.addressof(code))
    caught.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))
