"""A LAN that is split, loses packets, or has a stranger on it who uses a floating IP."""

from flatbgp.lab.waiting import wait_until
from support.announcing import announce_address
from support.faultcluster import FaultCluster
from support.objects import node as node_manifest
from support.setups import DEFAULT, IPV6, on
from support.takeover import BUSY, HOLDER_DEAD, await_reason, gateway, let_pass
from support.watch import watching

SPLIT = 12.0
"""Seconds until the half without the router hands over: a router heard for 5 s here and not there, and the wish."""

LOSSY = 25.0
LOSS = 30
"""Per cent of all frames."""

FOUGHT = 5.0
"""Seconds until a holder gives up an address that a stranger uses: four conflicts at least 0.5 s apart, and probes."""

SILENT = 2.0
"""Seconds of silence after which an address that had answered is free."""

JOINED = 15.0
REFUSED = 8.0
STEADY = 3.0


@on(DEFAULT)
def test_s26a_a_split_lan_whose_halves_both_reach_the_store_has_one_holder_beside_the_router(
    cluster: FaultCluster,
) -> None:
    cluster.spoiled = True  # the node that joins stays
    rack = cluster.topology.racks[0].name
    third = cluster.topology.spare_node("third", rack)
    cluster.add_machine("third", rack)
    cluster.apply(node_manifest("third", *(str(each.ip) for each in third.addresses)))
    wait_until("its pod CIDR", lambda: cluster.pod_cidrs().get("third"), deadline=JOINED)
    cluster.await_whole()
    with watching(cluster) as watch:
        away = gateway(watch)
        watch.may_lose_pings_of(away.holder)

        cluster.cut_off(away.holder, "third")
        away.await_moved(SPLIT)
        away.await_new_sessions()
        successor = gateway(watch)
        let_pass(STEADY, watch)
        cluster.rejoin(away.holder, "third")

        let_pass(STEADY, watch)
        successor.assert_stayed()


@on(DEFAULT, profiles=("default",))
def test_p3_a_lan_that_loses_a_third_of_its_packets_moves_nothing(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        kept = gateway(watch)
        for node in cluster.nodes:
            watch.may_lose_pings_of(node)

        with cluster.losing("rack-1", LOSS):
            let_pass(LOSSY, watch)

        assert watch.changes(kept.address, kept.began) == []


@on(DEFAULT, IPV6)
def test_s33_an_address_that_a_stranger_uses_is_not_claimed_before_the_stranger_is_gone(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        watch.may_be_answered_by_strangers()
        for process in cluster.processes(lost.holder):
            process.kill()
        cluster.add_guest("rack-1", lost.address, announce=False)
        lost.await_gone(cluster.lease_seconds())

        await_reason(cluster, "HeldByUnreachableNode")
        let_pass(REFUSED, watch)
        assert watch.lans.holders.of(lost.address) == ()
        cluster.remove_guests()

        lost.await_taken_over(SILENT + 1.0)
        await_reason(cluster, "Held")


@on(DEFAULT, IPV6)
def test_s33_a_holder_gives_way_to_a_stranger_who_uses_its_address_and_claims_it_again_afterwards(
    cluster: FaultCluster,
) -> None:
    with watching(cluster) as watch:
        before = gateway(watch)
        watch.may_be_answered_by_strangers()

        stranger = cluster.add_guest("rack-1", before.address, announce=True)

        def given_way() -> bool:
            announce_address(stranger, before.address)
            return watch.lans.holders.of(before.address) == ()

        wait_until("the holder to give way", given_way, deadline=2 * FOUGHT + BUSY)
        await_reason(cluster, "AddressConflict")
        cluster.remove_guests()

        wait_until("a node to claim it", lambda: watch.holder(before.address), deadline=HOLDER_DEAD["default"] + SILENT)
        before.await_new_sessions()
        await_reason(cluster, "Held")
