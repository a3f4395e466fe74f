"""The tags that paths carry inside the daemon, for its export policy to look at. Pure.

Every path of ours carries :data:`OURS`, and goes to all neighbours. To take it back from one neighbour alone, it is
added again with the tag of that neighbour: the daemon then sends a correct withdrawal there. Changing the policy
would not do, since GoBGP before 4.6 never withdraws what a changed policy denies. (A tag for each neighbour that *may*
have the path would work as well, but with every new neighbour all routes would be sent to all others again.)

A tag is a large community (RFC 8092) of a private ASN. It never leaves the daemon: the export policy replaces all large
communities of a route by those that the neighbour is to see.
"""

import hashlib
from functools import lru_cache

from flatbgp.resources.ip import IPAddress

Tag = tuple[int, int, int]

# The daemon's own ASN (private, RFC 6996) and first part of every tag. It is never seen on a wire: each session has
# its own local ASN. One constant, so that no change of peers asks for a new daemon.
GLOBAL_ASN = 4_290_000_179

OURS: Tag = (GLOBAL_ASN, 0, 0)


@lru_cache(maxsize=1024)
def withheld_from(address: IPAddress) -> Tag:
    """Return the tag of paths that a neighbour must not have, the same in every process.

    ``<global ASN>:0:<the IPv4 address as a number>``. An IPv6 address does not fit, so 63 bits of its digest stand for
    it, and a set highest bit tells the two families apart.
    """
    if address.version == 4:
        return GLOBAL_ASN, 0, int(address)
    digest = int.from_bytes(hashlib.blake2b(address.packed, digest_size=8).digest()) | 1 << 63
    return GLOBAL_ASN, digest >> 32, digest & 0xFFFF_FFFF
