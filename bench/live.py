"""From a Node in the embedded store to its prefix in FRR's table, and from its deletion to its absence there.

The clock starts at the call of the store and stops when ``show bgp ipv4 unicast json`` has the Node's address as next
hop (or no longer), asked through a vty that stays open. Between lie the store's write, the controller's allocation and
route, the speaker's plan, gobgpd and FRR.
"""

import asyncio
import random
import time

from bench_cluster import cluster
from figures import Figures, note

from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store
from support.cluster import Cluster

_LOOK_SECONDS = 0.001
_DEADLINE_SECONDS = 10.0
_ADDRESSES = 100
_FIRST = 100
"""The last byte of the first address: those below are the lab's own."""


def in_table(place: Cluster, address: str) -> bool:
    """Return whether the router of the first rack has a route by way of an address."""
    # The text will do: reading it as JSON takes longer than what is measured.
    return f'"ip":"{address}"' in place.routers["router-1"].vty.execute("show bgp ipv4 unicast json").replace(" ", "")


async def until(place: Cluster, address: str, *, there: bool) -> None:
    """Return once it has it, or has it no more."""
    end = time.monotonic() + _DEADLINE_SECONDS
    while in_table(place, address) is not there:
        if time.monotonic() > end:
            raise TimeoutError(
                f"{address} is {'not ' if there else 'still '}in FRR's table after {_DEADLINE_SECONDS} s"
            )
        await asyncio.sleep(_LOOK_SECONDS)


async def _change(place: Cluster, store: Store, number: int, figures: Figures) -> None:
    name, address = f"bench-{number}", f"10.0.1.{_FIRST + 1 + number % _ADDRESSES}"
    document = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }
    begun = time.perf_counter()
    await store.apply([Manifest(NODE, Key("", name), document)])
    note(figures, "Node applied: the store's own part, ms", 1000 * (time.perf_counter() - begun))
    await until(place, address, there=True)
    note(figures, "Node applied until in FRR's table, ms (<=25, p99 <=100)", 1000 * (time.perf_counter() - begun))
    await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - so that no timer keeps step
    begun = time.perf_counter()
    await store.delete(NODE, name)
    await until(place, address, there=False)
    note(
        figures, "Node deleted until gone from FRR's table, ms (<=80, p99 <=150)", 1000 * (time.perf_counter() - begun)
    )
    await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - the same


async def _changes(place: Cluster, count: int, figures: Figures) -> None:
    store = open_store(place.stores.user)
    try:
        await _change(place, store, 0, {})  # the first one opens files and connections
        for number in range(count):
            await _change(place, store, number, figures)
    finally:
        await store.close()


def measure(changes: int) -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    with cluster("single-stack-ipv4") as place:
        asyncio.run(_changes(place, changes, figures))
    return figures
