"""What a speaker does about what it finds: adopt, take off, wait."""

import random
from ipaddress import ip_address, ip_interface

import pytest
from scripted import change_group, cluster, holder_of, others, reason, sound, taken_over
from simulated_faults import FAULTS
from simulated_run import SUBNETS
from simulation import World

from flatbgp.planning.gateway.actions import RemoveAddress, WatchEverything
from flatbgp.planning.gateway.events import GroupSeen, HostAddress, Interface, InterfacesSeen, NodeSeen
from flatbgp.planning.gateway.machine import Gateway
from flatbgp.planning.gateway.status import AddressReason
from flatbgp.planning.gateway.timings import DEFAULT


def test_s25_a_killed_speaker_adopts_its_address_at_once_and_never_loses_it() -> None:
    for seed in range(10):
        world = cluster(seed=seed, nodes=2)
        holder = holder_of(world)
        holder.engine = False  # gobgpd is down as well: adoption needs neither it nor the lists
        FAULTS["kill"](world, holder, 1.4)
        world.run(1.6)
        assert holder.machine is not None
        assert set(holder.machine.held) == set(world.group)
        holder.engine = True
        world.run(5.0)
        assert len(world.moves) == 1
        sound(world)


def test_s28_a_node_that_reboots_does_not_hold_what_it_held() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    FAULTS["power off"](world, holder, 30.0)
    world.run(45.0)
    assert holder_of(world) is not holder
    sound(world)


def test_an_address_that_another_node_holds_meanwhile_comes_off_first() -> None:
    """A speaker that was down for long finds its address still there (the kernel is late), and another holder."""
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    FAULTS["power off"](world, holder, 100.0)
    taken_over(world, holder, 6.0)
    holder.segment = 1  # not on the LAN yet
    holder.power_on()
    holder.addresses.add(address)
    holder.expiry[address] = world.now + 50.0
    world.run(1.5)
    assert address not in holder.addresses


@pytest.mark.parametrize("interfaces_first", [True, False])
def test_p5_connections_that_outlived_their_address_are_ended_once(interfaces_first: bool) -> None:
    """RemoveAddress ends them; what a person put on the host stays, and IPv4 is silent by itself."""
    gone, persons = ip_address("2001:db8::100"), ip_address("2001:db8::101")
    machine = Gateway("node", "machine", DEFAULT, random.Random(1))  # noqa: S311 - a test
    addresses = (HostAddress(ip_interface("2001:db8::1/64")), HostAddress(ip_interface(f"{persons}/128")))
    told = [
        InterfacesSeen(0.0, (Interface("eth0", "02:00:00:00:00:01", True, addresses),)),
        GroupSeen((gone, persons, ip_address("10.0.1.100"))),
    ]
    events = [*(told if interfaces_first else reversed(told)), *told]
    done = [action for event in events for action in machine.handle(1.0, event)]
    assert [action for action in done if isinstance(action, RemoveAddress)] == [RemoveAddress(gone)]


def test_another_machine_under_the_same_node_name_is_a_stranger() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    world.store.edit(address, instance="another machine")
    world.run(0.2)
    assert address not in holder.addresses
    assert taken_over(world, holder, 30.0) >= 4.5 or holder_of(world) is holder


def test_nothing_is_claimed_before_everything_is_listed() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 1, floating[:1], subnet)
    node = world.nodes[0]
    node.cut_store("refuse")
    world.start()
    world.run(5.0)
    assert not node.addresses - {node.own}
    node.mend_store()
    world.run(3.0)
    sound(world)


def test_s30a_addresses_that_come_to_speakers_that_run_already_are_shared_out_at_once() -> None:
    """Their turns count from then: counted from long ago, the first claimant would take one after another."""
    for seed in range(10):
        world = cluster(seed=seed, nodes=2, addresses=2)
        addresses = world.group
        change_group(world, ())
        world.run(30.0)
        assert not [address for address in addresses if world.holder(address)]
        change_group(world, addresses)
        world.run(5.0)
        assert len({holder_of(world, address).name for address in addresses}) == 2
        sound(world)


def test_a_draining_node_claims_nothing() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 1, floating[:1], subnet)
    node = world.nodes[0]
    node.draining = True
    world.start()
    world.run(10.0)
    assert reason(node, floating[0]) is AddressReason.DRAINING
    node.draining = False
    node.tell(NodeSeen(exists=True, draining=False, addresses=(node.own,)))
    world.run(1.5)
    sound(world)


def test_a_node_that_hears_nobody_claims_nothing() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 2, floating[:1], subnet)
    world.nodes[0].segment = 1
    world.nodes[1].segment = 2
    world.start()
    world.run(10.0)
    assert not world.havers(floating[0])
    assert reason(world.nodes[0], floating[0]) is AddressReason.NO_LAN_EVIDENCE


