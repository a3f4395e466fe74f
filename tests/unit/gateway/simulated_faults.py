"""What can go wrong in the simulated world, and random schedules of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from simulated_node import Node
from simulated_store import Link
from simulation import Host, World

Breaking = Callable[[World, Node, float], None]


def power_off(world: World, node: Node, seconds: float) -> None:
    """The machine loses power, and boots again."""
    node.power_off()
    world.clock.after(seconds, node.power_on)


def kill(world: World, node: Node, seconds: float) -> None:
    """The speaker is killed, and started again."""
    node.kill()
    world.clock.after(seconds, node.start)


def sigstop(world: World, node: Node, seconds: float) -> None:
    """The speaker is stopped (at times in the middle of a call), and continued."""
    node.freeze(in_put=world.rng.random() < 0.3)
    world.clock.after(seconds, node.thaw)


def suspend(world: World, node: Node, seconds: float) -> None:
    """The machine stands still, and goes on."""
    node.suspend()
    world.clock.after(seconds, node.resume)


def cut_lan(world: World, node: Node, seconds: float) -> None:
    """The node loses the LAN without losing carrier (a switch, a VLAN)."""
    node.cut_lan(carrier=True)
    world.clock.after(seconds, node.mend_lan)


def pull_cable(world: World, node: Node, seconds: float) -> None:
    """The node loses carrier."""
    node.cut_lan(carrier=False)
    world.clock.after(seconds, node.mend_lan)


def split_lan(world: World, node: Node, seconds: float) -> None:
    """The LAN falls into two parts; the node (and by chance others) is away from the router."""
    away = [each for each in world.nodes if each is node or world.rng.random() < 0.4]
    for each in away:
        each.segment += 1

    def heal() -> None:
        for each in away:
            each.segment -= 1
        world.joined("the LAN was whole again")

    world.clock.after(seconds, heal)


def router_dies(world: World, _node: Node, seconds: float) -> None:
    """All routers of the subnet are silent."""
    for router in world.routers:
        router.up = False
        world.clock.after(seconds, setattr, router, "up", True)


def _cut_store(how: str) -> Breaking:
    def cut(world: World, node: Node, seconds: float) -> None:
        node.cut_store(how)
        world.clock.after(seconds, node.mend_store)

    return cut


def _outage(how: str) -> Breaking:
    def outage(world: World, _node: Node, seconds: float) -> None:
        for node in world.nodes:
            node.cut_store(how)
            world.clock.after(seconds, node.mend_store)

    return outage


def slow_store(world: World, node: Node, seconds: float) -> None:
    """The node's requests take up to seconds each way."""
    node.link.delay = (0.05, world.rng.choice((0.3, 0.8, 2.0)))
    world.clock.after(seconds, setattr, node.link, "delay", Link().delay)


def lost_answers(world: World, node: Node, seconds: float) -> None:
    """Many of the node's requests are carried out, and their answers are lost."""
    node.link.lost_answers = world.rng.choice((0.3, 0.7, 1.0))
    world.clock.after(seconds, setattr, node.link, "lost_answers", 0.0)


def freeze_engine(world: World, node: Node, seconds: float) -> None:
    """The node's gobgpd stops answering."""
    node.engine = False
    world.clock.after(seconds, setattr, node, "engine", True)


def drain(world: World, node: Node, seconds: float) -> None:
    """A person drains the node, and undrains it."""

    def set_to(draining: bool) -> None:
        node.draining = draining
        node.tell_node()

    set_to(True)
    world.clock.after(seconds, set_to, False)


def stop(world: World, node: Node, seconds: float) -> None:
    """The speaker is asked to stop, and started again."""
    node.stop()
    world.clock.after(max(seconds, 2.1), _restart, node)


def _restart(node: Node) -> None:
    if node.machine is not None and node.running:
        node.kill()
    node.start()


