"""Two hosts with one address: who keeps it, who lets go, who is told."""

from functools import partial

from scripted import cluster, holder_of, message, others, reason, sound, taken_over
from simulated_faults import FAULTS
from simulated_run import SUBNETS
from simulation import Host, World

from flatbgp.planning.gateway.actions import Announce, Probe
from flatbgp.planning.gateway.status import AddressReason

LAPTOP = "02:00:00:00:99:99"


def laptop(world: World) -> Host:
    host = Host("laptop", LAPTOP, {world.group[0]})
    world.lan.hosts.append(host)
    return host


def test_s33_an_address_that_answers_is_never_claimed_and_the_status_names_the_mac() -> None:
    for version in (4, 6):
        subnet, floating = SUBNETS[version]
        world = World(1, 2, floating[:1], subnet)
        intruder = laptop(world)
        world.start()
        world.run(20.0)
        assert not world.moves
        for node in world.nodes:
            assert reason(node, world.group[0]) is AddressReason.ADDRESS_CONFLICT
            assert LAPTOP in message(node, world.group[0])
        assert world.store.leases[world.group[0]].content.probe == f"{LAPTOP} answers"
        world.lan.hosts.remove(intruder)
        assert world.run_until(partial(world.havers, world.group[0]), 4.0) >= 1.9
        world.run(5.0)
        sound(world)


def test_an_address_in_conflict_does_not_keep_a_speaker_from_claiming_others() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 2, floating[:3], subnet)
    laptop(world)
    world.start()
    world.run_until(lambda: all(world.holder(address) for address in world.group[1:]), 6.0)
    assert not world.havers(world.group[0])


def test_a_holder_defends_its_address_against_a_few_announcements() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    intruder = laptop(world)
    world.lan.hosts.remove(intruder)  # it announces, and then is gone
    intruder.segment = holder.segment
    before = sum(isinstance(action, Announce) for action in holder.done)
    for pause in (0.0, 1.0):
        world.run(pause)
        world.lan.announce(intruder, address)
    world.run(5.0)
    assert sum(isinstance(action, Announce) for action in holder.done) >= before + 2
    assert holder_of(world) is holder
    sound(world)


def test_the_fourth_conflict_within_ten_seconds_ends_a_hold_and_nobody_takes_the_address() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    intruder = laptop(world)
    world.lan.announce(intruder, address)
    world.run_until(lambda: not world.havers(address), 5.0)
    assert world.store.leases[address].content.holder == ""
    world.run(20.0)
    assert not world.havers(address)
    assert reason(holder, address) is AddressReason.ADDRESS_CONFLICT
    world.lan.hosts.remove(intruder)
    world.run(8.0)
    assert len(world.havers(address)) == 1
    sound(world)


def test_a_quiet_foreign_host_is_found_by_the_holders_own_probe() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    laptop(world)
    world.run(40.0)
    assert not world.havers(address)
    assert reason(holder, address) is AddressReason.ADDRESS_CONFLICT


def test_a_conflict_while_the_store_is_away_ends_the_hold_at_once() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    FAULTS["store refuses all"](world, holder, 60.0)
    world.run(10.0)
    laptop(world)
    assert world.run_until(lambda: not world.havers(address), 2.0) < 1.0


def test_a_probe_by_another_node_is_no_veto() -> None:
    """Two nodes that start together would veto each other, in the worst case for ever."""
    for seed in range(30):
        subnet, floating = SUBNETS[4]
        world = World(seed, 4, floating[:1], subnet, loss=0.3 if seed % 2 else 0.0)
        for node in world.nodes:
            world.clock.after(0.1, node.start)
        world.run_until(partial(world.havers, world.group[0]), 3.5)
        assert not world.violations


def test_a_holder_answers_a_claimants_probe_with_an_announcement() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    before = sum(isinstance(action, Announce) for action in holder.done)
    world.lan.probe(others(world, holder)[0], address)
    world.run(0.1)
    assert sum(isinstance(action, Announce) for action in holder.done) == before + 1


def test_a_frozen_holder_whose_address_is_still_there_is_waited_for() -> None:
    """A kernel that is late in taking the address off is probed until it did."""
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    holder.freeze()
    holder.expiry[address] = world.now + 9.0  # a kernel that is late beyond measure
    world.clock.at(world.now + 9.0, holder.drop, address)
    taken = taken_over(world, holder, 13.0)
    assert 10.9 <= taken <= 12.0
    sound_moves = [name for _, _, name in world.moves]
    assert sound_moves[-1] != holder.name
    assert not [violation for violation in world.violations if violation.law == "P1"]


def test_an_address_of_the_host_itself_is_neither_claimed_nor_taken_off() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 1, floating[:1], subnet)
    node = world.nodes[0]
    world.group = (node.own,)
    world.start()
    world.run(10.0)
    assert node.own in node.addresses
    assert reason(node, node.own) is AddressReason.ADDRESS_CONFLICT
    assert not any(isinstance(action, Probe) for action in node.done)
