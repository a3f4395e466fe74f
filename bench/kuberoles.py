"""The roles on real API servers: from a Node to FRR's table, 5,000 Nodes at once, a new range, heartbeats.

The lab of the guide with an admin and a user cluster, each role with its own permissions. Node objects have the 8 KB of
a kubelet's where there are thousands of them.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
import kubeidle
import live
from bench_cluster import cpu_seconds, gobgpd_binary, resident
from figures import Figures, note
from kubestore import NODES, BareClient, at_once, node

from flatbgp.resources.ip import Family
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store
from support.charted import ADMIN_CLUSTER, USER_CLUSTER, Chart
from support.cluster import example
from support.kubecluster import KubeCluster
from support.kubernetes import api_servers
from support.sandbox import Sandbox, remove_leftovers

_MERGE = "application/merge-patch+json"
_SETTLE_SECONDS = 90.0
_DEADLINE_SECONDS = 240.0
_FEW = 100
"""More routes than are left when the thousands have gone."""

_HEARTBEATS = 500
_HEARTBEAT_SECONDS = 0.06
"""A thousand a minute."""

_RANGES = "/apis/baremetal.cluster.gke.io/v1alpha1/namespaces/cluster-bm/clustercidrconfigs"


class _Place(KubeCluster):
    """The lab, whose range selects its own Nodes only: the others are the benchmark's to give."""

    def join(self, name: str, addresses: Any, *, labels: Mapping[str, str] | None = None) -> None:
        super().join(name, addresses, labels={"pool": "lab", **(labels or {})})


def _manifests() -> str:
    return example("single-stack-ipv4").replace(
        "    perNodeMaskSize: 24\n", "    perNodeMaskSize: 24\n  nodeSelector:\n    matchLabels:\n      pool: lab\n", 1
    )


def _range(name: str, cidr: str, pool: str) -> dict[str, Any]:
    return {
        "apiVersion": "baremetal.cluster.gke.io/v1alpha1",
        "kind": "ClusterCIDRConfig",
        "metadata": {"name": name, "namespace": "cluster-bm"},
        "spec": {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}, "nodeSelector": {"matchLabels": {"pool": pool}}},
    }


def _member(number: int, pool: str) -> dict[str, Any]:
    document = node(number)
    document["metadata"]["labels"]["pool"] = pool
    address = f"198.{18 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"  # none of the lab's
    document["status"]["addresses"] = [{"type": "InternalIP", "address": address}]
    return document


async def _wait(place: _Place, what: str, check: Callable[[], bool]) -> None:
    """Return once something is so; a role that lost its lead on a busy machine is started again."""
    end = time.perf_counter() + _DEADLINE_SECONDS
    while not check():
        if time.perf_counter() > end:
            raise TimeoutError(f"{what}: not so within {_DEADLINE_SECONDS:g} s")
        place.revive()
        await asyncio.sleep(0.002)


class _Watched:
    """What the benchmark itself sees of the Nodes: how many have their podCIDRs."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.served: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        listing = await self._store.list(NODE)
        self._take(listing.items)
        self._task = asyncio.create_task(self._follow(listing.version))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _follow(self, version: str) -> None:
        async for batch in self._store.watch(NODE, version):
            self._take([change.resource for change in batch if change.resource is not None])

    def _take(self, nodes: Any) -> None:
        self.served |= {each.meta.name for each in nodes if each.spec is not None and each.spec.pod_cidrs}


def _single(number: int, pool: str) -> tuple[str, str, dict[str, Any]]:
    """Return name, address and object of a Node in the lab's first rack."""
    name, address = f"bench-{number}", f"10.0.1.{101 + number % 100}"
    document = _member(0, pool)
    document["metadata"]["name"] = name
    document["status"]["addresses"] = [{"type": "InternalIP", "address": address}]
    return name, address, document


