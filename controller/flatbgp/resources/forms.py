"""Types that several kinds share: what an ASN, a host address, a label, a community may be."""

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated

from flatbgp.resources.communities import WELL_KNOWN, community_problem, large_community_problem
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.parsing import host_problem
from flatbgp.resources.schema import KeyRule, Length, Range, Rule

UINT32_MAX = 2**32 - 1

_REFUSED_ASNS = {
    0: "0 is reserved (RFC 7607)",
    23456: "23456 is AS_TRANS, a placeholder for 32-bit numbers (RFC 6793)",
    65535: "65535 is reserved (RFC 7300)",
    UINT32_MAX: "4294967295 is reserved (RFC 7300)",
}


def asn_problem(asn: int) -> str | None:
    """Return why a number can be no AS number of a session; ``None`` if it can."""
    reserved = _REFUSED_ASNS.get(asn)
    return f"is no AS number to use: {reserved}; use 1 to 4294967294" if reserved else None


ASN = Annotated[
    int,
    Range(0, UINT32_MAX),
    Rule(
        "an AS number, 1 to 4294967294; not 23456 or 65535",
        asn_problem,
        f"!(self in [{', '.join(map(str, _REFUSED_ASNS))}])",
    ),
]

UInt32 = Annotated[int, Range(0, UINT32_MAX)]
Count = Annotated[int, Range(0)]

HostAddress = Annotated[
    IPAddress,
    Rule(
        "a unicast host address without mask",
        host_problem,
        "!self.startsWith('0.')"
        " && (ip(self).isGlobalUnicast() || (ip(self).family() == 4 && ip(self).isLinkLocalUnicast()))",
    ),
]

_NO_POD_RANGES = {
    4: {
        "0.0.0.0/8": "this network",
        "127.0.0.0/8": "loopback",
        "169.254.0.0/16": "link-local",
        "224.0.0.0/4": "multicast",
        "255.255.255.255/32": "broadcast",
    },
    6: {
        "::/80": "unspecified, loopback, IPv4-compatible and IPv4-mapped",
        "fe80::/10": "link-local",
        "ff00::/8": "multicast",
    },
}
# First and last address as numbers: `overlaps` of the library costs ten times as much, and a start asks for every Node.
_SPECIAL = {
    version: tuple(
        (int(network.network_address), int(network.broadcast_address), f"{network} ({word})")
        for network, word in ((ip_network(text), word) for text, word in ranges.items())
    )
    for version, ranges in _NO_POD_RANGES.items()
}


def pod_range_problem(network: IPNetwork) -> str | None:
    """Return why a range can hold no pods' addresses; ``None`` if it can."""
    first = int(network.network_address)
    last = first + (1 << network.max_prefixlen - network.prefixlen) - 1
    for special_first, special_last, name in _SPECIAL[network.version]:
        if first <= special_last and special_first <= last:
            return f"overlaps {name}; a range of unicast addresses is needed"
    return None


_NO_POD_RANGES_IN_CEL = ", ".join(f"'{text}'" for ranges in _NO_POD_RANGES.values() for text in ranges)

PodRange = Annotated[
    IPNetwork,
    Rule(
        "a range of unicast addresses, without host bits",
        pod_range_problem,
        f"[{_NO_POD_RANGES_IN_CEL}].all(other, !cidr(other).containsCIDR(self) && !cidr(self).containsCIDR(other))",
    ),
]

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_PATTERN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"
_SUBDOMAIN = re.compile(_SUBDOMAIN_PATTERN)
_LABEL_1123 = re.compile(_DNS_LABEL)
_LABEL_NAME_PATTERN = r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
_LABEL_NAME = re.compile(_LABEL_NAME_PATTERN)


def subdomain_problem(text: str) -> str | None:
    """Return why a text is no object name (RFC 1123 subdomain of at most 253 characters); ``None`` if it is."""
    if len(text) > 253:
        return f"has {len(text)} characters; a name has at most 253"
    if not _SUBDOMAIN.fullmatch(text):
        return "is no object name: lower-case letters, digits, '-' and '.', a letter or digit at both ends"
    return None


def namespace_problem(text: str) -> str | None:
    """Return why a text is no namespace name (RFC 1123 label of at most 63 characters); ``None`` if it is."""
    if len(text) > 63:
        return f"has {len(text)} characters; a namespace has at most 63"
    if not _LABEL_1123.fullmatch(text):
        return "is no namespace name: lower-case letters, digits and '-', a letter or digit at both ends"
    return None


def label_key_problem(key: str) -> str | None:
    """Return why a text is no label or annotation key ("name" or "dns.prefix/name"); ``None`` if it is."""
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or subdomain_problem(prefix)):
        return "is no key: the part before '/' must be a DNS name"
    if not 1 <= len(name) <= 63 or not _LABEL_NAME.fullmatch(name):
        return "is no key: its name has 1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
    return None


def label_value_problem(value: str) -> str | None:
    """Return why a text is no label value (empty, or 1 to 63 characters as in a key's name); ``None`` if it is."""
    if value and (len(value) > 63 or not _LABEL_NAME.fullmatch(value)):
        return "is no label value: at most 63 letters, digits, '-', '_' or '.', a letter or digit at both ends"
    return None


_NAME_RULE = Rule("the name of an object", subdomain_problem, f"self.matches(r'^{_SUBDOMAIN_PATTERN}$')")
_KEY_RULE = Rule(
    "a label key",
    label_key_problem,
    f"self.matches(r'^({_SUBDOMAIN_PATTERN}/)?{_LABEL_NAME_PATTERN}$')"
    " && self.indexOf('/') <= 253 && self.size() - self.indexOf('/') <= 64",
)
_VALUE_RULE = Rule(
    "a label value", label_value_problem, f"self.matches(r'^({_LABEL_NAME_PATTERN})?$') && self.size() <= 63"
)

ObjectName = Annotated[str, _NAME_RULE, Length(1, 253)]
LabelKey = Annotated[str, _KEY_RULE, Length(1, 317)]
LabelValue = Annotated[str, _VALUE_RULE, Length(0, 63)]
Labels = Annotated[Mapping[str, str], KeyRule(_KEY_RULE), _VALUE_RULE]
Selector = Annotated[Labels, Length(0, 64)]


def _numbers_in_cel(count: int, limit: int) -> str:
    """Return the expression for so many decimal numbers with colons between, each at most ``limit``."""
    number = f"(0|[1-9][0-9]{{0,{len(str(limit)) - 1}}})"
    pattern = ":".join([number] * count)
    return f"self.matches('^{pattern}$') && self.split(':').all(number, int(number) <= {limit})"


_WELL_KNOWN_IN_CEL = ", ".join(f"'{name}'" for name in sorted(WELL_KNOWN))

Community = Annotated[
    str,
    Rule(
        "ASN:value, each 0 to 65535, or a well-known name (RFC 1997)",
        community_problem,
        f"self in [{_WELL_KNOWN_IN_CEL}] || ({_numbers_in_cel(2, 0xFFFF)})",
    ),
    Length(1, 32),
]
LargeCommunity = Annotated[
    str,
    Rule(
        "ASN:value:value, each 0 to 4294967295 (RFC 8092)",
        large_community_problem,
        _numbers_in_cel(3, UINT32_MAX),
    ),
    Length(1, 32),
]
