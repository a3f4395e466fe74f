"""``flatbgp lab kill-gateway``: a node that holds a floating IP loses power while pods of other nodes talk.

What a person sees: when the address is on another node, when each router's session with it is Established again, that
no ping is lost meanwhile and that no router loses a route; then the machine comes back.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from flatbgp.lab import views
from flatbgp.lab.commands import LabError, run
from flatbgp.lab.lifecycle import Lab, Software
from flatbgp.lab.network import NODE_INTERFACE, pod_address
from flatbgp.lab.pings import Ping, start_pings
from flatbgp.lab.processes import kill_all
from flatbgp.lab.stores import documents
from flatbgp.lab.topology import Node
from flatbgp.lab.vty import Vty
from flatbgp.planning.gateway.records import read_lease
from flatbgp.planning.holdings import lease_address
from flatbgp.resources.codec import decode
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.lease import LEASE

PATIENCE: Final = 45.0
"""Seconds until the sessions must be back: a Lease, the claim, and gobgpd 3.10's 5 to 10 s until Established."""

_VTY: Final = "bgpd.vty"
_LOOK: Final = 0.02
_TELL: Final = 1.0
_AFTERWARDS: Final = 1.0
"""For how long the pings go on once all is well again."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Who dies, what it holds, who can take it over, and which pods talk meanwhile."""

    victim: Node
    addresses: tuple[IPAddress, ...]
    heirs: tuple[Node, ...]
    here: str
    source: IPAddress
    target: IPAddress


@dataclass(slots=True)
class Watched:
    """What has been seen so far: the sessions as they were, and what is back (seconds after the power went).

    ``replaced`` are sessions that their heir cannot have, since it has one with that router from another address.
    """

    sessions: Mapping[tuple[str, IPAddress], int]
    routes: Mapping[str, frozenset[IPNetwork]]
    moved: dict[IPAddress, float] = field(default_factory=dict)
    established: dict[tuple[str, IPAddress], float] = field(default_factory=dict)
    replaced: set[tuple[str, IPAddress]] = field(default_factory=set)
    missed: set[tuple[str, IPNetwork]] = field(default_factory=set)

    @property
    def awaited(self) -> set[tuple[str, IPAddress]]:
        """The sessions that are not back yet."""
        return self.sessions.keys() - self.established.keys() - self.replaced


