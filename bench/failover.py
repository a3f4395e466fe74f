"""Failover under traffic: how long until the address and its session are on another node, and what it costs.

Each fault is done many times on one cluster; afterwards all is made whole again, and the next one to fail is the new
holder. Times count from the moment of the fault. The address counts from the kernel's own word, the session from the
router's: Established anew. Pings run at 100 a second between pods of nodes that live on.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Final

from bench_cluster import await_sessions, cluster_of, gobgpd_binary
from figures import Figures, note
from kernels import Kernels

from flatbgp.lab import views
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.node import DRAIN_ANNOTATION, NODE
from flatbgp.store.url import open_store
from support.cluster import Cluster, example
from support.ping import Ping, start_ping

ADDRESS: Final = ip_address("10.0.1.100")
_PAIR: Final = {"node-01": "node-03", "node-03": "node-01"}
_FAR: Final = "node-02"
_ROUTER: Final = "router-1"
_LOOK_SECONDS: Final = 0.01
_DEADLINE_SECONDS: Final = 60.0
_BACK_SECONDS: Final = 2.0
"""What a machine that came back gets, to be ready to take over."""

_AFTERWARDS_SECONDS: Final = 1.0
"""For how long the pings go on once all is well again, so that a silence has an end."""

_STEADY_SECONDS: Final = 2.0
"""For how long nothing may have moved once a restarted process is back."""

ADDRESS_MOVED: Final = "address on another node, s"
ESTABLISHED: Final = "session Established, s"
EVERYWHERE: Final = "sessions of every router Established, s"
LOST: Final = "pings lost"
SILENCE: Final = "longest silence between answers, s"
MISSED: Final = "seconds in which the router missed a route"
RESETS: Final = "session resets"
DOUBLES: Final = "seconds with two holders"
MOVES: Final = "times the address left its node"


class Place:
    """A cluster, and what is seen of it: the kernels' addresses, the routers' sessions and routes."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.kernels = Kernels(ADDRESS, {node: cluster.network.namespace(node) for node in _PAIR})

    def holder(self) -> str:
        """Return the one node that has the address, as soon as it is one."""
        (node,) = wait_until(
            "one holder", self.kernels.holders, lambda nodes: len(nodes) == 1, deadline=_DEADLINE_SECONDS
        )
        return node

    def pod(self, node: str) -> IPAddress:
        """Return the address of a node's pod."""
        return next(each for each in self.cluster.pods[node] if Family.of(each) is Family.IPV4)

    def ping(self, here: str, there: str) -> Ping:
        """Ping between two pods."""
        namespace = self.cluster.network.namespace(here)
        return start_ping(self.cluster.sandbox, namespace, self.pod(here), self.pod(there))

    def established(self) -> dict[str, int]:
        """Return how often each router's session with the address, where it is up, has been Established."""
        seen = {router: self.cluster.sessions(router).get(ADDRESS) for router in self.cluster.routers}
        return {router: each.established for router, each in seen.items() if each is not None and each.up}

    def routes(self) -> views.RouteSet:
        """Return what the rack's router has by the session with the address."""
        return views.routes(self.cluster.routers[_ROUTER].vty, of=ADDRESS)


@dataclass(slots=True)
class Watch:
    """What is seen from a fault on."""

    place: Place
    node: str
    sessions: Mapping[str, int]
    routes: views.RouteSet
    since: float = 0.0
    address: float | None = None
    back: dict[str, float] = field(default_factory=dict)
    missed: float = 0.0
    _looked: float = 0.0

    def until_back(self) -> None:
        """Look until every router's session is Established anew."""
        self._looked = time.monotonic()
        wait_until("the sessions", self._look, deadline=_DEADLINE_SECONDS, interval=_LOOK_SECONDS)

    def _look(self) -> bool:
        came = self.place.kernels.nodes[_PAIR[self.node]].came
        if self.address is None and came and came[-1] > self.since:
            self.address = came[-1] - self.since
        missing = self.place.routes() != self.routes
        now = time.monotonic()
        if missing:
            self.missed += now - self._looked
        self._looked = now
        for router, count in self.place.established().items():
            if router not in self.back and count > self.sessions.get(router, 0):
                self.back[router] = now - self.since
        return self.back.keys() >= self.sessions.keys()

    def note(self, figures: Figures) -> None:
        """Keep the samples."""
        if self.address is not None:
            note(figures, ADDRESS_MOVED, self.address)
        note(figures, ESTABLISHED, self.back[_ROUTER])
        if len(self.back) > 1:
            note(figures, EVERYWHERE, max(self.back.values()))
        note(figures, MISSED, self.missed)


