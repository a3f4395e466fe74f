"""What a node says it is about to have, before it has it."""

import pytest
from scripted import cluster, holder_of, others, sound
from simulated_faults import FAULTS
from simulated_node import Node
from simulation import World

from flatbgp.planning.gateway.timings import DEFAULT, FAST, MISSED_RENEWALS, PROBE_WINDOW, WAIT_CHANCE, Timings
from flatbgp.resources.ip import IPAddress


def expected(node: Node) -> tuple[IPAddress, float] | None:
    assert node.machine is not None
    return node.machine.expected


def has(node: Node, world: World) -> bool:
    return world.group[0] in node.addresses


def test_nothing_is_expected_while_all_is_well() -> None:
    world = cluster(nodes=3)
    for _ in range(40):
        world.run(0.25)
        assert [expected(node) for node in world.nodes] == [None] * 3


@pytest.mark.parametrize("timings", [DEFAULT, FAST])
def test_an_address_is_expected_once_two_renewals_are_missed_and_comes_when_it_was_said(timings: Timings) -> None:
    world = cluster(nodes=2, timings=timings)
    holder = holder_of(world)
    (heir,) = others(world, holder)
    FAULTS["power off"](world, holder, 60.0)
    died = world.clock.now
    world.run_until(lambda: expected(heir) is not None, 10.0)
    ahead = timings.lease - MISSED_RENEWALS * timings.renewal
    assert world.clock.now - died <= (MISSED_RENEWALS + 0.3) * timings.renewal
    said = expected(heir)
    assert said is not None
    address, at = said
    assert address == world.group[0]
    world.run_until(lambda: has(heir, world), 10.0)
    came = world.clock.now
    assert at <= came <= at + 0.3, "it comes when it was said, and never before"
    assert came - died >= ahead
    assert at - died <= timings.lease + PROBE_WINDOW + WAIT_CHANCE + 0.1
    world.run(1.0)
    assert expected(heir) is None, "what is there is expected no more"
    sound(world)


def test_nothing_is_expected_any_more_when_the_holder_is_back_in_time() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    (heir,) = others(world, holder)
    FAULTS["SIGSTOP"](world, holder, 3.0)
    world.run_until(lambda: expected(heir) is not None, 3.0)
    world.run(2.0)
    assert expected(heir) is None
    assert has(holder, world)
    sound(world)


def test_a_node_that_holds_an_address_prepares_for_no_other() -> None:
    """A second neighbour that does not come up would keep the first one's updates waiting (deferral time)."""
    world = cluster(nodes=2, addresses=2)
    first, second = world.nodes
    assert {holder_of(world, address) for address in world.group} == {first, second}
    FAULTS["power off"](world, first, 60.0)
    for _ in range(80):
        world.run(0.1)
        assert expected(second) is None
    assert second.addresses >= {*world.group}
    sound(world)


def test_an_address_that_somebody_answers_for_is_not_expected() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    (heir,) = others(world, holder)
    FAULTS["foreign host"](world, holder, 120.0)
    world.run_until(lambda: not has(holder, world), 60.0)
    world.run(2.0)
    for _ in range(20):
        world.run(0.5)
        assert (expected(heir), expected(holder)) == (None, None)
