"""P3: what moves no address (with the default timings)."""

from collections.abc import Callable

import pytest
from scripted import cluster, holder_of, others, reason, sound
from simulated_faults import FAULTS
from simulated_node import Node
from simulation import World

from flatbgp.planning.gateway.status import AddressReason


def both_restart(world: World, node: Node, seconds: float) -> None:
    FAULTS["kill"](world, node, seconds)
    FAULTS["gobgpd frozen"](world, node, seconds)


HARMLESS: list[tuple[str, Callable[[World, Node, float], None], float]] = [
    ("the store refuses all", FAULTS["store refuses all"], 60.0),
    ("the store hangs for all", FAULTS["store hangs for all"], 60.0),
    ("the store refuses the holder", FAULTS["store refuses the node"], 60.0),
    ("the store hangs for the holder", FAULTS["store hangs for the node"], 60.0),
    ("the store is another one", FAULTS["store replaced"], 30.0),
    ("the store is slow", FAULTS["store slow"], 30.0),
    ("answers of the store are lost", FAULTS["answers lost"], 30.0),
    ("Leases are annotated", FAULTS["Leases annotated"], 20.0),
    ("the router is dead", FAULTS["router dies"], 60.0),
    ("the speaker restarts", FAULTS["kill"], 1.5),
    ("gobgpd restarts", FAULTS["gobgpd frozen"], 1.5),
    ("both restart", both_restart, 1.5),
    ("gobgpd stalls", FAULTS["gobgpd frozen"], 8.5),
    ("the speaker stalls", FAULTS["SIGSTOP"], 3.0),
    ("the machine stalls", FAULTS["suspend"], 3.0),
    ("the LAN is gone for a moment", FAULTS["LAN cut"], 2.0),
    ("the cable is out for a moment", FAULTS["cable pulled"], 2.0),
    ("the address is snatched", FAULTS["address snatched"], 0.0),
    ("nothing but loss", lambda _world, _node, _seconds: None, 60.0),
]


@pytest.mark.parametrize("loss", [0.0, 0.3], ids=["no loss", "30 % lost"])
@pytest.mark.parametrize(("what", "fault", "seconds"), HARMLESS, ids=[name for name, _, _ in HARMLESS])
def test_s36_the_address_stays_where_it_is(
    what: str, fault: Callable[[World, Node, float], None], seconds: float, loss: float
) -> None:
    for seed in range(4):
        world = cluster(seed=seed, loss=loss, version=6 if seed == 3 else 4)
        holder, places = holder_of(world), {name for _, _, name in world.moves}
        fault(world, holder, seconds)
        world.run(seconds + 15.0)
        assert {name for _, _, name in world.moves} == places, what
        assert holder_of(world) is holder
        sound(world)


def test_s36_an_outage_of_ten_minutes_changes_nothing_and_is_told() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    FAULTS["store refuses all"](world, holder, 600.0)
    world.run(300.0)
    assert reason(holder, address) is AddressReason.STORE_UNREACHABLE
    world.run(320.0)
    assert reason(holder, address) is AddressReason.HELD
    assert len(world.moves) == 1
    sound(world)


def test_a_holder_cut_off_from_the_store_is_named_by_those_who_would_claim() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    (other,) = others(world, holder)
    FAULTS["store hangs for the node"](world, holder, 60.0)
    world.run(30.0)
    assert reason(other, address) is AddressReason.HELD_BY_UNREACHABLE_NODE
    record = world.store.leases[address]
    assert record.content.holder == holder.name
    assert record.content.probe == f"{holder.mac} answers"
    world.run(40.0)
    assert len(world.moves) == 1
    assert world.store.leases[address].content.probe == ""
    sound(world)


def test_nothing_is_written_into_a_store_that_is_not_the_one_that_was_learned() -> None:
    world = cluster(nodes=2, addresses=2)
    FAULTS["store replaced"](world, holder_of(world), 60.0)
    world.run(1.0)
    writes, done = world.store.writes, [len(node.done) for node in world.nodes]
    world.run(50.0)
    assert world.store.writes == writes
    requests = [
        action
        for node, count in zip(world.nodes, done, strict=True)
        for action in node.done[count:]
        if type(action).__name__ in {"SwapLease", "DeleteLease", "ReadLease"}
    ]
    assert not requests
    assert reason(holder_of(world), world.group[0]) is AddressReason.STORE_REPLACED


def test_a_speaker_that_restarts_while_the_store_is_away_keeps_its_address() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    FAULTS["store refuses all"](world, holder, 60.0)
    world.run(10.0)
    FAULTS["kill"](world, holder, 1.0)
    world.run(20.0)
    assert holder_of(world) is holder
    world.run(50.0)
    assert len(world.moves) == 1
    sound(world)


def test_s31_a_former_holder_that_comes_back_gets_nothing_by_that() -> None:
    world = cluster()
    former = holder_of(world)
    FAULTS["power off"](world, former, 10.0)
    world.run(9.0)
    now = holder_of(world)
    world.run(40.0)
    assert holder_of(world) is now is not former
    assert len(world.moves) == 2
    sound(world)