def foreign_host(world: World, _node: Node, seconds: float) -> None:
    """Somebody's laptop has one of the addresses."""
    address = world.rng.choice(world.group)
    laptop = Host("laptop", "02:00:00:00:99:99", {address})
    world.lan.hosts.append(laptop)
    if world.rng.random() < 0.5:
        for each in range(int(seconds)):
            world.clock.after(float(each), _announce, world, laptop)
    world.clock.after(seconds, world.lan.hosts.remove, laptop)


def _announce(world: World, laptop: Host) -> None:
    if laptop in world.lan.hosts:
        for address in laptop.addresses:
            world.lan.announce(laptop, address)


def snatch(world: World, node: Node, _seconds: float) -> None:
    """Something on the host takes the addresses away."""
    for address in world.group:
        node.snatch(address)


def annotate(world: World, _node: Node, seconds: float) -> None:
    """A person annotates Leases again and again."""
    for each in range(int(seconds * 4)):
        world.clock.after(each / 4, _edit, world)


def _edit(world: World) -> None:
    address = world.rng.choice(world.group)
    if address in world.store.leases:
        world.store.edit(address)


def replace_store(world: World, _node: Node, seconds: float) -> None:
    """What answers is another store, and then the right one again."""

    def set_to(foreign: bool) -> None:
        world.store.foreign = foreign
        for node in world.nodes:
            node.identity(foreign=foreign)
            if not foreign:
                node.resume_watch()

    set_to(True)
    world.clock.after(seconds, set_to, False)


FAULTS: dict[str, Breaking] = {
    "power off": power_off,
    "kill": kill,
    "SIGSTOP": sigstop,
    "suspend": suspend,
    "LAN cut": cut_lan,
    "cable pulled": pull_cable,
    "LAN split": split_lan,
    "router dies": router_dies,
    "store refuses the node": _cut_store("refuse"),
    "store hangs for the node": _cut_store("hang"),
    "store refuses all": _outage("refuse"),
    "store hangs for all": _outage("hang"),
    "store slow": slow_store,
    "answers lost": lost_answers,
    "gobgpd frozen": freeze_engine,
    "drain": drain,
    "stop": stop,
    "foreign host": foreign_host,
    "address snatched": snatch,
    "Leases annotated": annotate,
    "store replaced": replace_store,
}

HARMLESS = {
    "store refuses all": 60.0,
    "store hangs for all": 60.0,
    "store refuses the node": 60.0,
    "store hangs for the node": 60.0,
    "router dies": 60.0,
    "address snatched": 1.0,
    "Leases annotated": 10.0,
    "answers lost": 20.0,
    "store replaced": 60.0,
    "kill": 1.5,
    "SIGSTOP": 3.0,
    "gobgpd frozen": 1.5,
}
"""Faults that alone, and no longer than this, move no address with the default timings (P3)."""

_ON_HOLDER = 0.7


@dataclass(frozen=True)
class Fault:
    """One fault: what, when, for how long, and to whom (``None``: to whoever holds an address then)."""

    kind: str
    at: float
    seconds: float
    node: int | None

    def __str__(self) -> str:
        whom = "a holder" if self.node is None else f"node-{self.node + 1}"
        return f"{self.kind} of {whom} at {self.at:.2f} for {self.seconds:.2f} s"

    def begin(self, world: World) -> None:
        """Begin the fault; it ends by itself."""
        node = None
        if self.node is None:
            node = next((holder for address in world.group if (holder := world.holder(address))), None)
        node = node if node is not None else world.nodes[(self.node or 0) % len(world.nodes)]
        world.log("FAULT", f"{self.kind} {node.name} for {self.seconds:.2f} s")
        FAULTS[self.kind](world, node, self.seconds)


def random_faults(rng: random.Random, nodes: int) -> list[Fault]:
    """Return one to four faults that begin within 12 seconds and overlap as they may."""
    faults = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.choice(list(FAULTS))
        seconds = rng.choice((rng.uniform(0.05, 1.5), rng.uniform(1.0, 6.0), rng.uniform(5.0, 18.0)))
        whom = None if rng.random() < _ON_HOLDER else rng.randrange(nodes)
        faults.append(Fault(kind, rng.uniform(0.0, 12.0), seconds, whom))
    return sorted(faults, key=lambda fault: fault.at)