class PowerCut:
    """One run on a lab that is up. ``say`` takes the lines that it shows; :meth:`run` returns what went wrong."""

    def __init__(self, lab: Lab, say: Callable[[str], None]) -> None:
        """``lab`` must run, with FRR as its routers' software."""
        if lab.software is not Software.FRR:
            raise LabError(
                "this looks into the tables of FRR, and the routers of this lab run BIRD: "
                "'flatbgp lab down', then 'flatbgp lab up' without --router"
            )
        self._lab = lab
        self._say = say
        self._vtys = {router.name: Vty(lab.directory / router.name / _VTY) for router in lab.topology.routers}

    def run(self, node: str | None = None) -> list[str]:
        """Cut the power of ``node``, or of the first holder that another node can replace, and bring it back."""
        scene = self._scene(node)
        watched = self._before(scene)
        log = self._lab.directory / "ping.log"
        ping = start_pings(self._lab.network.namespace(scene.here), scene.source, scene.target, log)
        try:
            self._say(self._introduction(scene))
            with self._without_power(scene.victim) as since:
                self._watch(scene, watched, ping, since)
            result = ping.stop()
        finally:
            ping.process.kill()
            for vty in self._vtys.values():
                vty.close()
        self._say(
            f"{result.sent} pings sent, {len(result.lost)} lost; the longest time between two answers was "
            f"{result.longest_gap * 1000:.0f} ms (one was sent every 10 ms)"
        )
        self._say(self._about_routes(watched))
        self._say(f"{scene.victim.name} is back. It takes nothing back: a healthy holder keeps what it has.")
        return [*self._problems(watched), *([f"{len(result.lost)} pings were lost"] if result.lost else [])]

    # --- who

    def _scene(self, wanted: str | None) -> Scene:
        nodes = {node.name: node for node in self._lab.topology.nodes}
        if wanted is not None and wanted not in nodes:
            raise LabError(f"there is no node {wanted} in this lab; there are {', '.join(nodes)}")
        holdings = self._holdings()
        for name in [wanted] if wanted is not None else dict.fromkeys(holdings.values()):
            victim, addresses = nodes[name], tuple(each for each, holder in holdings.items() if holder == name)
            heirs = tuple(each for each in nodes.values() if each.rack == victim.rack and each is not victim)
            if addresses and heirs:
                return Scene(victim, addresses, heirs, *self._talkers(victim, heirs))
        if wanted is None:
            raise LabError("no node holds a floating IP that another node of its rack could take over (yet)")
        if wanted not in holdings.values():
            held = ", ".join(f"{address} on {holder}" for address, holder in holdings.items()) or "none is held yet"
            raise LabError(f"{wanted} holds no floating IP ({held})")
        raise LabError(f"{wanted} is the only node of {nodes[wanted].rack}, so nobody could take its floating IP over")

    def _holdings(self) -> dict[IPAddress, str]:
        """Return which node holds which floating IP, by the Leases."""
        leases = [decode(LEASE, dict(each)) for each in documents(self._lab.stores.user, LEASE).values()]
        found = {lease_address(lease): read_lease(lease).content.holder for lease in leases}
        names = {node.name for node in self._lab.topology.nodes}
        return {address: holder for address, holder in found.items() if address is not None and holder in names}

    def _talkers(self, victim: Node, heirs: tuple[Node, ...]) -> tuple[str, IPAddress, IPAddress]:
        """Return two pods on nodes that live on, in different racks where there are two."""
        pods = {
            name: {Family.of(cidr): pod_address(cidr) for cidr in reversed(cidrs)}
            for name, cidrs in self._lab.pod_cidrs().items()
            if name != victim.name
        }
        others = [node for node in self._lab.topology.nodes if node not in (victim, heirs[0])]
        for other in sorted(others, key=lambda node: node.rack == victim.rack):
            for family in Family:
                source, target = (pods.get(name, {}).get(family) for name in (heirs[0].name, other.name))
                if source is not None and target is not None:
                    return heirs[0].name, source, target
        raise LabError(f"besides {victim.name} there are no two nodes with pods, which could ping each other")

    def _introduction(self, scene: Scene) -> str:
        return (
            f"{scene.victim.name} holds {_listed(scene.addresses)}; "
            f"{_listed(node.name for node in scene.heirs)} can take over. A pod on {scene.here} ({scene.source}) pings "
            f"{scene.target} 100 times a second."
        )

    # --- what happens

    def _before(self, scene: Scene) -> Watched:
        sessions = {
            (router, address): session.established
            for router, vty in self._vtys.items()
            for address, session in views.sessions(vty).items()
            if address in scene.addresses and session.up
        }
        if not sessions:
            raise LabError(f"no router has a session with {_listed(scene.addresses)} yet: see 'flatbgp lab status'")
        return Watched(sessions, {router: self._prefixes(vty) for router, vty in self._vtys.items()})

    @contextmanager
    def _without_power(self, victim: Node) -> Iterator[float]:
        """Cut the power of a machine, and let it come back as after a reboot, whatever happened meanwhile."""
        lab = self._lab
        records = lab.recorded(victim.name)
        since = time.monotonic()
        lab.network.set_cable(victim, plugged=False)
        kill_all(records)
        self._tell(since, f"power off: {victim.name} has lost its link, its gobgpd and its speaker", at=0.0)
        try:
            yield since
        finally:
            self._forget_addresses(victim)
            lab.network.set_cable(victim, plugged=True)
            lab.start_gobgpd(victim.name)
            lab.start_speaker(victim.name)

    def _forget_addresses(self, victim: Node) -> None:
        """Take off what a reboot would not bring back: the kernel has done so by now, unless we were interrupted."""
        namespace = self._lab.network.namespace(victim.name)
        for address in self._holdings():
            if self._has(victim.name, address):
                namespace.ip(f"address delete {address} dev {NODE_INTERFACE}")

    def _watch(self, scene: Scene, watched: Watched, ping: Ping, since: float) -> None:
        """Look until all is well again and some more, or until patience ends; say what happens when it happens."""
        tell, end = since + _TELL, since + PATIENCE
        while (now := time.monotonic()) < end:
            if now >= tell:
                tell += _TELL
                sent, lost = ping.so_far()
                self._tell(since, f"{sent} pings sent, {lost} lost")
            if self._look(scene, watched, since):
                end = min(end, now + _AFTERWARDS)
            time.sleep(_LOOK)

    def _look(self, scene: Scene, watched: Watched, since: float) -> bool:
        """Take in how it is now; return whether all is well again."""
        for address in scene.addresses:
            if address not in watched.moved:
                heir = next((node.name for node in scene.heirs if self._has(node.name, address)), None)
                if heir is not None:
                    watched.moved[address] = self._tell(since, f"{address} is on {heir}")
        for router, vty in self._vtys.items():
            watched.missed.update((router, prefix) for prefix in watched.routes[router] - self._prefixes(vty))
            sessions = views.sessions(vty)
            for place in [each for each in watched.awaited if each[0] == router]:
                session = sessions.get(place[1])
                if session is not None and session.up and session.established > watched.sessions[place]:
                    watched.established[place] = self._tell(since, f"{router}: session with {place[1]} Established")
                elif place[1] in watched.moved and (other := self._other_session(place[1], sessions)) is not None:
                    watched.replaced.add(place)
                    self._tell(since, f"{router}: session with {other} instead, which is on the same node")
        return len(watched.moved) == len(scene.addresses) and not watched.awaited

    def _other_session(self, address: IPAddress, sessions: Mapping[IPAddress, views.RouterSession]) -> IPAddress | None:
        """Return from which other address the holder of ``address`` has a session: a node has one with a router."""
        holdings = self._holdings()
        return next(
            (
                other
                for other, holder in holdings.items()
                if other != address and holder == holdings.get(address) and other in sessions and sessions[other].up
            ),
            None,
        )

    def _tell(self, since: float, text: str, at: float | None = None) -> float:
        seconds = time.monotonic() - since if at is None else at
        self._say(f"  {seconds:6.2f} s  {text}")
        return seconds

    def _has(self, node: str, address: IPAddress) -> bool:
        """Whether a machine has an address configured."""
        shown = run(("ip", "-n", self._lab.network.namespace(node).name, "-o", "address", "show", "to", str(address)))
        return bool(shown)

    @staticmethod
    def _prefixes(vty: Vty) -> frozenset[IPNetwork]:
        return frozenset(prefix for family in Family for prefix in views.routes(vty, family))

    # --- what came of it

    def _about_routes(self, watched: Watched) -> str:
        if not watched.missed:
            return f"no router missed any of its {max(map(len, watched.routes.values()))} routes at any moment"
        return "missed for a while: " + ", ".join(sorted(f"{prefix} at {router}" for router, prefix in watched.missed))

    def _problems(self, watched: Watched) -> Iterator[str]:
        for router, address in sorted(watched.awaited, key=str):
            yield f"{router}'s session with {address} was not back after {PATIENCE:g} s"
        if watched.missed:
            yield self._about_routes(watched)


def _listed(things: Iterable[object]) -> str:
    return ", ".join(map(str, things))
