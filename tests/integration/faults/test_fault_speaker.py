"""A speaker that is killed, stopped, started twice or robbed of its address."""

import signal
import sys

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.capture import MessageType, start_capture
from support.faultcluster import FaultCluster
from support.setups import DEFAULT, IPV6, VERSIONS, on
from support.takeover import (
    HANDED_OVER,
    HOLDER_DEAD,
    HOLDER_FROZEN,
    await_reason,
    gateway,
    let_pass,
)
from support.watch import watching

STALL = 3.0
"""Seconds that a speaker may stall without losing its address (P3)."""

LONG = 30.0
"""Seconds of a stop that is much longer than a Lease."""

FOR_EVER = 10.0
"""Seconds of a stop that never ends, after the take-over: two Leases, three times what counts as LAN evidence."""

PUT_BACK = 0.5
"""Seconds until an address that somebody else took away is back."""

STEADY = 3.0


@on(*VERSIONS, IPV6, profiles=("default",))
def test_s25_a_killed_speaker_that_is_started_again_keeps_its_address_and_its_sessions(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.speaker(kept.holder).kill()
        cluster.start_speaker(kept.holder)

        wait_until("the new speaker to report", lambda: "address held" in cluster.said(kept.holder), deadline=10)
        let_pass(STEADY, watch)
        kept.assert_stayed()


@on(DEFAULT)
def test_a_speaker_that_is_killed_for_good_is_replaced(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_speak_on_in_ipv6(lost.holder)

        cluster.speaker(lost.holder).kill()

        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])


@on(DEFAULT, profiles=("default",))
def test_a_speaker_that_stalls_for_three_seconds_loses_nothing(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.speaker(kept.holder).signal(signal.SIGSTOP)
        let_pass(STALL, watch)
        cluster.speaker(kept.holder).signal(signal.SIGCONT)

        let_pass(STEADY, watch)
        kept.assert_stayed()


@on(DEFAULT)
def test_a_speaker_that_is_stopped_for_half_a_minute_is_replaced_and_disturbs_nothing_when_it_wakes(
    cluster: FaultCluster,
) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_speak_on_in_ipv6(lost.holder)

        cluster.speaker(lost.holder).signal(signal.SIGSTOP)
        lost.await_taken_over(HOLDER_FROZEN[cluster.setup.profile])
        successor = gateway(watch)
        let_pass(LONG - HOLDER_FROZEN[cluster.setup.profile], watch)
        cluster.speaker(lost.holder).signal(signal.SIGCONT)

        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(DEFAULT)
def test_p4_a_speaker_that_is_frozen_for_ever_is_replaced_once(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_speak_on_in_ipv6(lost.holder)
        frozen = cluster.speaker(lost.holder)

        frozen.signal(signal.SIGSTOP)
        lost.await_taken_over(HOLDER_FROZEN[cluster.setup.profile])
        successor = gateway(watch)
        let_pass(FOR_EVER, watch)
        frozen.kill()

        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(*VERSIONS, IPV6)
def test_an_orderly_stop_hands_the_address_over_without_a_word_to_the_router(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        left = gateway(watch)
        router = cluster.network.namespace("router-1")
        capture = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, "tcp port 179")

        assert cluster.speaker(left.holder).stop() == 0

        assert left.holder not in cluster.configured_on(left.address), "the address is off before the process ends"
        left.await_taken_over(HANDED_OVER)
        assert [each for each in capture.messages(MessageType.NOTIFICATION) if each.source == left.address] == []


@on(DEFAULT)
def test_all_speakers_are_restarted_in_turn(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        for node in cluster.nodes:
            assert cluster.speaker(node).stop() == 0
            cluster.start_speaker(node)
            wait_until(f"the speaker of {node} to work", lambda node=node: cluster.said(node), deadline=15)
            cluster.await_whole()
        assert watch.holder(cluster.floating_ip("rack-1"))


@on(DEFAULT, profiles=("default",))
def test_an_address_that_somebody_else_takes_off_is_back_at_once(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.drop_addresses(kept.holder)

        wait_until("the address to be back", lambda: watch.holder(kept.address) == kept.holder, deadline=5)
        gone, back = watch.changes(kept.address, kept.began)
        assert (gone.present, back.present) == (False, True)
        assert back.at - gone.at < PUT_BACK
        let_pass(STEADY, watch)
        kept.assert_sessions_stayed()


@on(DEFAULT)
def test_a_second_speaker_for_the_node_on_the_same_machine_says_so_and_ends(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        log = cluster.directory / "second.log"
        command = (sys.executable, "-m", "flatbgp.cli.main", "speaker", *cluster.speaker_options(kept.holder))
        second = cluster.sandbox.owns(cluster.nodes[kept.holder].start("second", *command, log=log))

        wait_until("the second speaker to end", lambda: not second.alive, deadline=15)

        assert "another speaker runs for node" in log.read_text()
        assert second.stop() == 1
        kept.assert_stayed()


@on(DEFAULT, profiles=("default",))
def test_a_second_speaker_for_the_node_on_another_machine_never_takes_what_the_first_one_holds(
    cluster: FaultCluster,
) -> None:
    cluster.spoiled = True  # its machine stays
    with watching(cluster) as watch:
        kept = gateway(watch)
        rack = next(node.rack for node in cluster.topology.nodes if node.name == kept.holder)
        double = cluster.add_machine("double", rack)
        options = cluster.speaker_options("double")
        command = [kept.holder if each == "double" else each for each in options]
        log = cluster.directory / "double.log"
        cluster.sandbox.owns(
            double.start("double", sys.executable, "-m", "flatbgp.cli.main", "speaker", *command, log=log)
        )

        wait_until("the second speaker to work", lambda: "address=" in log.read_text(), deadline=15)
        let_pass(2 * cluster.lease_seconds(), watch)

        assert "address held" not in log.read_text()
        kept.assert_stayed()


@on(*VERSIONS, IPV6)
def test_s24_s31_a_drained_node_hands_over_takes_nothing_back_and_has_its_turn_again(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        drained = gateway(watch)

        cluster.flatbgp("drain", drained.holder, "--store", cluster.stores.user)
        drained.await_taken_over(HANDED_OVER)
        cluster.flatbgp("undrain", drained.holder, "--store", cluster.stores.user)

        successor = gateway(watch)
        let_pass(STEADY, watch)
        successor.assert_stayed()
        await_reason(cluster, "Held")
        for process in cluster.processes(successor.holder):
            process.kill()
        successor.await_moved(HOLDER_DEAD[cluster.setup.profile], to=drained.holder)