Fault = Callable[[Place, str], None]
"""What is done to the holder."""


def _take_over(fault: Fault, repair: Fault, place: Place, figures: Figures, *, reachable: bool = True) -> None:
    """Do something that makes the address move; the old holder may be ``reachable`` on the LAN or not."""
    node = place.holder()
    watch = Watch(place, node, place.established(), place.routes())
    ping = place.ping(_PAIR[node], _FAR)
    time.sleep(random.uniform(0, 1))  # noqa: S311 - at any moment between two renewals
    watch.since = time.monotonic()
    fault(place, node)
    watch.until_back()
    watch.note(figures)
    wait_until("the routes", lambda: place.routes() == watch.routes, deadline=_DEADLINE_SECONDS)
    time.sleep(_AFTERWARDS_SECONDS)
    result = ping.stop()
    note(figures, LOST, len(result.lost))
    note(figures, SILENCE, result.longest_gap)
    if reachable:
        note(figures, DOUBLES, place.kernels.doubles(watch.since))
    repair(place, node)


def _restart(fault: Fault, place: Place, figures: Figures, *, session: bool) -> None:
    """Restart something that must keep the address; ``session`` says whether the session has to be opened anew."""
    node = place.holder()
    watch = Watch(place, node, place.established(), place.routes())
    kernel = place.kernels.nodes[node]
    began = len(kernel.went)
    ping = place.ping(_PAIR[node], _FAR)
    time.sleep(random.uniform(0, 1))  # noqa: S311 - at any moment between two renewals
    watch.since = time.monotonic()
    fault(place, node)
    if session:
        watch.until_back()
        watch.note(figures)
    end = time.monotonic() + _STEADY_SECONDS
    wait_until("the steady state", lambda: time.monotonic() >= end, deadline=_DEADLINE_SECONDS, interval=_LOOK_SECONDS)
    note(figures, MOVES, len(kernel.went) - began)
    if not session:
        note(figures, RESETS, sum(place.established().get(router) != count for router, count in watch.sessions.items()))
    note(figures, LOST, len(ping.stop().lost))


# --- faults


def _power_off(place: Place, node: str) -> None:
    place.cluster.cut(node, off=True)
    place.cluster.gobgpds[node].kill()
    place.cluster.speaker(node).kill()


def _power_on(place: Place, node: str) -> None:
    """Let a machine come back once the kernel has taken the address off it, as a reboot would have."""
    wait_until("the address to go", lambda: node not in place.kernels.holders(), deadline=_DEADLINE_SECONDS)
    place.cluster.cut(node, off=False)
    place.cluster.start_gobgpd(node)
    _start_speaker(place, node)


def _stop_speaker(place: Place, node: str) -> None:
    place.cluster.speaker(node).signal(signal.SIGTERM)


def _start_speaker(place: Place, node: str) -> None:
    if place.cluster.speaker(node).stop() not in (0, -signal.SIGKILL):
        raise RuntimeError(place.cluster.speaker(node).output)
    place.cluster.start_speaker(node)
    time.sleep(_BACK_SECONDS)


def _drain(place: Place, node: str) -> None:
    _annotate(place, node, "true")


def _undrain(place: Place, node: str) -> None:
    _annotate(place, node, None)
    time.sleep(_BACK_SECONDS)


def _annotate(place: Place, node: str, value: str | None) -> None:
    """Do what ``flatbgp drain`` and ``kubectl annotate`` do, without the time that a program takes to start."""

    async def write() -> None:
        store = open_store(place.cluster.stores.user)
        try:
            await store.patch(NODE, node, "", {"metadata": {"annotations": {DRAIN_ANNOTATION: value}}})
        finally:
            await store.close()

    asyncio.run(write())


def _restart_speaker(place: Place, node: str) -> None:
    place.cluster.speaker(node).kill()
    time.sleep(random.uniform(0, 0.5))  # noqa: S311 - with the start of the program it makes up to 1.5 s
    place.cluster.start_speaker(node)
    wait_until("the address to be adopted", lambda: "address held" in place.cluster.speaker(node).output)


