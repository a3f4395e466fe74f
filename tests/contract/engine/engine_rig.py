"""An engine with two routers, in memory or for real, so that one suite can hold both to the same behaviour."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from engine_actions import perform
from engine_network import EBGP, LOCAL_ASN, R1, R1_ASN, R2, R2_ASN, Daemon, Network, local

from flatbgp.engine.diff import (
    Action,
    diff,
)
from flatbgp.engine.fake import FakeEngine
from flatbgp.engine.gobgp import GobgpEngine
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.connection import Connection
from flatbgp.engine.model import Desired, Neighbor, NeighborState, Path, SessionState
from flatbgp.engine.protocol import Engine
from flatbgp.lab.commands import run
from flatbgp.resources.ip import Family, IPAddress

ROUTER_ID = IPv4Address("192.0.2.1")
MARKER = "store-1/node-01"


async def eventually(
    what: str, probe: Callable[[], Any], holds: Callable[[Any], object] = bool, deadline: float = 25.0
) -> Any:
    """Look until a condition holds. ``probe`` may be a coroutine function."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while True:
        seen = probe()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if holds(seen):
            return seen
        if loop.time() > end:
            raise AssertionError(f"waited {deadline:g} s for {what}; last seen: {seen}")
        await asyncio.sleep(0.02)  # between two looks, within the deadline


def path(prefix: str, next_hop: str = "") -> Path:
    """Return a path; every node here is on the routers' LAN."""
    default = "10.99.0.77" if "." in prefix else "2001:db8:99::77"
    return Path(ip_network(prefix), ip_address(next_hop or default))


def paths(*prefixes: str) -> list[Path]:
    return [path(prefix) for prefix in prefixes]


@asynccontextmanager
async def by_hand(target: str) -> AsyncIterator[tuple[Connection, Codec]]:
    """A connection for what no engine would do."""
    connection = Connection(target)
    try:
        yield connection, await connection.codec()
    finally:
        await connection.close()


class Rig(ABC):
    """An engine, and what its routers see."""

    engine: Engine
    local: IPv4Address

    def neighbor(self, router: IPAddress = R1, **settings: Any) -> Neighbor:
        """Return the session with one of the routers as it is usually asked for."""
        asn = {R1: R1_ASN, R2: R2_ASN}[IPv4Address(str(router))]
        return Neighbor(
            **{"address": router, "local_address": self.local, "local_asn": LOCAL_ASN, "peer_asn": asn} | settings
        )

    def desired(self, neighbors: Iterable[Neighbor] = (), routes: Iterable[Path] = ()) -> Desired:
        return Desired(ROUTER_ID, MARKER, {n.address: n for n in neighbors}, {p.prefix: p for p in routes})

    async def reach(self, desired: Desired) -> tuple[Action, ...]:
        """Do what leads to ``desired``, and return what that was."""
        actions = diff(desired, await self.engine.observe())
        await perform(self.engine, actions)
        return actions

    async def start(self) -> None:
        await self.engine.start(ROUTER_ID, MARKER)

    async def state(self, router: IPAddress = R1) -> NeighborState:
        return (await self.engine.neighbors())[router]

    async def has_routes(self, router: IPAddress, expected: Iterable[Path]) -> None:
        """Wait until a router has exactly these routes from us."""
        wanted = {str(p.prefix): str(p.next_hop) for p in expected}
        await eventually(f"{router} to have {wanted}", lambda: self.routes(router), lambda seen: seen == wanted)

    @abstractmethod
    async def up(self, *routers: IPAddress) -> None:
        """Wait until sessions are Established (or make them so)."""

    @abstractmethod
    def routes(self, router: IPAddress) -> Mapping[str, str]:
        """Return the routes that a router has from the session that is up: prefix to next hop."""

    @abstractmethod
    def updates(self, router: IPAddress) -> int:
        """Return how many updates a router has heard from us."""

    @abstractmethod
    def session(self, router: IPAddress) -> object:
        """Return something that differs between one session and the next; ``None`` without one."""

    @abstractmethod
    def ceases(self, router: IPAddress) -> int:
        """Return how many times a router heard that we end the session."""

    @abstractmethod
    def cut(self) -> None:
        """Make sure that nothing of our sessions can leave any more, as a move does before it says anything."""

    @abstractmethod
    def restart(self) -> None:
        """Replace the daemon by an empty one, without a word to the routers."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop the daemon from answering."""

    @abstractmethod
    def thaw(self) -> None:
        """Let it go on."""

    @abstractmethod
    def flood(self, router: IPAddress, count: int) -> None:
        """Let a router announce so many IPv4 prefixes to us."""

    @abstractmethod
    def another(self) -> Engine:
        """Return a second engine on the same daemon, as the next process has it."""

    async def close(self) -> None:
        """End everything."""
        await self.engine.close()


