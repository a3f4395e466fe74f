"""What a fault test says about a gateway: who it is, that it stays, or that another node takes over in time.

The bounds are those of docs/failover.md, and two seconds for a machine that is busy with other tests. The figures
themselves come from the benchmark, which has the machine for itself.
"""

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.faultcluster import FaultCluster
from support.watch import Watch

BUSY = 2.0
"""Seconds that a machine with more work than cores may add to any bound."""

HOLDER_DEAD = {"default": 5.5, "fast": 2.5}
"""The Lease ends, the address is silent (ten probes, 0.4 s), a swap, and up to 0.1 s of chance."""

HOLDER_FROZEN = {"default": 7.4, "fast": 4.3}
"""The same, and 2 s of silence more when the kernel was late in taking the address off."""

LAN_LOST = 3.5
ENGINE_DEAD = 10.5
HANDED_OVER = 0.6

ESTABLISHED = {"3.10": 14.5, "4.8": 5.0}
"""Seconds from the address to sessions with both routers: gobgpd 3.10 first dials after 5 to 10 s."""


@dataclass(slots=True)
class Gateway:
    """Who holds an address when a test begins (``holder``), who else could (``other``), and its sessions then."""

    cluster: FaultCluster
    watch: Watch
    address: IPAddress
    holder: str
    other: str
    began: float
    sessions: Mapping[str, Hashable]

    def await_moved(self, seconds: float, to: str = "") -> None:
        """Wait until another node has the address, and nobody else."""
        wanted = to or self.other
        wait_until(
            f"{self.address} to move from {self.holder} to {wanted}",
            lambda: self.watch.lans.holders.of(self.address),
            lambda seen: seen == (wanted,),
            deadline=seconds + BUSY,
        )

    def await_gone(self, seconds: float) -> None:
        """Wait until nobody has the address."""
        wait_until(
            f"{self.address} to be on no node",
            lambda: self.watch.lans.holders.of(self.address),
            lambda seen: seen == (),
            deadline=seconds + BUSY,
        )

    def await_new_sessions(self, seconds: float | None = None) -> None:
        """Wait until every router that is looked at has a session from the address that is not the one it had."""
        deadline = ESTABLISHED[self.cluster.setup.gobgpd] if seconds is None else seconds
        for router in self.routers:
            self.await_new_session_at(router, deadline)

    def await_new_session_at(self, router: str, seconds: float) -> None:
        """Wait until one router has a session from the address that is not the one it had."""
        wait_until(
            f"{router} to have a new session with {self.address}",
            lambda: self.cluster.generation(router, self.address),
            lambda seen: seen is not None and seen != self.sessions[router],
            deadline=seconds + BUSY,
        )

    def await_fresh_routes(self, seconds: float) -> None:
        """Wait until every router has all routes from the address, none of them stale."""
        expected = {(prefix, self.address) for prefix in self.watch.tables.expected}
        for router in self.routers:
            view = self.cluster.view(router)
            try:
                wait_until(
                    f"{router} to have every route from {self.address}",
                    view.fresh,
                    lambda seen: expected <= seen,
                    deadline=seconds + BUSY,
                )
            finally:
                view.close()

    def await_taken_over(self, seconds: float) -> None:
        """Wait for address, sessions and routes."""
        self.await_moved(seconds)
        self.await_new_sessions()
        self.await_fresh_routes(DEFERRED)

    def assert_stayed(self) -> None:
        """Assert that the address did not move, and that no session was reset."""
        assert self.watch.changes(self.address, self.began) == [], "the address moved"
        self.assert_sessions_stayed()

    def assert_sessions_stayed(self) -> None:
        """Assert that no session of the address was reset."""
        now = {router: self.cluster.generation(router, self.address) for router in self.routers}
        assert now == {router: self.sessions[router] for router in self.routers}, "a session was reset"

    @property
    def routers(self) -> tuple[str, ...]:
        """The routers that this test looks at."""
        return tuple(each for each in self.cluster.router_names if each not in self.watch.tables.exempt)


DEFERRED = 4.0
"""Seconds until a new session has sent everything: the deferral of 3 s, and what the routes take."""


def gateway(watch: Watch, rack: str = "rack-1") -> Gateway:
    """Return the gateway of a rack of a whole cluster: who holds its first floating IP."""
    cluster = watch.cluster
    address = cluster.floating_ip(rack)
    holder = watch.holder(address)
    other = next((each for each in cluster.nodes_of(rack) if each != holder), "")
    sessions = {router: cluster.generation(router, address) for router in cluster.router_names}
    return Gateway(cluster, watch, address, holder, other, time.monotonic(), sessions)


def let_pass(seconds: float, watch: Watch) -> None:
    """Let time pass in which nothing is to happen; a violation ends it."""
    end = time.monotonic() + seconds
    wait_until(
        f"{seconds:g} s to pass",
        lambda: time.monotonic() >= end or watch.violations(),
        deadline=seconds + BUSY,
        interval=0.1,
    )


def reason(cluster: FaultCluster) -> str:
    """Return what the group's status says of the first rack's address."""
    address = cluster.floating_ip("rack-1")
    status = cluster.objects("networkgatewaygroups")["default"].get("status", {})
    found = (each for each in status.get("floatingIPs", []) if each["address"] == str(address))
    return next((str(each.get("reason", "")) for each in found), "")


def await_reason(cluster: FaultCluster, expected: str, seconds: float = 15.0) -> None:
    """Wait until the group's status says so of the first rack's address."""
    wait_until(
        f"the status of the first rack's address to be {expected}",
        lambda: reason(cluster),
        lambda seen: seen == expected,
        deadline=seconds,
        interval=0.2,
    )
