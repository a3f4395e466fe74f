"""Addresses spread over nodes, and go to the side of a split LAN that has the router; nothing else moves them."""

from scripted import cluster, holder_of, others, sound
from simulated_faults import FAULTS
from simulation import World


def crowded(*, graceful_restart: bool = True) -> World:
    """Return a world in which one of two nodes has both addresses, and the other has just come back."""
    world = cluster(nodes=2, addresses=2)
    world.graceful_restart = graceful_restart
    away = holder_of(world)
    FAULTS["power off"](world, away, 10.0)
    world.run(15.0)
    (stays,) = others(world, away)
    assert all(holder_of(world, address) is stays for address in world.group)
    return world


def test_s30a_an_idle_node_gets_the_last_of_two_addresses_after_a_minute() -> None:
    world = crowded()
    began = world.now
    world.run_until(lambda: len({holder_of(world, a).name for a in world.group if world.holder(a)}) == 2, 75.0, 0.1)
    assert 50.0 <= world.now - began <= 70.0
    assert world.moves[-1][1] == world.group[-1]
    world.run(90.0)
    assert len(world.moves) == 4
    sound(world)


def test_addresses_do_not_spread_where_a_router_would_drop_routes() -> None:
    world = crowded(graceful_restart=False)
    world.run(150.0)
    assert len({holder_of(world, address).name for address in world.group}) == 1


def test_spreading_stops_when_every_node_has_one() -> None:
    world = cluster(nodes=3, addresses=4)
    world.run(400.0)
    counts = sorted(sum(holder_of(world, address) is node for address in world.group) for node in world.nodes)
    assert counts in ([1, 1, 2], [0, 2, 2], [0, 1, 3]) or counts[0] >= 1
    assert counts[0] == 1
    before = len(world.moves)
    world.run(200.0)
    assert len(world.moves) == before
    sound(world)


def test_s26a_in_a_split_lan_the_side_with_the_router_gets_the_address() -> None:
    world = cluster(nodes=4)
    holder = holder_of(world)
    companion = others(world, holder)[0]
    for node in (holder, companion):
        node.segment = 1
    seconds = world.run_until(lambda: bool(world.holder(world.group[0])) and holder_of(world).segment == 0, 15.0)
    assert seconds < 10.0
    world.run(30.0)
    assert holder_of(world).segment == 0
    moves = len(world.moves)
    for node in (holder, companion):
        node.segment = 0
    world.joined("the LAN was whole again")
    world.run(20.0)
    assert len(world.moves) == moves
    sound(world)


def test_a_wish_that_is_no_longer_true_is_taken_back() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    (other,) = others(world, holder)
    world.store.edit(world.group[0], wanted_by=other.name)
    world.run(3.0)
    assert world.store.leases[world.group[0]].content.wanted_by == ""
    assert holder_of(world) is holder
    sound(world)