def _restart_gobgpd(place: Place, node: str) -> None:
    place.cluster.gobgpds[node].kill()
    place.cluster.start_gobgpd(node)


# --- what is measured

Run = Callable[[Place, Figures], None]
_FAST: Final = ("--lease-duration", "2s", "--renew-interval", "0.5s")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fault, on what, and what its figures must not exceed (name of the figure: p50 and p99)."""

    title: str
    run: Run
    gobgp: str = "4.8"
    timings: Sequence[str] = ()
    graceful_restart: bool = True
    sessions: int = 2
    bounds: Mapping[str, tuple[float | None, float]] = field(default_factory=dict)


_NONE_LOST: Final[Mapping[str, tuple[float | None, float]]] = {LOST: (0, 0), MISSED: (0, 0)}
_PLANNED: Final[Mapping[str, tuple[float | None, float]]] = {
    **_NONE_LOST,
    DOUBLES: (0, 0),
    ADDRESS_MOVED: (None, 1.5),
    ESTABLISHED: (None, 5.0),
}
_power = partial(_take_over, _power_off, _power_on, reachable=False)

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "power-off": Scenario("power off", _power, bounds={**_NONE_LOST, ESTABLISHED: (7.0, 9.5)}),
    "power-off-fast": Scenario(
        "power off, fast profile", _power, timings=_FAST, bounds={**_NONE_LOST, ESTABLISHED: (4.3, 6.5)}
    ),
    "power-off-v3": Scenario("power off", _power, gobgp="3.10", bounds=_NONE_LOST),
    "power-off-fast-v3": Scenario("power off, fast profile", _power, gobgp="3.10", timings=_FAST, bounds=_NONE_LOST),
    "stop": Scenario(
        "orderly stop of the speaker", partial(_take_over, _stop_speaker, _start_speaker), bounds=_PLANNED
    ),
    "drain": Scenario("drain", partial(_take_over, _drain, _undrain), bounds=_PLANNED),
    "drain-v3": Scenario("drain", partial(_take_over, _drain, _undrain), gobgp="3.10", bounds=_NONE_LOST),
    "speaker": Scenario(
        "speaker killed and started again",
        partial(_restart, _restart_speaker, session=False),
        bounds={LOST: (0, 0), RESETS: (0, 0), MOVES: (0, 0)},
    ),
    "gobgpd": Scenario(
        "gobgpd killed and started again",
        partial(_restart, _restart_gobgpd, session=True),
        bounds={**_NONE_LOST, MOVES: (0, 0), ESTABLISHED: (None, 5.0)},
    ),
    "gobgpd-v3": Scenario(
        "gobgpd killed and started again",
        partial(_restart, _restart_gobgpd, session=True),
        gobgp="3.10",
        bounds={**_NONE_LOST, MOVES: (0, 0)},
    ),
    "no-gr": Scenario("power off, router without graceful restart", _power, graceful_restart=False, sessions=1),
    "no-gr-two": Scenario(
        "power off, routers without graceful restart, two sessions each",
        _power,
        graceful_restart=False,
        bounds={LOST: (0, 0)},
    ),
}


def measure(name: str, runs: int) -> Figures:
    """Return the samples of every figure of a scenario."""
    scenario = SCENARIOS[name]
    figures: Figures = {}
    manifests = example("single-stack-ipv4").replace("sessions: 2", f"sessions: {scenario.sessions}")
    binary = gobgpd_binary() if scenario.gobgp == "4.8" else None
    sessions = scenario.sessions if scenario.sessions == 1 else None
    with cluster_of(manifests, binary, speaker=scenario.timings, sessions=sessions) as lab:
        if not scenario.graceful_restart:
            _forget_graceful_restart(lab)
            await_sessions(lab, sessions)
            lab.await_routes()
        place = Place(lab)
        try:
            for _ in range(runs):
                scenario.run(place, figures)
        finally:
            place.kernels.close()
    return figures


def _forget_graceful_restart(lab: Cluster) -> None:
    """Make the routers end graceful restart, also as helpers, and open all sessions anew."""
    for router in lab.topology.routers:
        lab.routers[router.name].vty.configure(
            f"router bgp {router.asn}", "no bgp graceful-restart", "bgp graceful-restart-disable"
        )
        lab.routers[router.name].vty.execute("clear bgp *")
