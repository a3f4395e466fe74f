"""Faults that begin and end, as the soak draws them: which they are, whom they hit, and what they may cost."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

from support.faultcluster import FaultCluster

Cause = Callable[[FaultCluster, str], AbstractContextManager[None]]

SECONDS = (0.5, 12.0)
"""How long a fault lasts: from less than a renewal to more than two Leases, and less than any restart time."""


@contextmanager
def power_off(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.power_off(node)
    yield
    cluster.power_on(node)


@contextmanager
def kill_speaker(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.speaker(node).kill()
    yield


@contextmanager
def stop_speaker(cluster: FaultCluster, node: str) -> Iterator[None]:
    assert cluster.speaker(node).stop() == 0
    yield


@contextmanager
def freeze_speaker(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.speaker(node).signal(signal.SIGSTOP)
    yield
    cluster.speaker(node).signal(signal.SIGCONT)


@contextmanager
def kill_gobgpd(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.gobgpds[node].kill()
    yield


@contextmanager
def freeze_gobgpd(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.gobgpds[node].signal(signal.SIGSTOP)
    yield
    cluster.gobgpds[node].signal(signal.SIGCONT)


@contextmanager
def stand_still(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.signal_all(node, signal.SIGSTOP)
    yield
    cluster.signal_all(node, signal.SIGCONT)


@contextmanager
def pull_cable(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.cut(node, off=True)
    yield
    cluster.cut(node, off=False)


@contextmanager
def cut_off(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.cut_off(node)
    yield
    cluster.rejoin(node)


@contextmanager
def cut_from_store(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.cut_from_store(node)
    yield
    cluster.rejoin_store(node)


@contextmanager
def take_address(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.drop_addresses(node)
    yield


@contextmanager
def drain(cluster: FaultCluster, node: str) -> Iterator[None]:
    cluster.set_draining(node, draining=True)
    yield
    cluster.set_draining(node, draining=False)


@contextmanager
def close_store(cluster: FaultCluster, _node: str) -> Iterator[None]:
    cluster.close_store()
    yield
    cluster.open_store()


@contextmanager
def lock_store(cluster: FaultCluster, _node: str) -> Iterator[None]:
    with cluster.locked_store():
        yield


@contextmanager
def fill_disk(cluster: FaultCluster, _node: str) -> Iterator[None]:
    with cluster.full_disk():
        yield


@contextmanager
def kill_roles(cluster: FaultCluster, _node: str) -> Iterator[None]:
    for role in ("controller", "admin"):
        cluster.roles[role].kill()
    yield


@contextmanager
def lose_packets(cluster: FaultCluster, node: str) -> Iterator[None]:
    rack = next(each.rack for each in cluster.topology.nodes if each.name == node)
    with cluster.losing(rack, 30):
        yield


@dataclass(frozen=True, slots=True)
class Fault:
    """``machine``: pods of the node are out of reach. ``store``: nobody can write the store, so one such at a time."""

    name: str
    cause: Cause
    machine: bool = False
    store: bool = False
    rack: bool = False


FAULTS = (
    Fault("power off", power_off, machine=True),
    Fault("speaker killed", kill_speaker),
    Fault("speaker stopped in order", stop_speaker),
    Fault("speaker frozen", freeze_speaker),
    Fault("gobgpd killed", kill_gobgpd),
    Fault("gobgpd frozen", freeze_gobgpd),
    Fault("machine stands still", stand_still),
    Fault("cable pulled", pull_cable, machine=True),
    Fault("cut from the LAN", cut_off, machine=True),
    Fault("cut from the store", cut_from_store),
    Fault("address taken away", take_address),
    Fault("drained", drain, store=True),
    Fault("store unreachable", close_store, store=True),
    Fault("store locked", lock_store, store=True),
    Fault("disk of the store full", fill_disk, store=True),
    Fault("controller and admin killed", kill_roles),
    Fault("30 % of packets lost", lose_packets, rack=True),
)


@dataclass(frozen=True, slots=True)
class Step:
    """Faults on nodes, begun one after the other and ended together after ``seconds``."""

    faults: tuple[tuple[Fault, str], ...]
    seconds: float

    def __str__(self) -> str:
        what = " and ".join(f"{fault.name} ({node})" for fault, node in self.faults)
        return f"{what} for {self.seconds:.1f} s"

    def out_of_reach(self, cluster: FaultCluster) -> set[str]:
        """Return the nodes whose pods this may cut off."""
        found = set()
        for fault, node in self.faults:
            rack = next(each.rack for each in cluster.topology.nodes if each.name == node)
            if fault.rack:
                found.update(cluster.nodes_of(rack))
            elif fault.machine:
                found.add(node)
        return found


def draw(rng: Random, nodes: tuple[str, ...]) -> Step:
    """Draw the next step: one fault, or two on different nodes, of which at most one keeps the store from writing."""
    first = (rng.choice(FAULTS), rng.choice(nodes))
    faults = [first]
    second = (rng.choice(FAULTS), rng.choice(nodes))
    if rng.random() < 0.4 and second[1] != first[1] and not (first[0].store and second[0].store):
        faults.append(second)
    return Step(tuple(faults), round(rng.uniform(*SECONDS), 1))
