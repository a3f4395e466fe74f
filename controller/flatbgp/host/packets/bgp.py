"""The BGP messages that tell why a session is as it is: OPEN and NOTIFICATION (RFC 4271 sections 4.1, 4.2, 4.5)."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

from flatbgp.host.packets.errors import MalformedPacket
from flatbgp.resources.ip import Family

MARKER = b"\xff" * 16
HEADER_LENGTH = 19

_HEADER = struct.Struct("!16sHB")
_OPEN = struct.Struct("!BHH4sB")
_PARAMETER_CAPABILITIES = 2
_PARAMETER_EXTENDED = 255  # RFC 9072: lengths of two octets follow
_CAPABILITY_MULTIPROTOCOL = 1  # RFC 4760
_CAPABILITY_GRACEFUL_RESTART = 64  # RFC 4724
_CAPABILITY_FOUR_OCTET_ASN = 65  # RFC 6793
_UNICAST = {(1, 1): Family.IPV4, (2, 1): Family.IPV6}
_CEASE, _SHUTDOWN, _RESET, _HARD_RESET = 6, 2, 4, 9


class MessageType(IntEnum):
    """RFC 4271 section 4.1, RFC 2918."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


@dataclass(frozen=True, slots=True)
class GracefulRestartCapability:
    """What a speaker says about its own restarts (RFC 4724 section 3, N bit: RFC 8538).

    ``restart_time`` is in seconds; ``preserved`` holds the families whose forwarding state it kept.
    """

    restart_time: int
    restarting: bool
    notification: bool
    families: frozenset[Family]
    preserved: frozenset[Family]


@dataclass(frozen=True, slots=True)
class Open:
    """An OPEN message. ``asn`` is the four-octet one where the speaker has it; ``hold_time`` is in seconds.

    ``families`` are the unicast families offered: IPv4 alone when no multiprotocol capability is there (RFC 4760
    section 8). ``capabilities`` holds all codes, known or not, in ascending order.
    """

    asn: int
    hold_time: int
    router_id: IPv4Address
    families: frozenset[Family]
    four_octet_asn: bool
    graceful_restart: GracefulRestartCapability | None
    capabilities: tuple[int, ...]
    version: int = 4


@dataclass(frozen=True, slots=True)
class Notification:
    """A NOTIFICATION message: the last one of a session.

    ``text`` is the shutdown communication of RFC 9003 (printable, one line). ``hard`` says that the message came
    wrapped in a Hard Reset (RFC 8538): code, subcode and data are then those inside.
    """

    code: int
    subcode: int
    data: bytes = b""
    text: str = ""
    hard: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """Type and whole length of a message, its 19 octets of header included."""

    length: int
    kind: MessageType

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """Read the first 19 octets of a message."""
        if len(data) < HEADER_LENGTH:
            raise MalformedPacket(f"BGP header of {len(data)} octets: {HEADER_LENGTH} are expected")
        marker, length, kind = _HEADER.unpack_from(data)
        if marker != MARKER or length < HEADER_LENGTH:
            raise MalformedPacket("BGP header has no marker of ones, or a length below its own")
        try:
            return cls(length, MessageType(kind))
        except ValueError:
            raise MalformedPacket(f"BGP message type {kind} is unknown") from None


def decode_open(body: bytes) -> Open:
    """Read an OPEN message without its header."""
    if len(body) < _OPEN.size:
        raise MalformedPacket(f"OPEN of {len(body)} octets is shorter than its fixed part")
    version, short_asn, hold_time, router_id, _ = _OPEN.unpack_from(body)
    families: set[Family] = set()
    multiprotocol = False
    four_octet: int | None = None
    graceful: GracefulRestartCapability | None = None
    capabilities = _capabilities(body)
    for code, value in capabilities:
        if code == _CAPABILITY_MULTIPROTOCOL and len(value) == 4:
            multiprotocol = True
            families |= _families({(int.from_bytes(value[:2], "big"), value[3])})
        elif code == _CAPABILITY_FOUR_OCTET_ASN and len(value) == 4:
            four_octet = int.from_bytes(value, "big")
        elif code == _CAPABILITY_GRACEFUL_RESTART and len(value) >= 2:
            graceful = _graceful_restart(value)
    return Open(
        asn=short_asn if four_octet is None else four_octet,
        hold_time=hold_time,
        router_id=IPv4Address(router_id),
        families=frozenset(families) if multiprotocol else frozenset({Family.IPV4}),
        four_octet_asn=four_octet is not None,
        graceful_restart=graceful,
        capabilities=tuple(sorted({code for code, _ in capabilities})),
        version=version,
    )


def decode_notification(body: bytes) -> Notification:
    """Read a NOTIFICATION message without its header."""
    if len(body) < 2:
        raise MalformedPacket(f"NOTIFICATION of {len(body)} octets has no code and subcode")
    code, subcode, data = body[0], body[1], body[2:]
    hard = (code, subcode) == (_CEASE, _HARD_RESET)
    if hard and len(data) >= 2:
        code, subcode, data = data[0], data[1], data[2:]
    text = _shutdown_text(data) if code == _CEASE and subcode in {_SHUTDOWN, _RESET} else ""
    return Notification(code, subcode, data, text, hard)


def _shutdown_text(data: bytes) -> str:
    """Return the shutdown communication (RFC 9003 section 2): a length octet, then UTF-8.

    It is somebody else's text on its way to logs and terminals: what is not printable becomes a blank.
    """
    if not data:
        return ""
    text = data[1 : 1 + data[0]].decode("utf-8", errors="replace")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _capabilities(body: bytes) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    for kind, value in _parameters(body):
        if kind == _PARAMETER_CAPABILITIES:
            found += _values(value, length_octets=1, what="capability")
    return found


def _parameters(body: bytes) -> list[tuple[int, bytes]]:
    length, start, octets = body[9], _OPEN.size, 1
    if length == _PARAMETER_EXTENDED and body[start : start + 1] == bytes([_PARAMETER_EXTENDED]):
        if len(body) < start + 3:
            raise MalformedPacket("OPEN announces extended parameters and has none")
        length, start, octets = int.from_bytes(body[start + 1 : start + 3], "big"), start + 3, 2
    if len(body) < start + length:
        raise MalformedPacket("OPEN is shorter than its optional parameters")
    return _values(body[start : start + length], length_octets=octets, what="optional parameter")


def _values(data: bytes, *, length_octets: int, what: str) -> list[tuple[int, bytes]]:
    """Split type, length, value triples."""
    found: list[tuple[int, bytes]] = []
    head = 1 + length_octets
    while data:
        length = int.from_bytes(data[1:head], "big")
        if len(data) < head + length:
            raise MalformedPacket(f"OPEN holds a cut-off {what}")
        found.append((data[0], data[head : head + length]))
        data = data[head + length :]
    return found


def _graceful_restart(value: bytes) -> GracefulRestartCapability:
    first = int.from_bytes(value[:2], "big")
    entries = [value[start : start + 4] for start in range(2, len(value) - 3, 4)]
    listed = {(int.from_bytes(entry[:2], "big"), entry[2]): bool(entry[3] & 0x80) for entry in entries}
    return GracefulRestartCapability(
        restart_time=first & 0x0FFF,
        restarting=bool(first & 0x8000),
        notification=bool(first & 0x4000),
        families=_families(set(listed)),
        preserved=_families({family for family, kept in listed.items() if kept}),
    )


def _families(pairs: set[tuple[int, int]]) -> frozenset[Family]:
    return frozenset(_UNICAST[pair] for pair in pairs if pair in _UNICAST)
