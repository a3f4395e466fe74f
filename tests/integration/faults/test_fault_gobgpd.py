"""A gobgpd that is killed, stopped, told to end, restarted everywhere, or replaced by another version."""

import signal

import pytest

from support.binaries import gobgpd
from support.faultcluster import FaultCluster
from support.joining import join
from support.setups import DEFAULT, IPV6, VERSIONS, Setup, on
from support.takeover import (
    ENGINE_DEAD,
    HOLDER_FROZEN,
    gateway,
    let_pass,
)
from support.watch import watching

BACK = 25.0
"""Seconds until the sessions of a restarted gobgpd are up: 3.10 first dials after 5 to 10 s."""

STEADY = 3.0

FOR_EVER = 15.0
"""Seconds in which a node would claim an address again, had it not noticed that its gobgpd answers no more: it is given
up after 10 s."""


@on(*VERSIONS, IPV6, profiles=("default",))
def test_s38_a_killed_gobgpd_gets_all_routes_before_its_first_session(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.gobgpds[kept.holder].kill()
        cluster.start_gobgpd(kept.holder)

        kept.await_new_sessions(BACK)
        kept.await_fresh_routes(BACK)
        assert watch.changes(kept.address, kept.began) == [], "a restart of gobgpd moves nothing"


@on(DEFAULT)
def test_a_gobgpd_that_is_killed_for_good_costs_its_node_the_address(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)

        cluster.gobgpds[lost.holder].kill()

        lost.await_taken_over(ENGINE_DEAD)


@on(DEFAULT)
def test_p4_a_gobgpd_that_is_frozen_for_ever_costs_its_node_the_address_once(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        frozen = cluster.gobgpds[lost.holder]

        frozen.signal(signal.SIGSTOP)
        lost.await_taken_over(ENGINE_DEAD)
        successor = gateway(watch)
        let_pass(FOR_EVER, watch)
        frozen.kill()

        let_pass(STEADY, watch)
        successor.assert_stayed()


@pytest.mark.parametrize("frozen", ["speaker", "gobgpd"])
@on(DEFAULT)
def test_p4_a_frozen_process_loses_the_address_and_disturbs_nothing_when_it_wakes(
    cluster: FaultCluster, frozen: str
) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        process = cluster.speaker(lost.holder) if frozen == "speaker" else cluster.gobgpds[lost.holder]
        if frozen == "speaker":
            watch.may_speak_on_in_ipv6(lost.holder)

        process.signal(signal.SIGSTOP)
        lost.await_taken_over(HOLDER_FROZEN[cluster.setup.profile] if frozen == "speaker" else ENGINE_DEAD)
        successor = gateway(watch)
        process.signal(signal.SIGCONT)

        # A node that joins now reaches the routers through the new holder, and the old one has had its time to wake.
        join(cluster, successor)
        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(*VERSIONS, profiles=("default",))
def test_s36a_a_gobgpd_that_is_told_to_end_costs_no_route(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        # It sends a Cease (4.8), so only the other gateway's sessions keep them.
        watch.may_drop_routes_from(kept.address)

        cluster.gobgpds[kept.holder].stop()
        cluster.start_gobgpd(kept.holder)

        kept.await_new_sessions(BACK)
        kept.await_fresh_routes(BACK)
        assert watch.changes(kept.address, kept.began) == []


@on(DEFAULT, profiles=("default",))
def test_all_gobgpds_are_restarted_in_turn(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        for node in cluster.nodes:
            cluster.gobgpds[node].kill()
            cluster.start_gobgpd(node)
            cluster.await_whole()
        assert watch.moved() == []


@on(Setup(gobgpd="3.10"), routers=("frr",), profiles=("default",))
def test_s43_gobgpd_changes_its_version_under_traffic(cluster: FaultCluster) -> None:
    cluster.spoiled = True
    with watching(cluster) as watch:
        for binary in (gobgpd("4.8"), gobgpd("3.10")):
            for node in cluster.nodes:
                cluster.gobgpds[node].kill()
                cluster.run_gobgpd(node, binary)
                cluster.await_whole()
        assert watch.moved() == []
