"""A router that restarts, dies or moves; and one that is dead while a gateway fails."""

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.announcing import announce_address
from support.faultcluster import FaultCluster
from support.objects import peer
from support.setups import DEFAULT, Setup, on
from support.takeover import (
    BUSY,
    DEFERRED,
    HOLDER_DEAD,
    gateway,
    let_pass,
)
from support.watch import watching

RESTARTED = 20.0
"""Seconds until the sessions of a restarted bgpd are up again: both sides try every 5 s."""

REPLACED = 20
"""Pings of a hundred a second that FRR loses by replacing the routes that it kept (measured: 2 to 4)."""

HOLD_TIME = 30.0
DEAD = 15.0
"""Three Leases."""

GAP = 6.0
"""Seconds without the routes of an address whose router does no graceful restart: its new session, and the deferral."""


@on(DEFAULT, routers=("frr",))
def test_a_bgpd_that_restarts_gracefully_costs_no_address_and_hardly_a_ping(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        watch.may_miss_routes_for("router-1", RESTARTED)
        watch.may_lose_pings(REPLACED)

        cluster.restart_bgpd("router-1")

        kept.await_new_session_at("router-1", RESTARTED)
        kept.await_fresh_routes(DEFERRED)
        assert watch.moved() == []


@on(DEFAULT, routers=("frr",))
def test_a_bgpd_that_restarts_without_graceful_restart_moves_no_address(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        watch.may_miss_routes_for("router-1", RESTARTED)
        for node in cluster.nodes:
            watch.may_lose_pings_of(node)  # the router itself forgets its routes

        cluster.restart_bgpd("router-1", graceful=False)

        kept.await_new_session_at("router-1", RESTARTED)
        kept.await_fresh_routes(DEFERRED)
        assert watch.moved() == []


@on(DEFAULT, profiles=("default",))
def test_a_router_that_is_dead_alone_moves_nothing(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        watch.may_miss_routes("router-1")
        for node in cluster.nodes:
            watch.may_lose_pings_of(node)

        cluster.kill_router("router-1")
        let_pass(DEAD, watch)

        assert watch.moved() == []
        assert watch.holder(kept.address) == kept.holder


@on(DEFAULT)
def test_a_router_whose_address_moves_to_another_machine_gets_its_sessions_there(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        for node in cluster.nodes:
            watch.may_lose_pings_of(node)
        router = cluster.network.namespace("router-1")

        cluster.change_mac("router-1", ROUTER_RACK_INTERFACE)
        for each in cluster.topology.routers[0].addresses:
            announce_address(router, each.ip, ROUTER_RACK_INTERFACE)

        let_pass(HOLD_TIME / 2, watch)
        assert watch.moved() == []
        kept.assert_sessions_stayed()


@on(DEFAULT, Setup(router="bird"))
def test_s30b_a_router_that_is_dead_during_a_take_over_holds_up_no_routes_of_the_other(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)
        watch.may_miss_routes("router-2")
        cluster.kill_bgp("router-2")

        cluster.power_off(lost.holder)

        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])


@on(DEFAULT, routers=("frr",))
def test_s23_s62_a_router_without_graceful_restart_gets_its_routes_at_once_and_keeps_no_stale_one(
    cluster: FaultCluster,
) -> None:
    cluster.spoiled = True
    cluster.apply(peer("bgppeer1", str(cluster.peers[0]), gracefulRestart={"enabled": False}), admin=True)
    wait_until(
        "router-1 to be told nothing of graceful restart",
        lambda: _restart_mode(cluster),
        lambda seen: seen == {"Disable"},
        deadline=20,
        interval=0.2,
    )
    cluster.await_whole()
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)
        watch.may_miss_routes_for("router-1", GAP + BUSY)
        cluster.kill_bgp("router-2")
        watch.may_miss_routes("router-2")

        cluster.power_off(lost.holder)

        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])


def _restart_mode(cluster: FaultCluster) -> set[str]:
    """Return how router-1's neighbours do graceful restart, in its own words."""
    document = cluster.routers["router-1"].vty.json("show bgp neighbors json")
    infos = (document[str(address)]["gracefulRestartInfo"] for address in cluster.floating_ips)
    return {str(info.get("remoteGrMode")) for info in infos}
