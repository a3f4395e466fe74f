"""A store that is unreachable, full, empty or somebody else's. It alone moves nothing; it never makes two holders."""

from flatbgp.lab.waiting import wait_until
from support.faultcluster import FaultCluster
from support.joining import join
from support.setups import DEFAULT, VERSIONS, on
from support.takeover import (
    BUSY,
    HANDED_OVER,
    HOLDER_DEAD,
    LAN_LOST,
    await_reason,
    gateway,
    let_pass,
)
from support.watch import watching

OUTAGE = 60.0
LOCKED = 20.0
"""Four Leases."""

FULL = 15.0
EMPTY = 15.0
STEADY = 3.0

CONTESTED = 2.0
"""Seconds of silence that a claimant wants of an address that had answered it."""

UNHEARD = 1.5
"""Seconds for which two nodes that are cut off from each other may both have the address: one claims it after 2 s of
silence, the other lets go when it has heard nobody for 3 s, and neither knows what the store says."""

AWAKE = 6.0
"""Seconds until a watch that failed is tried again, after a long outage."""


@on(DEFAULT, profiles=("default",))
def test_s26_the_store_is_unreachable_for_the_holder_alone(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.cut_from_store(kept.holder)
        await_reason(cluster, "HeldByUnreachableNode", seconds=OUTAGE / 2)
        let_pass(OUTAGE, watch)
        cluster.rejoin_store(kept.holder)

        await_reason(cluster, "Held")
        join(cluster, kept)
        kept.assert_stayed()


@on(DEFAULT, profiles=("default",))
def test_the_store_is_unreachable_for_all(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        cluster.close_store()
        let_pass(OUTAGE, watch)
        cluster.open_store()

        join(cluster, kept)
        kept.assert_stayed()


@on(*VERSIONS, profiles=("default",))
def test_p3_the_store_is_locked_by_somebody(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        with cluster.locked_store():
            let_pass(LOCKED, watch)

        join(cluster, kept)
        kept.assert_stayed()


@on(DEFAULT, profiles=("default",))
def test_the_store_is_unreachable_for_all_and_the_holder_is_dead_as_well(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        cluster.close_store()
        let_pass(cluster.lease_seconds(), watch)
        cluster.power_off(lost.holder)
        lost.await_gone(cluster.lease_seconds())
        let_pass(cluster.lease_seconds() + STEADY, watch)
        assert watch.holder(lost.address) == "", "nobody can know that the Lease is free"
        cluster.open_store()

        lost.await_taken_over(AWAKE + HOLDER_DEAD["default"])


@on(DEFAULT, profiles=("default",))
def test_an_empty_store_takes_the_place_of_the_store(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        read_again = _times_read_again(cluster, kept.other)
        with cluster.emptied_store():
            let_pass(EMPTY, watch)
            assert set(cluster.objects("nodes")) == {"stranger"}
            assert not cluster.objects("leases"), "nothing is written to a store that is not ours"

        join(cluster, kept)
        kept.assert_stayed()
        wait_until(
            f"{kept.other} to read the store again",
            lambda: _times_read_again(cluster, kept.other) > read_again,
            deadline=AWAKE + BUSY,
        )
        assert cluster.speaker(kept.holder).stop() == 0
        kept.await_taken_over(HANDED_OVER)


def _times_read_again(cluster: FaultCluster, node: str) -> int:
    return cluster.said(node).count("the store can be read again")


@on(DEFAULT, profiles=("default",))
def test_the_disk_of_the_store_is_full(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)

        with cluster.full_disk():
            let_pass(FULL, watch)

        join(cluster, kept)
        kept.assert_stayed()


@on(DEFAULT)
def test_the_holder_is_cut_from_the_lan_but_not_from_the_store(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        cluster.cut_off(lost.holder)
        lost.await_taken_over(LAN_LOST)
        successor = gateway(watch)
        cluster.rejoin(lost.holder)

        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(DEFAULT)
def test_the_holder_is_cut_from_the_store_and_then_from_the_lan(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        watch.may_be_held_twice_for(UNHEARD)
        cluster.cut_from_store(lost.holder)
        let_pass(2 * cluster.lease_seconds(), watch)
        assert watch.changes(lost.address, lost.began) == []
        cluster.cut_off(lost.holder)
        lost.await_taken_over(LAN_LOST + CONTESTED)
        successor = gateway(watch)
        cluster.rejoin(lost.holder)
        cluster.rejoin_store(lost.holder)

        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(DEFAULT)
def test_the_holder_is_cut_from_the_lan_and_then_from_the_store(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_lose_pings_of(lost.holder)

        cluster.cut_off(lost.holder)
        let_pass(1.0, watch)
        cluster.cut_from_store(lost.holder)
        lost.await_taken_over(HOLDER_DEAD[cluster.setup.profile])
        successor = gateway(watch)
        cluster.rejoin_store(lost.holder)
        cluster.rejoin(lost.holder)

        let_pass(STEADY, watch)
        successor.assert_stayed()
