"""A gateway dies and nobody can take over: its routes stay with the router beyond the hold time (RFC 8538)."""

from ipaddress import ip_address

import pytest

from flatbgp.lab import views
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.binaries import gobgpd
from support.cluster import Cluster, example
from support.ping import start_ping
from support.sandbox import Sandbox

RACK_1 = ip_address("10.0.1.100")
HOLD_SECONDS = 9


@pytest.mark.parametrize("version", ["3.10", "4.8"])
def test_p2_routes_outlive_the_hold_time_of_a_dead_gateway(sandbox: Sandbox, version: str) -> None:
    """One session a router, so that no other one can stand in for the one that dies."""
    timers = f"  sessions: 1\n  timers: {{holdTimeSeconds: {HOLD_SECONDS}, keepAliveTimeSeconds: 3}}"
    manifests = example("single-stack-ipv4").replace("  sessions: 2", timers)
    cluster = Cluster(sandbox, manifests, gobgpd_binary=gobgpd(version))
    cluster.start()
    vty = cluster.routers["router-1"].vty
    expected = cluster.expected_routes(Family.IPV4)
    wait_until("its routes", lambda: views.routes(vty, of=RACK_1), lambda seen: seen == expected, deadline=60)
    cluster.await_routes()
    source, target = (cluster.pods[node][0] for node in ("node-03", "node-02"))
    ping = start_ping(sandbox, cluster.network.namespace("node-03"), source, target)
    flushes = []

    for node in ("node-01", "node-03"):
        cluster.gobgpds[node].kill()
        cluster.speaker(node).kill()

    def expired() -> bool:
        if views.routes(vty, of=RACK_1) != expected:
            flushes.append(views.routes(vty, of=RACK_1))
        return not cluster.sessions()[RACK_1].up

    wait_until("the router's hold time to end", expired, deadline=HOLD_SECONDS + 10, interval=0.05)
    assert all(path.stale for path in views.paths(vty) if path.neighbor == RACK_1)
    assert flushes == []
    for node in ("node-01", "node-03"):
        cluster.start_gobgpd(node)
        cluster.start_speaker(node)
    wait_until("the session", lambda: not expired(), deadline=40, interval=0.05)
    wait_until(
        "fresh routes",
        lambda: not any(path.stale for path in views.paths(vty)) and not expired(),
        deadline=20,
    )
    assert flushes == []
    assert ping.stop().lost == ()