class FakeRig(Rig):
    """In memory."""

    def __init__(self) -> None:
        self.fake = FakeEngine()
        self.engine = self.fake
        self.local = local("v4")

    async def up(self, *routers: IPAddress) -> None:
        for router in routers:
            self.fake.establish(router)

    def routes(self, router: IPAddress) -> Mapping[str, str]:
        return {str(prefix): str(p.next_hop) for prefix, (p, _) in self.fake.routes(router).items()}

    def updates(self, router: IPAddress) -> int:
        return sum(line.startswith(("announce", "withdraw")) for line in self.fake.heard.get(router, ()))

    def session(self, router: IPAddress) -> object:
        return self.fake.heard.get(router, []).count("open") or None

    def ceases(self, router: IPAddress) -> int:
        return self.fake.heard.get(router, []).count("cease")

    def cut(self) -> None:
        """Nothing to do: there are no sockets."""

    def restart(self) -> None:
        self.fake.restart()

    def freeze(self) -> None:
        self.fake.freeze()

    def thaw(self) -> None:
        self.fake.thaw()

    def flood(self, router: IPAddress, count: int) -> None:
        self.fake.receive(router, Family.IPV4, count)

    def another(self) -> Engine:
        return self.fake


class GobgpRig(Rig):
    """A gobgpd in a namespace, and FRR routers."""

    def __init__(self, network: Network, host: str, role: int = EBGP) -> None:
        self.network, self.host = network, host
        self.daemon: Daemon = network.daemon(host, role)
        self.daemon.start()
        self.engine = GobgpEngine(self.daemon.target)
        self.local = local(host, role)
        self._others: list[Engine] = []
        self._flooding: list[tuple[IPAddress, list[str]]] = []

    async def up(self, *routers: IPAddress) -> None:
        def all_up(states: Mapping[IPAddress, NeighborState]) -> bool:
            return all(states[router].state is SessionState.ESTABLISHED for router in routers)

        await eventually(f"sessions with {routers}", self.engine.neighbors, all_up)
        for router in routers:
            await eventually(f"{router} to see it", partial(self.session, router))

    def routes(self, router: IPAddress) -> Mapping[str, str]:
        seen = self.network.routers[router].routes(self.local)
        return {
            prefix: next(hop["ip"] for hop in route["nexthops"] if hop.get("scope") != "link-local")
            for prefix, route in seen.items()
            if not route.get("removed") and not route.get("stale")
        }

    def updates(self, router: IPAddress) -> int:
        return self.network.routers[router].updates_received(self.local)

    def session(self, router: IPAddress) -> object:
        return self.network.routers[router].session(self.local)

    def ceases(self, router: IPAddress) -> int:
        return self.network.routers[router].notifications_received(self.local)

    def cut(self) -> None:
        """Destroy the sockets of our address, as `ss -K src ADDRESS` does."""
        run(self.daemon.namespace.command("ss", "-K", "-tn", "src", str(self.local)))

    def restart(self) -> None:
        self.daemon.kill()
        self.daemon.start()

    def freeze(self) -> None:
        self.daemon.freeze()

    def thaw(self) -> None:
        self.daemon.thaw()

    def flood(self, router: IPAddress, count: int) -> None:
        prefixes = [f"172.16.{number}.0/24" for number in range(count)]
        self.network.routers[router].originate(*prefixes)
        self._flooding.append((router, prefixes))

    def another(self) -> Engine:
        self._others.append(GobgpEngine(self.daemon.target))
        return self._others[-1]

    async def close(self) -> None:
        for router, prefixes in self._flooding:
            self.network.routers[router].stop_originating(*prefixes)
        for engine in (self.engine, *self._others):
            await engine.close()
        self.daemon.kill()
        for seen_by in self.network.routers.values():
            seen_by.clear(self.local)
