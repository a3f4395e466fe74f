"""Which neighbour may get which path: one tag a neighbour, carried by the paths. Pure.

A policy that decided by prefix would have to change with the routes, and no version of GoBGP before 4.6 withdraws what
a changed policy denies. So the policy only says "this neighbour gets what carries its tag", and a path that should go
somewhere else is added again with other tags: the daemon then sends an update, or a withdrawal, to exactly the
neighbours that it concerns.

A tag is a large community (RFC 8092) of a private ASN. It never leaves the daemon: the export policy replaces all large
communities of a route by those that the neighbour is to see.
"""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

from flatbgp.resources.ip import IPAddress

Tag = tuple[int, int, int]

# The daemon's own ASN (private, RFC 6996) and first part of every tag. It is never seen on a wire: each session has
# its own local ASN. One constant, so that no change of peers asks for a new daemon.
GLOBAL_ASN = 4_290_000_179


@lru_cache(maxsize=1024)
def tag_of(address: IPAddress) -> Tag:
    """Return the tag of a neighbour, the same in every process.

    ``<global ASN>:0:<the IPv4 address as a number>``. An IPv6 address does not fit, so 63 bits of its digest stand for
    it, and a set highest bit tells the two families apart.
    """
    if address.version == 4:
        return GLOBAL_ASN, 0, int(address)
    digest = int.from_bytes(hashlib.blake2b(address.packed, digest_size=8).digest()) | 1 << 63
    return GLOBAL_ASN, digest >> 32, digest & 0xFFFF_FFFF


def tags_of(addresses: Iterable[IPAddress]) -> frozenset[Tag]:
    """Return the tags of neighbours."""
    return frozenset(tag_of(address) for address in addresses)
