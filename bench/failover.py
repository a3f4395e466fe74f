"""A gateway loses power: how long until its session is Established from another node, and how many pings that costs.

Default timings. The machine's cable is pulled at the switch and all that runs on it is killed; the clock stops when the
router says that the session is Established anew. Afterwards the machine comes back, and the next one to die is the new
holder.
"""

import random
import time
from ipaddress import ip_address

from bench_cluster import cluster
from figures import Figures, note

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from support.cluster import Cluster
from support.ping import start_ping

_RACK_1 = ip_address("10.0.1.100")
_PAIR = {"node-01": "node-03", "node-03": "node-01"}
_LOOK_SECONDS = 0.005
_DEADLINE_SECONDS = 60.0
_BACK_SECONDS = 3.0
"""What a machine that came back gets, to be ready to take over."""


def _has_address(place: Cluster, node: str) -> bool:
    return f" {_RACK_1}/32 " in place.network.namespace(node).run("ip", "-o", "-4", "address", "show")


def _pod(place: Cluster, node: str) -> IPAddress:
    return next(each for each in place.pods[node] if Family.of(each) is Family.IPV4)


def _fail(place: Cluster, figures: Figures) -> None:
    dead = next(node for node in _PAIR if _has_address(place, node))
    alive = _PAIR[dead]
    expected, before = place.routes(), place.sessions()[_RACK_1].established
    ping = start_ping(place.sandbox, place.network.namespace(alive), _pod(place, alive), _pod(place, "node-02"))
    time.sleep(random.uniform(0, 1))  # noqa: S311 - at any moment between two renewals
    begun = time.perf_counter()
    place.cut(dead, off=True)
    place.gobgpds[dead].kill()
    place.speaker(dead).kill()
    taken: float | None = None
    flushed = False

    def established() -> bool:
        nonlocal taken, flushed
        if taken is None and _has_address(place, alive):
            taken = time.perf_counter()
        flushed = flushed or place.routes() != expected
        session = place.sessions()[_RACK_1]
        return session.up and session.established > before

    wait_until("the new session", established, deadline=_DEADLINE_SECONDS, interval=_LOOK_SECONDS)
    done = time.perf_counter()
    if taken is not None:
        note(figures, "power off until the address is on another node, s", taken - begun)
    note(figures, "power off until Established from another node, s (<=7, worst <=10.5)", done - begun)
    place.await_routes()
    result = ping.stop()
    note(figures, "pings lost between living nodes (0)", len(result.lost))
    note(figures, "take-overs during which FRR missed a route (0)", float(flushed))
    _restore(place, dead)


def _restore(place: Cluster, node: str) -> None:
    """Let a machine come back once the kernel has taken the address off it, as a reboot would have."""
    wait_until("the address to go", lambda: not _has_address(place, node), deadline=_DEADLINE_SECONDS)
    place.cut(node, off=False)
    place.start_gobgpd(node)
    place.start_speaker(node)
    time.sleep(_BACK_SECONDS)


def measure(failovers: int) -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    with cluster("single-stack-ipv4") as place:
        for _ in range(failovers):
            _fail(place, figures)
    return figures
