"""Controller and admin: they may be killed, stopped or ended, and nothing is heard of it on the wire."""

import signal

import pytest

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from support.capture import MessageType, start_capture
from support.faultcluster import FaultCluster
from support.joining import join
from support.setups import DEFAULT, VERSIONS, on
from support.takeover import HANDED_OVER, gateway, let_pass
from support.watch import watching

AWAY = 7.0
"""Longer than a leader's Lease."""


@on(*VERSIONS, profiles=("default",))
def test_s37_a_restarted_controller_and_admin_say_nothing_on_the_wire(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        router = cluster.network.namespace("router-1")
        capture = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, "tcp port 179")

        for role in ("controller", "admin"):
            cluster.roles[role].kill()
        cluster.start_controller()
        cluster.start_admin()

        join(cluster, kept)
        assert capture.messages(MessageType.NOTIFICATION, MessageType.OPEN) == []
        kept.assert_stayed()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM], ids=lambda each: each.name)
@on(DEFAULT, routers=("frr",))
def test_a_failover_needs_neither_controller_nor_admin(cluster: FaultCluster, number: signal.Signals) -> None:
    with watching(cluster) as watch:
        left = gateway(watch)
        for role in ("controller", "admin"):
            cluster.roles[role].signal(number)
        let_pass(AWAY, watch)
        assert watch.changes(left.address, left.began) == []

        cluster.speaker(left.holder).stop()

        left.await_taken_over(HANDED_OVER)
        for role in ("controller", "admin"):
            cluster.roles[role].signal(signal.SIGCONT)
        cluster.heal()
        join(cluster, gateway(watch))