async def _created(place: _Place, bare: BareClient, number: int, figures: Figures) -> None:
    """Time a new Node, to which the controller gives its podCIDRs."""
    name, address, document = _single(number, "lab")
    begun = time.perf_counter()
    await bare.send("POST", "/api/v1/nodes", document)
    await live.until(place, address, there=True)
    note(figures, "Node created, allocated, in FRR's table, ms", 1000 * (time.perf_counter() - begun))
    await _gone(place, bare, name, address, figures)


async def _given(place: _Place, bare: BareClient, number: int, figures: Figures) -> None:
    """Time podCIDRs that somebody else gives: from the one PATCH on."""
    name, address, document = _single(number, "nobody")
    await bare.send("POST", "/api/v1/nodes", document)
    await asyncio.sleep(random.uniform(0.1, 0.3))  # noqa: S311 - so that no timer keeps step
    cidr = f"100.127.{number % 250}.0/24"
    begun = time.perf_counter()
    await bare.send("PATCH", f"/api/v1/nodes/{name}", {"spec": {"podCIDRs": [cidr], "podCIDR": cidr}}, _MERGE)
    await live.until(place, address, there=True)
    note(figures, "Node gets podCIDRs until in FRR's table, ms (<=30, p99 <=100)", 1000 * (time.perf_counter() - begun))
    await _gone(place, bare, name, address, figures)


async def _gone(place: _Place, bare: BareClient, name: str, address: str, figures: Figures) -> None:
    await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - so that no timer keeps step
    begun = time.perf_counter()
    await bare.send("DELETE", f"/api/v1/nodes/{name}", {})
    await live.until(place, address, there=False)
    note(
        figures, "Node deleted until gone from FRR's table, ms (<=85, p99 <=160)", 1000 * (time.perf_counter() - begun)
    )
    await asyncio.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - the same


async def _thousands(place: _Place, bare: BareClient, watched: _Watched, figures: Figures) -> None:
    """Let thousands of Nodes come at once, and compare how they are served with what a bare client reaches."""
    seconds = await at_once(lambda number: bare.send("POST", "/api/v1/nodes", _member(number, "big")), NODES)
    note(figures, f"bare client: {NODES} Nodes created, a second", NODES / seconds)
    patch = {"metadata": {"labels": {"bench": "1"}}}
    seconds = await at_once(lambda number: bare.send("PATCH", f"/api/v1/nodes/node-{number:05}", patch, _MERGE), NODES)
    theirs = NODES / seconds
    note(figures, "bare client: PATCHes of the same Nodes a second", theirs)
    names = {f"node-{number:05}" for number in range(NODES)}
    place.admin_server.request("POST", _RANGES, _range("big", "100.64.0.0/11", "big"))
    await _wait(place, "the first to be served", lambda: bool(names & watched.served))
    before, begun = len(names & watched.served), time.perf_counter()
    await _wait(place, "podCIDRs on all Nodes", lambda: names <= watched.served)
    ours = (NODES - before) / (time.perf_counter() - begun)
    note(figures, "controller: Nodes that get podCIDRs, a second", ours)
    note(figures, "that, % of the bare client's PATCHes (>=80)", 100 * ours / theirs)
    last = time.perf_counter()

    await _wait(place, "all routes in FRR", lambda: _accepted(place) >= NODES)
    note(figures, "the last podCIDRs until the last route in FRR, s (<=5)", time.perf_counter() - last)


def _accepted(place: _Place) -> int:
    """Return how many routes FRR has from the session that has the fewest."""
    return min(int(each.accepted.get(Family.IPV4, 0)) for each in place.sessions().values())


async def _range_added(place: _Place, bare: BareClient, watched: _Watched, figures: Figures) -> None:
    """Time a range that is added to a cluster whose Nodes wait for one."""
    for run in range(3):
        pool, waiting = f"wait-{run}", 20
        numbers = range(90000 + run * waiting, 90000 + (run + 1) * waiting)
        for number in numbers:
            await bare.send("POST", "/api/v1/nodes", _member(number, pool))
        await asyncio.sleep(1.0)
        begun = time.perf_counter()
        place.admin_server.request("POST", _RANGES, _range(pool, f"100.{100 + run}.0.0/16", pool))
        names = {f"node-{number:05}" for number in numbers}
        await _wait(place, "the waiting Nodes to be served", lambda names=names: names <= watched.served)
        note(figures, "range added until 20 waiting Nodes have podCIDRs, s (<=1)", time.perf_counter() - begun)


