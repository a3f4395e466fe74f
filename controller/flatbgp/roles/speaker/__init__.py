"""The speaker: holds floating IPs on this node, and keeps the node's gobgpd at exactly the planned sessions and routes.

One loop for the addresses (:mod:`.gateway`), one for the daemon (:mod:`.daemon`), one that plans what the daemon should
have (:mod:`.sessions`), one that says what is seen of it (:mod:`.observer`). They share nothing but small values.
"""

from flatbgp.roles.speaker.process import run

__all__ = ["run"]
