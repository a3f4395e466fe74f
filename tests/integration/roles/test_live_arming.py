"""A neighbour is added before its address is there, since gobgpd dials only some time after it was told to."""

import asyncio
import signal
from ipaddress import ip_address

import pytest

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgp.adapter import GobgpEngine
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.binaries import gobgpd
from support.cluster import Cluster, example
from support.ping import start_ping
from support.sandbox import Sandbox

RACK_1 = ip_address("10.0.1.100")
PAIR = {"node-01": "node-03", "node-03": "node-01"}


def start(sandbox: Sandbox, version: str) -> Cluster:
    cluster = Cluster(sandbox, example("single-stack-ipv4"), gobgpd_binary=gobgpd(version))
    cluster.start()
    cluster.await_sessions()
    cluster.await_routes()
    return cluster


def has_address(cluster: Cluster, node: str) -> bool:
    return f" {RACK_1}/32 " in cluster.network.namespace(node).run("ip", "-o", "-4", "address", "show")


def neighbors(cluster: Cluster, node: str) -> set[IPAddress]:
    """Return what a node's gobgpd has as neighbours; nothing if it does not answer."""

    async def ask() -> set[IPAddress]:
        engine = GobgpEngine(f"unix://{cluster.api(node)}")
        try:
            return set(await engine.neighbors())
        except EngineError:
            return set()
        finally:
            await engine.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("version", ["3.10", "4.8"])
def test_the_next_holder_has_its_neighbours_before_it_has_the_address(sandbox: Sandbox, version: str) -> None:
    cluster = start(sandbox, version)
    dead = next(node for node in PAIR if has_address(cluster, node))
    heir, expected = PAIR[dead], cluster.routes()
    ping = start_ping(sandbox, cluster.network.namespace(heir), cluster.pods[heir][0], cluster.pods["node-02"][0])
    assert neighbors(cluster, heir) == set()

    cluster.power_off(dead)

    wait_until("neighbours", lambda: neighbors(cluster, heir), lambda seen: len(seen) == 2, deadline=15)
    assert not has_address(cluster, heir)
    wait_until("the address", lambda: has_address(cluster, heir), deadline=15)
    wait_until("the session", lambda: cluster.sessions()[RACK_1].established >= 2, deadline=20)
    assert cluster.routes() == expected
    assert ping.stop().lost == ()


def test_neighbours_that_were_added_in_vain_are_taken_away_and_nothing_moves(sandbox: Sandbox) -> None:
    """3.10 rests for so long that they are added as soon as the holder has missed two renewals."""
    cluster = start(sandbox, "3.10")
    holder = next(node for node in PAIR if has_address(cluster, node))
    heir = PAIR[holder]
    before = {router: cluster.sessions(router)[RACK_1].established for router in cluster.routers}

    cluster.speaker(holder).signal(signal.SIGSTOP)
    try:
        wait_until("neighbours", lambda: neighbors(cluster, heir), deadline=4)
    finally:
        cluster.speaker(holder).signal(signal.SIGCONT)

    wait_until("none", lambda: neighbors(cluster, heir) == set(), deadline=10)
    assert has_address(cluster, holder)
    assert not has_address(cluster, heir)
    assert {router: cluster.sessions(router)[RACK_1].established for router in cluster.routers} == before


def test_a_speaker_that_was_asked_to_stop_leaves_no_neighbour_in_its_daemon(sandbox: Sandbox) -> None:
    cluster = start(sandbox, "4.8")
    holder = next(node for node in PAIR if has_address(cluster, node))
    assert len(neighbors(cluster, holder)) == 2
    cluster.speaker(holder).signal(signal.SIGTERM)
    wait_until("its end", lambda: not cluster.speaker(holder).alive, deadline=5)
    assert neighbors(cluster, holder) == set()
