"""What a change costs the sessions that exist."""

from enum import StrEnum
from typing import Final


class Cost(StrEnum):
    """The three costs, the dearest last."""

    NONE = "none"
    ROUTE_UPDATE = "route update"
    SESSION_RESET = "session reset"


SETTING_COSTS: Final = {
    "local_asn": Cost.SESSION_RESET,
    "peer_asn": Cost.SESSION_RESET,
    "hold_time": Cost.SESSION_RESET,
    "keepalive": Cost.SESSION_RESET,
    "multihop": Cost.SESSION_RESET,
    "password": Cost.SESSION_RESET,
    "graceful_restart": Cost.SESSION_RESET,
    "connect_retry": Cost.NONE,
    "prefix_limit": Cost.NONE,
    "export": Cost.ROUTE_UPDATE,
}
"""The cost of changing each setting of a session.

Everything that is agreed in the OPEN, or belongs to the TCP connection, needs a new session; so do hold time and
keepalive, which a daemon takes from its configuration but applies from the next OPEN on. ``flatbgp plan`` and the
engine's diff both read this table, and the engine's contract suite holds it to the real daemons.
"""


_WORDS: Final = {"local_asn": "local ASN", "peer_asn": "peer ASN", "export": "route attributes"}


def words_of(setting: str) -> str:
    """Return how people call a setting of :data:`SETTING_COSTS`."""
    return _WORDS.get(setting, setting.replace("_", " "))


def dearest(costs: set[Cost]) -> Cost:
    """Return the cost of several changes together."""
    return max(costs, key=list(Cost).index, default=Cost.NONE)
