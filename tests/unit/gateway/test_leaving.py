"""P2: a move says nothing to the routers, a removal tells them all; each in its order."""

from scripted import change_group, cluster, holder_of, others, sound, taken_over
from simulated_faults import FAULTS
from simulated_node import Node

from flatbgp.planning.gateway.actions import (
    Action,
    AddressLost,
    DeleteLease,
    Departure,
    RemoveAddress,
    SwapLease,
    WithdrawSessions,
)
from flatbgp.planning.gateway.events import NodeSeen


def steps(node: Node, since: int) -> list[Action]:
    """Return what the node did about leaving, in order."""
    wanted = (RemoveAddress, AddressLost, WithdrawSessions, DeleteLease)
    return [
        action
        for action in node.done[since:]
        if isinstance(action, wanted) or (isinstance(action, SwapLease) and not action.content.holder)
    ]


def test_a_move_takes_the_address_off_then_frees_the_lease_then_ends_the_sessions() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    since = len(holder.done)
    FAULTS["drain"](world, holder, 20.0)
    world.run(5.0)
    done = steps(holder, since)
    assert [type(action) for action in done] == [RemoveAddress, SwapLease, AddressLost]
    assert isinstance(done[2], AddressLost)
    assert done[2].departure is Departure.MOVE
    sound(world)


def test_s34_a_removal_withdraws_first_and_deletes_the_lease() -> None:
    world = cluster(nodes=3, addresses=2)
    gone, kept = world.group
    holder, keeper = holder_of(world, gone), holder_of(world, kept)
    since = len(holder.done)
    change_group(world, (kept,))
    world.run(3.0)
    done = [action for action in steps(holder, since) if getattr(action, "address", gone) == gone]
    assert [type(action) for action in done] == [WithdrawSessions, RemoveAddress, DeleteLease, AddressLost]
    assert isinstance(done[3], AddressLost)
    assert done[3].departure is Departure.REMOVAL
    assert gone not in world.store.leases
    assert not world.havers(gone)
    assert holder_of(world, kept) is keeper
    sound(world)


def test_a_removal_does_not_wait_for_ever_for_a_frozen_gobgpd() -> None:
    world = cluster(nodes=2)
    gone, holder = world.group[0], holder_of(world)
    holder.engine = False
    change_group(world, ())
    world.run(4.0)
    assert not world.havers(gone)
    assert gone not in world.store.leases


def test_an_address_that_is_listed_again_is_claimed_again() -> None:
    world = cluster(nodes=2)
    group = world.group
    change_group(world, ())
    world.run(3.0)
    change_group(world, group)
    world.run(8.0)
    sound(world)


def test_the_lease_of_an_unlisted_address_that_a_dead_node_held_is_deleted() -> None:
    world = cluster(nodes=2, addresses=2)
    gone, kept = world.group
    FAULTS["power off"](world, holder_of(world, gone), 60.0)
    change_group(world, (kept,))
    world.run(30.0)
    assert gone not in world.store.leases


def test_a_speaker_is_done_within_two_seconds_of_sigterm() -> None:
    for fault in ("nothing", "store hangs for all", "store refuses all", "gobgpd frozen", "LAN cut"):
        for seed in range(5):
            world = cluster(seed=seed, nodes=2, addresses=3)
            holder = holder_of(world)
            if fault in FAULTS:
                FAULTS[fault](world, holder, 30.0)
                world.run(world.rng.random() * 3)
            asked = world.now
            holder.stop()
            world.run(2.0)
            assert holder.finished_at is not None, fault
            assert holder.finished_at - asked <= 1.9, fault
            assert holder.addresses == {holder.own}, fault
            assert not world.violations


def test_sigterm_while_a_claim_is_at_the_store_leaves_no_lease_behind() -> None:
    for seed in range(20):
        world = cluster(seed=seed, nodes=2)
        holder = holder_of(world)
        (other,) = others(world, holder)
        other.link.delay = (0.3, 0.4)
        FAULTS["drain"](world, holder, 30.0)
        world.run(0.5 + 0.5 * world.rng.random())
        other.stop()
        world.run(2.0)
        assert other.finished_at is not None
        assert world.store.leases[world.group[0]].content.holder != other.name
        assert other.addresses == {other.own}


def test_a_node_whose_object_is_deleted_hands_its_address_over() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    holder.exists = False
    holder.tell(NodeSeen(exists=False))
    assert taken_over(world, holder, 1.0) < 0.8
    holder.exists = True
    holder.tell(NodeSeen(exists=True, addresses=(holder.own,)))
    world.run(2.0)
    sound(world)


def test_s32_with_all_nodes_drained_nobody_holds_the_address_and_it_comes_back() -> None:
    world = cluster(nodes=2)
    for node in world.nodes:
        FAULTS["drain"](world, node, 20.0)
    world.run(10.0)
    assert not world.havers(world.group[0])
    assert world.store.leases[world.group[0]].content.holder == ""
    world.run(15.0)
    sound(world)


def test_a_lease_that_a_person_takes_away_is_believed_only_after_asking_the_store() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    world.store.edit(world.group[0], holder="somebody-else", instance="x")
    world.run(0.3)
    assert world.group[0] not in holder.addresses
    world.run(10.0)
    sound(world)


def test_a_deleted_lease_is_made_again_by_its_holder() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    del world.store.leases[world.group[0]]
    for node in world.nodes:
        node.watched(world.group[0], None)
    world.run(5.0)
    assert world.store.leases[world.group[0]].content.holder == holder.name
    assert len(world.moves) == 1
    sound(world)