async def _heartbeats(place: _Place, bare: BareClient, figures: Figures) -> None:
    """Let kubelets report a thousand times a minute, and look at who takes note of it."""
    roles = {
        "controller": place.roles["controller"],
        "speaker": place.speaker("node-01"),
        "admin": place.roles["admin"],
    }

    def updates() -> int:
        return sum(each.received.get("updates", 0) for each in place.sessions().values())

    await asyncio.sleep(5)
    before, heard, begun = {name: cpu_seconds(each.pid) for name, each in roles.items()}, updates(), time.perf_counter()
    for beat in range(_HEARTBEATS):
        due = begun + beat * _HEARTBEAT_SECONDS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        ready = {
            "type": "Ready",
            "status": "True",
            "lastHeartbeatTime": f"2026-11-24T10:{beat // 60:02}:{beat % 60:02}Z",
        }
        path = f"/api/v1/nodes/node-{beat * 7 % NODES:05}/status"
        await bare.send("PATCH", path, {"status": {"conditions": [ready]}}, _MERGE)
    seconds = time.perf_counter() - begun
    for name, each in roles.items():
        share = 100 * (cpu_seconds(each.pid) - before[name]) / seconds
        note(figures, f"{name}, {_HEARTBEATS / seconds * 60:.0f} heartbeats a minute: CPU, % (<2)", share)
        note(figures, f"{name}, {NODES} Nodes: RSS, MB", resident(each.pid))
    note(figures, "BGP messages for heartbeats (0)", updates() - heard)


@contextmanager
def _placed() -> Any:
    remove_leftovers()
    with tempfile.TemporaryDirectory() as home, Sandbox() as sandbox, api_servers(2) as (admin, user):
        chart = Chart(Path(home))
        chart.install(admin, ADMIN_CLUSTER)
        chart.install(user, USER_CLUSTER)
        place = _Place(sandbox, _manifests(), admin, user, gobgpd_binary=gobgpd_binary())
        try:
            place.start(_SETTLE_SECONDS)
            place.await_sessions(_SETTLE_SECONDS)
            place.await_routes(deadline=_SETTLE_SECONDS)
            yield place
        except Exception:  # whatever it was: the logs say why, and go with the sandbox
            for log, text in sandbox.logs(60).items():
                print(f"--- {log}\n{text}", file=sys.stderr)
            raise


async def _measure(place: _Place, changes: int, figures: Figures) -> None:
    store = open_store(place.stores.user)
    try:
        async with aiohttp.ClientSession() as session, _Watched(store) as watched:
            bare = BareClient(place.user_server, session)
            for number in range(-1, changes):  # the first one opens connections
                await _created(place, bare, number, figures if number >= 0 else {})
            await _range_added(place, bare, watched, figures)
            await _thousands(place, bare, watched, figures)
            await _heartbeats(place, bare, figures)
            await at_once(lambda number: bare.send("DELETE", f"/api/v1/nodes/node-{number:05}", {}), NODES)
            routes = "/apis/networking.gke.io/v1/bgpadvertisedroutes?limit=500"
            await _wait(
                place, "their routes to go", lambda: len(place.user_server.request("GET", routes)["items"]) < _FEW
            )
            # From here on the controller sees podCIDRs that it did not give, and gives none itself.
            for number in range(changes):
                await _given(place, bare, number, figures)
    finally:
        await store.close()


def measure(changes: int) -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    with _placed() as place:
        asyncio.run(_measure(place, changes, figures))
    figures |= kubeidle.measure()
    return figures
