"""The kernel refuses, interfaces change, packets of sessions count, a release meets another write."""

from ipaddress import ip_address

from scripted import cluster, holder_of, others, reason, sound, taken_over
from simulated_faults import FAULTS
from simulation import World

from flatbgp.planning.gateway.actions import PutAddress, RemoveAddress, StatusChanged, SwapLease
from flatbgp.planning.gateway.events import PeerHeard
from flatbgp.planning.gateway.status import AddressReason
from flatbgp.resources.ip import IPAddress


def test_an_address_that_the_kernel_refuses_is_left_to_another_node() -> None:
    world = cluster(nodes=3)
    holder = holder_of(world)
    refusing, able = others(world, holder)
    refusing.refuses_to_put = "RTNETLINK: operation not permitted"
    able.link.delay = (0.1, 0.1)  # the refusing one wins the swap
    FAULTS["drain"](world, holder, 60.0)
    world.run(3.0)
    assert holder_of(world) is able
    refusing.refuses_to_put = ""
    world.run(10.0)
    sound(world)


def test_an_address_that_the_kernel_does_not_take_off_is_tried_again_and_its_lease_is_not_freed_before() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    holder.refuses_to_remove = "RTNETLINK: device busy"
    since = len(holder.done)
    FAULTS["drain"](world, holder, 60.0)
    world.run(1.1)
    done = holder.done[since:]
    assert sum(isinstance(action, RemoveAddress) for action in done) >= 4
    assert not any(isinstance(action, SwapLease) and not action.content.holder for action in done)
    assert world.store.leases[address].content.holder == holder.name
    holder.refuses_to_remove = ""
    assert taken_over(world, holder, 1.5)
    assert not world.violations


def test_a_release_that_meets_an_annotation_is_repeated() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    holder.link.delay = (0.1, 0.1)
    FAULTS["drain"](world, holder, 60.0)
    world.run(0.05)
    world.store.edit(address, probe="somebody writes meanwhile")
    assert taken_over(world, holder, 1.5) < 1.2
    assert not world.violations


def test_an_address_that_something_takes_away_comes_back_and_counts_as_held_meanwhile() -> None:
    world = cluster(nodes=2)
    holder, address = holder_of(world), world.group[0]
    since = len(holder.done)
    holder.snatch(address)
    world.run(1.0)
    done = holder.done[since:]
    puts = [action for action in done if isinstance(action, PutAddress)]
    assert puts
    assert not any(action.fresh for action in puts), "its sessions go on"
    assert not any(isinstance(action, StatusChanged) for action in done)
    assert holder.machine is not None
    assert address in holder.machine.held
    sound(world)


def test_packets_of_a_session_are_evidence_enough() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    (router,) = world.routers
    world.lan.loss = 1.0

    def keepalive() -> None:
        holder.tell(PeerHeard(world.now, min(router.addresses), router.mac))
        world.clock.after(2.5, keepalive)

    keepalive()
    world.run(30.0)
    assert holder_of(world) is holder
    assert len(world.moves) == 1


def test_our_own_packets_are_no_evidence() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    world.lan.loss = 1.0
    for second in range(10):
        event = PeerHeard(world.now + second, holder.own, holder.mac)
        world.clock.after(float(second), holder.tell, event)
    world.run(5.0)
    assert not world.havers(world.group[0])
    assert reason(holder, world.group[0]) is AddressReason.NO_LAN_EVIDENCE


def listening(world: World) -> frozenset[IPAddress]:
    machine = holder_of(world).machine
    assert machine is not None
    return machine.questions["eth0"]


def test_the_shell_is_told_for_whom_to_listen() -> None:
    world = cluster(nodes=2, addresses=2)
    holder = holder_of(world)
    (other,) = others(world, holder)
    assert listening(world) == {*world.group, ip_address("10.0.1.251"), other.own}


def test_a_node_that_gets_another_address_in_the_subnet_keeps_what_it_holds() -> None:
    world = cluster(nodes=2)
    holder = holder_of(world)
    holder.addresses.remove(holder.own)
    holder.own = ip_address("10.0.1.77")
    holder.addresses.add(holder.own)
    holder.interfaces_changed()
    world.run(20.0)
    assert holder_of(world) is holder
    assert holder.own not in listening(world)
    sound(world)
