"""Texts to typed values, strictly: one spelling of a value, or a sentence on what is wrong with it.

The parsers of the standard library are more lenient than routers and the Kubernetes API are (netmasks after the slash,
scope zones, host bits by request), so each of these looks first and says what it saw.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from flatbgp.resources.ip import IPAddress, IPNetwork

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CACHE = 32768  # two addresses and two ranges for each of several thousand nodes


class Malformed(ValueError):
    """The text is no value of its type; the message says why and what would be right, without repeating the text."""


@lru_cache(_CACHE)
def parse_address(text: str) -> IPAddress:
    """Return the address that ``text`` is, IPv4 or IPv6, without mask, blank, zone or leading zero."""
    if text and text.split() != [text]:
        raise Malformed("has a blank in it; write the address alone")
    if "/" in text:
        raise Malformed("has a mask; write the address alone, as in 10.0.1.254")
    if "%" in text:
        raise Malformed("has a zone; a global or unique-local address without % is needed")
    try:
        address = ip_address(text)
    except ValueError:
        raise Malformed(_address_problem(text)) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise Malformed(f"is an IPv4-mapped IPv6 address; write {address.ipv4_mapped}")
    return address


def _address_problem(text: str) -> str:
    parts = text.split(".")
    if len(parts) == 4 and all(part.isascii() and part.isdigit() for part in parts):
        if any(len(part) > 1 and part.startswith("0") for part in parts):
            return "has a leading zero, which some programs read as octal; write each number without it"
        return "is no IPv4 address: each of its four numbers must be 0 to 255"
    if not text:
        return "is empty; an IP address is needed, as in 10.0.1.254 or 2001:db8::1"
    return "is not an IP address; one is needed, as in 10.0.1.254 or 2001:db8::1"


@lru_cache(_CACHE)
def parse_network(text: str) -> IPNetwork:
    """Return the range that ``text`` is in CIDR notation, with a prefix length and without host bits."""
    if text and text.split() != [text]:
        raise Malformed("has a blank in it; write the range alone, as in 10.0.0.0/16")
    base, slash, length = text.partition("/")
    if not slash:
        raise Malformed("has no prefix length; write a range in CIDR notation, as in 10.0.0.0/16")
    try:
        address = parse_address(base)
    except Malformed as problem:
        raise Malformed(f"is no range: {base or 'the part before /'} {problem}") from None
    if not (length.isascii() and length.isdigit()) or (len(length) > 1 and length.startswith("0")):
        raise Malformed("must have a plain prefix length after the slash, as in 10.0.0.0/16")
    if len(length) > 3 or int(length) > address.max_prefixlen:
        raise Malformed(f"has a prefix length above {address.max_prefixlen}")
    number, host_bits = int(address), address.max_prefixlen - int(length)
    first = number >> host_bits << host_bits
    make = IPv4Network if isinstance(address, IPv4Address) else IPv6Network
    network = make((first, int(length)))
    if first != number:
        raise Malformed(f"has host bits set; the range is {network}")
    return network


def parse_time(text: str) -> datetime:
    """Return the moment that ``text`` names (RFC 3339), in UTC; digits beyond microseconds are dropped."""
    if not _TIME.fullmatch(text):
        raise Malformed("is not a time (RFC 3339), as in 2006-01-02T15:04:05Z")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("names no moment that exists; a time is written as in 2006-01-02T15:04:05Z") from None


def format_time(moment: datetime) -> str:
    """Return the RFC 3339 text of a moment, in UTC, with microseconds only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


_ORDINARY: Final = {4: frozenset({*range(1, 224)} - {127}), 6: frozenset(range(1, 0xFE))}
"""First octets, by IP version, of which every address can be a host's."""


def host_problem(address: IPAddress) -> str | None:
    """Return why an address can be no router, node or floating IP; ``None`` if it can.

    Private, unique-local and documentation ranges are fine: data centres and laboratories use them. A link-local IPv6
    address needs a zone, which differs from node to node. 0.0.0.0/8 is never a destination (RFC 1122 section 3.2.1.3).
    """
    # The first octet clears nearly every address, and there are thousands: what follows takes 20 times as long.
    if address.packed[0] in _ORDINARY[address.version]:
        return None
    if address.is_unspecified:
        return "is the unspecified address; a unicast host address is needed"
    if address.is_loopback:
        return "is a loopback address; a unicast host address is needed"
    if address.is_multicast:
        return "is a multicast address; a unicast host address is needed"
    if isinstance(address, IPv4Address):
        if address == IPv4Address(0xFFFFFFFF):
            return "is the broadcast address; a unicast host address is needed"
        if int(address) >> 24 == 0:
            return "lies in 0.0.0.0/8, which is no host address; a unicast host address is needed"
    elif address.is_link_local:
        return "is a link-local address, which needs a zone; use a global or unique-local address"
    return None
