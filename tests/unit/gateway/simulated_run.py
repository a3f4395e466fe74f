"""One run of the simulated world through a schedule of faults, and the properties that must hold in it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface

from simulated_faults import HARMLESS, Fault, random_faults
from simulated_node import Node
from simulation import World

from flatbgp.planning.gateway.timings import DEFAULT, FAST, Timings
from flatbgp.resources.ip import IPAddress, IPInterface

SUBNETS: dict[int, tuple[IPInterface, tuple[IPAddress, ...]]] = {
    4: (ip_interface("10.0.1.0/24"), tuple(ip_address(f"10.0.1.{n}") for n in range(100, 104))),
    6: (ip_interface("fd00:1::/64"), tuple(ip_address(f"fd00:1::{n:x}") for n in range(0x100, 0x104))),
}

UNSERVED = {"default": 15.0, "fast": 13.5}
"""Seconds for which an address may have no working holder while one and the same node could hold it (P4)."""

SETTLE = 20.0
QUIET = 8.0


@dataclass
class Schedule:
    """A world and what happens to it, made from one seed."""

    seed: int
    nodes: int
    addresses: int
    loss: float
    version: int
    timings: Timings
    faults: Sequence[Fault] = field(default_factory=list)

    @staticmethod
    def random(seed: int, *, loss: float | None = None) -> Schedule:
        """Make a schedule of one to four faults."""
        rng = random.Random(seed)  # noqa: S311 (a simulation)
        nodes = rng.randint(2, 4)
        return Schedule(
            seed,
            nodes,
            rng.randint(1, 2),
            rng.choice((0.0, 0.3)) if loss is None else loss,
            rng.choice((4, 4, 6)),
            DEFAULT if rng.random() < 0.75 else FAST,
            random_faults(rng, nodes),
        )

    def __str__(self) -> str:
        faults = "; ".join(map(str, self.faults))
        return (
            f"seed {self.seed}: {self.nodes} nodes, {self.addresses} IPv{self.version} addresses, loss {self.loss}, "
            f"lease {self.timings.lease}: {faults}"
        )

    @property
    def harmless(self) -> bool:
        """Whether no address may move (P3): one fault, of a kind that moves nothing."""
        if self.timings.lease < DEFAULT.lease or len(self.faults) != 1:
            return not self.faults
        return self.faults[0].seconds <= HARMLESS.get(self.faults[0].kind, 0.0)


def world_of(schedule: Schedule) -> World:
    """Make the world of a schedule, not yet started."""
    subnet, addresses = SUBNETS[schedule.version]
    return World(
        schedule.seed,
        schedule.nodes,
        addresses[: schedule.addresses],
        subnet,
        timings=schedule.timings,
        loss=schedule.loss,
    )


def run(schedule: Schedule, *, trace: bool = False) -> World:
    """Run a schedule from start-up to a while after its last fault; the world tells what was violated."""
    world = world_of(schedule)
    if trace:
        world.trace = []
    world.start()
    settled(world)
    moves = len(world.moves)
    began, watch = world.now, Watch(world)
    for fault in schedule.faults:
        world.clock.at(began + fault.at, fault.begin, world)
    world.clock.after(0.25, watch.look)
    end = max((fault.at + max(fault.seconds, 2.1) for fault in schedule.faults), default=0.0)
    world.run(end)
    come_to_rest(world)
    if schedule.harmless and len(world.moves) != moves and not _same_places(world, moves):
        world.violate("P3", f"moved: {world.moves[moves:]}")
    check_rest(world)
    return world


def come_to_rest(world: World) -> None:
    """Let the world run until nothing has moved for a while (P5): spreading apart, that must be soon."""
    healed = world.now
    while world.now - healed < SETTLE + QUIET:
        count = len(world.moves)
        world.run(1.0)
        moved = [move for move in world.moves[count:] if move[0] - world.spread_at.get(move[1], 0.0) > 4.0]
        if moved and world.now - healed > SETTLE:
            world.violate("P5", f"still moving {SETTLE} s after all healed: {moved}")
            return
        last = max((when for when, _, _ in world.moves), default=healed)
        served = all(world.holder(address) for address in world.group)
        if served and world.now - max(last, healed) > QUIET:
            return


def settled(world: World) -> None:
    """Let the world run until every address has a holder."""
    world.run_until(lambda: all(world.holder(address) for address in world.group), 20.0, 0.25)
    world.run(2.0)


def _same_places(world: World, moves: int) -> bool:
    """Whether what appeared since was only put back where it was."""
    before = {address: name for _, address, name in world.moves[:moves]}
    return all(before[address] == name for _, address, name in world.moves[moves:])


@dataclass
class Watch:
    """Looks every quarter of a second whether an address has no working holder although a node could hold it (P4)."""

    world: World
    unserved: dict[IPAddress, dict[str, int]] = field(default_factory=dict)
    told: set[IPAddress] = field(default_factory=set)

    def look(self) -> None:
        world = self.world
        limit = UNSERVED["default" if world.timings.lease >= DEFAULT.lease else "fast"] * 4
        able = {node.name for node in world.nodes if could_hold(world, node)}
        for address in world.group:
            counts = self.unserved.setdefault(address, {})
            if self._served(address):
                counts.clear()
                continue
            for name in list(counts.keys() - able):
                del counts[name]
            for name in able:
                node = next(each for each in world.nodes if each.name == name)
                if any(
                    host is not node and host.has(address) and world.lan.reaches(host, node) for host in world.lan.hosts
                ):
                    counts.pop(name, None)  # somebody it reaches answers: it must not take it
                    continue
                counts[name] = counts.get(name, 0) + 1
                if counts[name] > limit and address not in self.told:
                    self.told.add(address)
                    world.violate("P4", f"{address} has had no working holder for {limit / 4} s; {name} could hold it")
        world.clock.after(0.25, self.look)

    def _served(self, address: IPAddress) -> bool:
        return any(
            address in node.addresses and node.running and node.up and (node.engine or node.link.broken)
            for node in self.world.nodes
        )


def could_hold(world: World, node: Node) -> bool:
    """Whether a node is healthy in every respect: it works, reaches somebody on the LAN, and the store answers it."""
    link = node.link
    works = node.running and node.up and node.engine and not node.draining and not world.store.foreign
    quick = not link.broken and not link.lost_answers and link.delay[1] < world.timings.request_timeout / 4
    up_for = world.now - node.started_at
    reaches = any(
        host is not node and world.lan.reaches(node, host) for host in world.lan.hosts if host.name != "laptop"
    )
    return works and quick and up_for > 1.0 and reaches


def check_rest(world: World) -> None:
    """Check that nothing of an older time is left (P5), and that every address has its holder (P4)."""
    for address in world.group:
        havers = [node.name for node in world.havers(address)]
        record = world.store.leases.get(address)
        holder = record.content.holder if record is not None else ""
        if len(havers) != 1:
            world.violate("P4", f"in the end {address} is on {havers}, Lease {holder!r}")
        elif holder != havers[0]:
            world.violate("P5", f"in the end {address} is on {havers}, but its Lease names {holder!r}")
        if record is not None and (record.content.probe or record.content.wanted_by):
            world.violate("P5", f"in the end the Lease of {address} says {record.content}")
    for node in world.nodes:
        machine = node.machine
        if machine is None:
            continue
        floating = {address for address in node.addresses if address != node.own}
        if set(machine.held) != floating:
            world.violate("P5", f"{node.name} has {floating} and believes {set(machine.held)}")
