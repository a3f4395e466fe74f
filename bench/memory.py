"""Memory and idle CPU of the three roles: in the guide's cluster, and with thousands of Nodes of both families."""

import asyncio
import time

from bench_cluster import cluster, cpu_seconds, resident
from figures import Figures, note

from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.store.url import open_store
from support.cluster import Cluster

NODES = 5000
_IDLE_SECONDS = 20.0
_QUIET_SECONDS = 5.0
_DEADLINE_SECONDS = 120.0


def _roles(place: Cluster) -> dict[str, Process]:
    return {"admin": place.roles["admin"], "controller": place.roles["controller"], "speaker": place.speaker("node-01")}


def _look(place: Cluster, figures: Figures, where: str) -> None:
    """Note the memory now, and the CPU time of a while in which nothing changes."""
    time.sleep(_QUIET_SECONDS)
    before = {name: cpu_seconds(process.pid) for name, process in _roles(place).items()}
    begun = time.monotonic()
    time.sleep(_IDLE_SECONDS)
    seconds = time.monotonic() - begun
    for name, process in _roles(place).items():
        used = 100 * (cpu_seconds(process.pid) - before[name]) / seconds
        note(figures, f"{name}, {where}: idle CPU, % (<1)", used)
        note(figures, f"{name}, {where}: RSS, MB", resident(process.pid))


def _nodes() -> list[Manifest]:
    found = []
    for number in range(NODES):
        name = f"bench-{number:05}"
        addresses = (f"198.19.{number // 250}.{number % 250 + 1}", f"2001:db8:ffff::{number + 1:x}")
        document = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"podCIDRs": [f"100.{64 + number // 256}.{number % 256}.0/24", f"fd00:{number:x}::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]},
        }
        found.append(Manifest(NODE, Key("", name), document))
    return found


async def _fill(url: str) -> None:
    store = open_store(url)
    try:
        await store.apply(_nodes())
    finally:
        await store.close()


def _in_table(place: Cluster, family: Family) -> int:
    return int(sum(session.accepted.get(family, 0) for session in place.sessions().values()))


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    with cluster("dual-stack-flat") as place:
        _look(place, figures, "few Nodes")
        expected = {family: _in_table(place, family) + NODES * len(place.sessions()) for family in Family}
        begun = time.monotonic()
        asyncio.run(_fill(place.stores.user))
        wait_until(
            f"{NODES} more routes of each family",
            lambda: {family: _in_table(place, family) for family in Family},
            lambda seen: seen == expected,
            deadline=_DEADLINE_SECONDS,
            interval=0.2,
        )
        note(
            figures,
            f"{NODES} Nodes applied until all {2 * NODES} routes are in FRR's table, s",
            time.monotonic() - begun,
        )
        _look(place, figures, f"{NODES} Nodes")
    return figures
