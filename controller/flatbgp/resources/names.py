"""Names of the objects that flatbgp makes: valid, stable, unique.

An object name is a DNS subdomain (RFC 1123): lower-case letters, digits, dashes and dots, at most 253 characters, each
part between dots beginning and ending with a letter or digit. Addresses keep the form that the guide shows; IPv6 ones
are written in full ("exploded", always 39 characters) with dashes for colons, so that one address has one name.
"""

import hashlib

from flatbgp.resources.ip import IPAddress, IPNetwork

NAME_LIMIT = 253
_DIGEST = 16  # hexadecimal digits: 64 bits, so that among all names of a cluster none is likely to meet another


def session_name(peer: IPAddress, node: str) -> str:
    """Return the name of the BGPSession of a node with a router: ``<peerIP>-<node>``, as the guide shows it.

    A node's name may itself be 253 characters long; what would not fit is replaced by a digest of the whole.
    """
    text = f"{_dashed(peer, dots='.')}-{node}"
    if len(text) <= NAME_LIMIT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST]
    return f"{text[: NAME_LIMIT - _DIGEST - 1].rstrip('-.')}-{digest}"


def route_name(next_hop: IPAddress) -> str:
    """Return the name of the first BGPAdvertisedRoute through a next hop: ``route-via-<next hop, with dashes>``."""
    return f"route-via-{_dashed(next_hop)}"


def further_route_name(next_hop: IPAddress, prefix: IPNetwork) -> str:
    """Return the name of another BGPAdvertisedRoute through the same next hop, told apart by its prefix."""
    return f"{route_name(next_hop)}-{_dashed(prefix.network_address)}-{prefix.prefixlen}"


def lease_name(address: IPAddress) -> str:
    """Return the name of a floating IP's Lease: ``floatingip-<ip, with dashes>``."""
    return f"floatingip-{_dashed(address)}"


def _dashed(address: IPAddress, dots: str = "-") -> str:
    # From the number: ten thousand names are made in one plan, and str() and exploded cost several times as much.
    number = int(address)
    if address.version == 4:
        return f"{number >> 24}{dots}{number >> 16 & 255}{dots}{number >> 8 & 255}{dots}{number & 255}"
    digits = f"{number:032x}"
    return "-".join([digits[start : start + 4] for start in range(0, 32, 4)])
