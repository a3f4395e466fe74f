"""Sessions as routers count them and as BGPSessions describe them."""

from collections.abc import Mapping

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.cluster import Cluster

BACK = 15.0
"""Seconds until a session is Established after what kept it down is gone."""


def established(cluster: Cluster, router: str) -> dict[IPAddress, int]:
    """Return how often each session of a router came up."""
    return {address: each.established for address, each in cluster.sessions(router).items()}


def await_up(cluster: Cluster, router: str, before: Mapping[IPAddress, int]) -> None:
    """Wait until every session of a router is up, each for one more time at least."""
    wait_until(
        f"new sessions of {router}",
        lambda: cluster.sessions(router),
        lambda seen: all(each.up and each.established > before[address] for address, each in seen.items()),
        deadline=BACK,
    )


def await_reason(cluster: Cluster, reason: str, peer_ip: str, deadline: float = 30) -> str:
    """Wait until both BGPSessions of a router say why they are not Established; return the sentence of one."""
    names = [f"{peer_ip}-node-01", f"{peer_ip}-node-02", f"{peer_ip}-node-03"]

    def statuses() -> list[tuple[str, str, str]]:
        found = cluster.objects("bgpsessions")
        status = [found[name].get("status", {}) for name in names if name in found]
        return [(each.get("state", ""), each.get("reason", ""), each.get("message", "")) for each in status]

    seen = wait_until(
        f"both sessions with {peer_ip} to say {reason}",
        statuses,
        lambda seen: len(seen) == 2 and {each[:2] for each in seen} == {("NotEstablished", reason)},
        deadline=deadline,
        interval=0.3,
    )
    return seen[0][2]
