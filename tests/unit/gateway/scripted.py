"""Worlds for scripted faults, and questions about them."""

from __future__ import annotations

from simulated_node import Node
from simulated_run import SUBNETS, Watch, check_rest, settled
from simulation import World

from flatbgp.planning.gateway.events import GroupSeen
from flatbgp.planning.gateway.status import AddressReason
from flatbgp.planning.gateway.timings import DEFAULT, Timings
from flatbgp.resources.ip import IPAddress


def cluster(
    *,
    seed: int = 1,
    nodes: int = 3,
    addresses: int = 1,
    version: int = 4,
    timings: Timings = DEFAULT,
    loss: float = 0.0,
) -> World:
    """Return a world that has come to rest, every address with its holder, watched for P1 and P4."""
    subnet, floating = SUBNETS[version]
    world = World(seed, nodes, floating[:addresses], subnet, timings=timings, loss=loss)
    world.trace = []
    world.start()
    settled(world)
    world.clock.after(0.25, Watch(world).look)
    world.run(world.rng.random())
    return world


def holder_of(world: World, address: IPAddress | None = None) -> Node:
    """Return the node that holds an address (the first)."""
    holder = world.holder(address if address is not None else world.group[0])
    assert holder is not None
    return holder


def others(world: World, node: Node) -> list[Node]:
    """Return the other nodes."""
    return [each for each in world.nodes if each is not node]


def taken_over(world: World, from_: Node, limit: float, address: IPAddress | None = None) -> float:
    """Return how long it takes until another node has the address; fail after ``limit``."""
    wanted = address if address is not None else world.group[0]
    return world.run_until(lambda: any(wanted in node.addresses for node in others(world, from_)), limit)


def change_group(world: World, addresses: tuple[IPAddress, ...]) -> None:
    """Edit the NetworkGatewayGroup."""
    world.group = addresses
    for node in world.nodes:
        if node.machine is not None:
            node.tell(GroupSeen(addresses))


def reason(node: Node, address: IPAddress) -> AddressReason:
    """Return how it is with an address on a node."""
    assert node.machine is not None
    return node.machine.statuses[address].reason


def message(node: Node, address: IPAddress) -> str:
    """Return the sentence about an address on a node."""
    assert node.machine is not None
    return node.machine.statuses[address].message


def sound(world: World) -> None:
    """Check that nothing was violated, and (P5) that nothing of the fault is left."""
    assert not world.violations, [*map(str, world.violations), *(world.trace or [])[-60:]]
    check_rest(world)
    assert not world.violations, list(map(str, world.violations))
