"""Classic BPF: what a packet socket lets through, decided in the kernel (Linux Documentation/networking/filter.rst).

On a busy node most packets are not for us; the filters keep them from waking the program. They are coarse on
purpose (an IPv6 address is compared by its last 32 bits): the reader checks again, exactly.
"""

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from flatbgp.host.packets.ethernet import ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADER_LENGTH
from flatbgp.host.packets.ip import PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP
from flatbgp.host.packets.ndp import TYPE_ADVERTISEMENT, TYPE_SOLICITATION

BGP_PORT = 179
ACCEPT = 0xFFFFFFFF
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS

# Opcodes, from linux/bpf_common.h: class | size | mode, or class | operation.
_LOAD_WORD, _LOAD_HALF, _LOAD_BYTE = 0x20, 0x28, 0x30
_LOAD_WORD_X, _LOAD_HALF_X, _LOAD_BYTE_X = 0x40, 0x48, 0x50
_HEADER_LENGTH_TO_X = 0xB1  # X = 4 * (octet & 0xf): the length of an IPv4 header
_JUMP, _JUMP_EQUAL, _JUMP_SET = 0x05, 0x15, 0x45
_RETURN = 0x06
_PROTOCOL = 0xFFFFF000  # SKF_AD_OFF + SKF_AD_PROTOCOL: the ethertype, also where there is no Ethernet header

_INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter, host byte order
_ICMP_UNREACHABLE, _ICMP_TIME_EXCEEDED = 3, 11
_ICMPV6_UNREACHABLE, _ICMPV6_TIME_EXCEEDED = 1, 3

Instruction = tuple[int, int, int, int]
Program = list[Instruction]


def assemble(program: Program) -> bytes:
    """Return the instructions as an array of ``struct sock_filter``."""
    if len(program) > MAX_INSTRUCTIONS:
        raise ValueError(f"packet filter of {len(program)} instructions: Linux takes {MAX_INSTRUCTIONS} at most")
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in program)


def arp_filter(addresses: Iterable[IPv4Address]) -> bytes:
    """Pass ARP frames whose sender or target is one of the addresses (for a socket bound to ARP)."""
    program: Program = []
    for address in sorted(set(addresses)):
        program += _accept_word(HEADER_LENGTH + 14, int(address)) + _accept_word(HEADER_LENGTH + 24, int(address))
    return assemble([*program, _return(0)])


def ndp_filter(addresses: Iterable[IPv6Address]) -> bytes:
    """Pass neighbor solicitations and advertisements from or about one of the addresses (IPv6 frames)."""
    ip, icmp = HEADER_LENGTH, HEADER_LENGTH + 40
    program: Program = [
        *_require(_LOAD_BYTE, ip + 6, PROTOCOL_ICMPV6),
        *_require(_LOAD_BYTE, icmp, TYPE_SOLICITATION, TYPE_ADVERTISEMENT),
    ]
    for address in sorted(set(addresses)):
        program += _accept_word(ip + 20, _low(address)) + _accept_word(icmp + 20, _low(address))
    return assemble([*program, _return(0)])


def bgp_filter(peers: Iterable[IPv4Address | IPv6Address]) -> bytes:
    """Pass TCP segments of port 179 from or to the peers, and ICMP errors about them.

    For a cooked packet socket: offsets count from the IP header. Both directions pass.
    """
    known = sorted(set(peers), key=lambda peer: (peer.version, int(peer)))
    four = [int(peer) for peer in known if isinstance(peer, IPv4Address)]
    six = [_low(peer) for peer in known if isinstance(peer, IPv6Address)]
    program: Program = []
    for ethertype, body in ((ETHERTYPE_IPV4, _bgp_ipv4(four)), (ETHERTYPE_IPV6, _bgp_ipv6(six))):
        program += _when((_LOAD_WORD, _PROTOCOL), (ethertype,), body)
    return assemble([*program, _return(0)])