def test_a_single_node_and_a_router_are_enough() -> None:
    subnet, floating = SUBNETS[6]
    world = World(1, 1, floating[:1], subnet)
    world.start()
    world.run(4.0)
    sound(world)


def test_s04_an_address_of_another_subnet_is_left_to_others() -> None:
    world = cluster(nodes=2)
    foreign = ip_address("10.0.3.7")
    world.group = (*world.group, foreign)
    for node in world.nodes:
        node.kill()
        node.start()
    world.run(10.0)
    assert not world.havers(foreign)
    assert reason(world.nodes[0], foreign) is AddressReason.NO_SUBNET


def test_a_machine_that_wakes_after_an_hour_shows_its_address_for_less_than_a_second() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    FAULTS["suspend"](world, holder, 3600.0)
    world.run(3599.9)
    assert holder_of(world) in others(world, holder)
    world.run(0.2)
    assert address not in holder.addresses
    world.run(5.0)
    sound(world)


def test_a_continued_speaker_never_puts_back_what_another_node_took() -> None:
    for seed in range(10):
        world = cluster(seed=seed, nodes=2)
        holder = holder_of(world)
        FAULTS["SIGSTOP"](world, holder, 8.0)
        world.run(20.0)
        assert holder_of(world) is not holder
        assert len(world.moves) == 2
        sound(world)


def test_speakers_that_start_one_after_another_share_the_addresses() -> None:
    subnet, floating = SUBNETS[4]
    world = World(3, 2, floating[:2], subnet)
    world.nodes[0].start()
    world.clock.after(1.2, world.nodes[1].start)
    world.run(6.0)
    assert {holder_of(world, address).name for address in floating[:2]} == {"node-1", "node-2"}


def test_speakers_whose_daemons_start_slowly_share_the_addresses() -> None:
    """The first one waits for its second address from when it could have claimed it, not from when it was listed."""
    for seed in range(10):
        subnet, floating = SUBNETS[4]
        world = World(seed, 2, floating[:2], subnet)
        slow, late = world.nodes
        slow.engine = False
        slow.start()
        world.run(1.9)
        slow.engine = True
        world.run(1.2)
        late.start()
        world.run(8.0)
        assert {holder_of(world, address).name for address in floating[:2]} == {"node-1", "node-2"}
        sound(world)


def test_a_node_that_may_claim_again_waits_anew_for_its_second_address() -> None:
    for seed in range(10):
        subnet, floating = SUBNETS[4]
        world = World(seed, 2, floating[:2], subnet)
        first, late = world.nodes
        first.start()
        world.run(0.35)
        for draining in (True, False):  # drained before the probes were over
            first.draining = draining
            first.tell(NodeSeen(exists=True, draining=draining, addresses=(first.own,)))
            world.run(3.0 if draining else 1.2)
        late.start()
        world.run(8.0)
        assert {holder_of(world, address).name for address in floating[:2]} == {"node-1", "node-2"}
        sound(world)


def test_a_node_that_wants_an_address_but_may_not_claim_it_lists_everything_and_follows_nothing() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 1, floating[:1], subnet)
    (node,) = world.nodes
    node.draining = True
    world.start()
    world.run(100.0)
    assert [action for action in node.done if isinstance(action, WatchEverything)] == [WatchEverything(wanted=True)]
    node.draining = False
    node.tell(NodeSeen(exists=True, draining=False, addresses=(node.own,)))
    world.run(5.0)
    assert holder_of(world) is node
    assert WatchEverything(wanted=True, following=True) in node.done


def test_a_node_that_hears_nobody_follows_everything_since_whom_to_ask_may_not_have_been_listed_yet() -> None:
    subnet, floating = SUBNETS[4]
    world = World(1, 1, floating[:1], subnet)
    (node,) = world.nodes
    world.lan.loss = 1.0
    world.start()
    world.run(2.0)
    assert WatchEverything(wanted=True, following=True) not in node.done
    world.run(3.0)
    assert WatchEverything(wanted=True, following=True) in node.done


def test_an_idle_speaker_watches_little_and_learns_what_it_missed_when_it_is_needed() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    (idle,) = others(world, holder)
    FAULTS["drain"](world, idle, 500.0)
    world.run(100.0)
    assert [action for action in idle.done if isinstance(action, WatchEverything)] == [
        WatchEverything(wanted=True),  # at the start the address is free
        WatchEverything(wanted=True, following=True),  # it tries to claim it, and is not the first
        WatchEverything(wanted=False),
    ]
    idle.draining = False  # nobody tells it: it does not watch its Node
    count = len(idle.done)
    world.run(20.0)
    assert len(idle.done) == count
    holder.power_off()
    assert taken_over(world, holder, 5.6)
