"""What really went over a wire: tcpdump in a namespace, and the BGP messages in what it caught."""

import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from support.sandbox import Sandbox

BGP_PORT = 179
_MARKER = b"\xff" * 16  # RFC 4271 section 4.1
_TCP = 6
_counter = itertools.count(1)


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


@dataclass(frozen=True, slots=True)
class Segment:
    """A TCP segment; ``time`` is seconds since the epoch."""

    time: float
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    source_port: int
    destination_port: int
    sequence: int
    flags: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A BGP message: ``body`` is what follows the header."""

    time: float
    source: IPv4Address | IPv6Address
    destination: IPv4Address | IPv6Address
    type: MessageType
    body: bytes


class Capture:
    """A running tcpdump; look at any time, the file is written packet by packet."""

    def __init__(self, process: Process, file: Path) -> None:
        self._process = process
        self._file = file

    def stop(self) -> None:
        """Stop catching."""
        self._process.stop()

    def frames(self) -> list[tuple[float, bytes]]:
        """Return what was caught: time and Ethernet frame."""
        return list(read_pcap(self._file.read_bytes()))

    def segments(self) -> list[Segment]:
        """Return the TCP segments."""
        parsed = (read_segment(time, frame) for time, frame in self.frames())
        return [segment for segment in parsed if segment is not None]

    def messages(self, *kinds: MessageType) -> list[Message]:
        """Return the BGP messages of these kinds (of all, if none is named), each when its last byte was there."""
        found = read_messages(self.segments())
        return [message for message in found if not kinds or message.type in kinds]


def start_capture(sandbox: Sandbox, namespace: Namespace, interface: str, expression: str) -> Capture:
    """Start to catch what ``expression`` (pcap-filter) selects on an interface; it catches when this returns."""
    file = sandbox.directory / f"{namespace.name}-{interface}-{next(_counter)}.pcap"
    log = file.with_suffix(".log")
    command = (
        "tcpdump",
        "-i",
        interface,
        "-w",
        str(file),
        "-U",
        "-s",
        "0",
        "--immediate-mode",
        "-Z",
        "root",
        expression,
    )
    process = sandbox.owns(namespace.start(f"tcpdump {interface}", *command, log=log))
    wait_until("tcpdump to listen", lambda: "listening on" in process.output or not process.alive, deadline=10)
    assert process.alive, process.output
    return Capture(process, file)


def read_pcap(content: bytes) -> Iterator[tuple[float, bytes]]:
    """Yield time and frame of each packet of a pcap file (microseconds, little endian, Ethernet)."""
    assert content[:4] == b"\xd4\xc3\xb2\xa1", "not the pcap format that tcpdump writes here"
    assert struct.unpack_from("<I", content, 20)[0] == 1, "not Ethernet"
    offset = 24
    while offset + 16 <= len(content):
        seconds, micros, caught, _ = struct.unpack_from("<IIII", content, offset)
        frame = content[offset + 16 : offset + 16 + caught]
        if len(frame) < caught:  # tcpdump is writing it
            return
        yield seconds + micros / 1e6, frame
        offset += 16 + caught


def read_segment(time: float, frame: bytes) -> Segment | None:
    """Return the TCP segment in an Ethernet frame (no VLAN, no fragments, no IPv6 extension headers), or ``None``."""
    kind = struct.unpack_from("!H", frame, 12)[0]
    packet = frame[14:]
    if kind == 0x0800 and packet[9] == _TCP:
        total = struct.unpack_from("!H", packet, 2)[0]
        tcp = packet[(packet[0] & 15) * 4 : total]
        addresses = packet[12:16], packet[16:20]
    elif kind == 0x86DD and packet[6] == _TCP:
        tcp = packet[40 : 40 + struct.unpack_from("!H", packet, 4)[0]]
        addresses = packet[8:24], packet[24:40]
    else:
        return None
    source_port, destination_port, sequence = struct.unpack_from("!HHI", tcp)
    source, destination = (ip_address(address) for address in addresses)
    payload = tcp[(tcp[12] >> 4) * 4 :]
    return Segment(time, source, destination, source_port, destination_port, sequence, tcp[13], payload)


def read_messages(segments: list[Segment]) -> list[Message]:
    """Put the byte streams of all connections together again and cut them into BGP messages."""
    flows: dict[tuple[object, ...], _Flow] = {}
    found: list[Message] = []
    for segment in segments:
        if BGP_PORT not in (segment.source_port, segment.destination_port):
            continue
        key = (segment.source, segment.source_port, segment.destination, segment.destination_port)
        if segment.flags & 0x02:  # SYN: a new connection, perhaps between the same ports
            flows[key] = _Flow(segment.sequence + 1)
        elif segment.payload:
            flow = flows.setdefault(key, _Flow(segment.sequence))
            found.extend(
                Message(segment.time, segment.source, segment.destination, kind, body)
                for kind, body in flow.add(segment.sequence, segment.payload)
            )
    return found


class _Flow:
    """One direction of a connection; what comes early waits, what comes twice is dropped."""

    def __init__(self, sequence: int) -> None:
        self._next = sequence
        self._early: dict[int, bytes] = {}
        self._stream = b""

    def add(self, sequence: int, payload: bytes) -> Iterator[tuple[MessageType, bytes]]:
        self._early[sequence] = payload
        while (fitting := next((start for start in self._early if self._fits(start)), None)) is not None:
            data = self._early.pop(fitting)
            self._stream += data[(self._next - fitting) & 0xFFFFFFFF :]
            self._next = max(self._next, fitting + len(data))
        while len(self._stream) >= 19:
            assert self._stream[:16] == _MARKER, "the capture began in the middle of a message"
            length, kind = struct.unpack_from("!HB", self._stream, 16)
            if len(self._stream) < length:
                return
            yield MessageType(kind), self._stream[19:length]
            self._stream = self._stream[length:]

    def _fits(self, start: int) -> bool:
        return start <= self._next