def _bgp_ipv4(peers: list[int]) -> Program:
    between = [line for peer in peers for line in (*_accept_word(12, peer), *_accept_word(16, peer))]
    # An ICMP error quotes the packet that it is about: 8 octets of its own header, then IP, then TCP's ports.
    quoted = [line for peer in peers for line in _accept_word_x(8 + 16, peer)]
    first_fragment: Program = [(_LOAD_HALF, 0, 0, 6), (_JUMP_SET, 0, 1, 0x1FFF), _return(0)]
    return [
        *first_fragment,
        (_HEADER_LENGTH_TO_X, 0, 0, 0),
        *_when(
            (_LOAD_BYTE, 9),
            (PROTOCOL_TCP,),
            [*_require_either((_LOAD_HALF_X, 0), (_LOAD_HALF_X, 2), BGP_PORT), *between, _return(0)],
        ),
        *_require(_LOAD_BYTE, 9, PROTOCOL_ICMP),
        *_require(_LOAD_BYTE_X, 0, _ICMP_UNREACHABLE, _ICMP_TIME_EXCEEDED),
        *_require(_LOAD_BYTE_X, 8 + 9, PROTOCOL_TCP),
        *_require(_LOAD_HALF_X, 8 + 20 + 2, BGP_PORT),
        *quoted,
        _return(0),
    ]


def _bgp_ipv6(peers: list[int]) -> Program:
    between = [line for peer in peers for line in (*_accept_word(20, peer), *_accept_word(36, peer))]
    quoted = [line for peer in peers for line in _accept_word(48 + 36, peer)]
    return [
        *_when(
            (_LOAD_BYTE, 6),
            (PROTOCOL_TCP,),
            [*_require_either((_LOAD_HALF, 40), (_LOAD_HALF, 42), BGP_PORT), *between, _return(0)],
        ),
        *_require(_LOAD_BYTE, 6, PROTOCOL_ICMPV6),
        *_require(_LOAD_BYTE, 40, _ICMPV6_UNREACHABLE, _ICMPV6_TIME_EXCEEDED),
        *_require(_LOAD_BYTE, 48 + 6, PROTOCOL_TCP),
        *_require(_LOAD_HALF, 48 + 40 + 2, BGP_PORT),
        *quoted,
        _return(0),
    ]


def _low(address: IPv6Address) -> int:
    return int(address) & 0xFFFFFFFF


def _return(length: int) -> Instruction:
    return (_RETURN, 0, 0, length)


def _accept_word(offset: int, value: int) -> Program:
    return [(_LOAD_WORD, 0, 0, offset), (_JUMP_EQUAL, 0, 1, value), _return(ACCEPT)]


def _accept_word_x(offset: int, value: int) -> Program:
    return [(_LOAD_WORD_X, 0, 0, offset), (_JUMP_EQUAL, 0, 1, value), _return(ACCEPT)]


def _require(load: int, offset: int, *values: int) -> Program:
    """Go on if the field has one of the values, else refuse the packet."""
    tests: Program = [(_JUMP_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [(load, 0, 0, offset), *tests, _return(0)]


def _require_either(first: tuple[int, int], second: tuple[int, int], value: int) -> Program:
    """Go on if one of two fields has the value, else refuse the packet."""
    return [
        (first[0], 0, 0, first[1]),
        (_JUMP_EQUAL, 3, 0, value),
        (second[0], 0, 0, second[1]),
        (_JUMP_EQUAL, 1, 0, value),
        _return(0),
    ]


def _when(field: tuple[int, int], values: tuple[int, ...], body: Program) -> Program:
    """Run the body if the field has one of the values, else skip it.

    Conditional jumps reach 255 instructions and a body grows with the number of peers, so the skip is a plain jump.
    """
    load, offset = field
    tests: Program = [(_JUMP_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    skip: Instruction = (_JUMP, 0, 0, len(body))
    return [(load, 0, 0, offset), *tests, skip, *body]
