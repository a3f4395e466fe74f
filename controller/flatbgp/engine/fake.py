"""An engine in memory, for tests of what drives one: deterministic, and held to the real daemons by one suite.

It has no time and no network: a session comes up when a test says so, and what a router would have heard can be read
back. It keeps to the rules that the drivers of an engine depend on, among them the unpleasant ones: a daemon that
restarts is empty, End-of-RIB follows at once on Established, and a second start is refused.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address

from flatbgp.engine.diff import changes, cost_of
from flatbgp.engine.errors import EngineError, EngineUnavailable, ForeignDaemon
from flatbgp.engine.limits import check_neighbor, check_path
from flatbgp.engine.model import (
    EngineInfo,
    Exit,
    ExportAttributes,
    FamilyState,
    Neighbor,
    NeighborState,
    Observed,
    ObservedNeighbor,
    PasswordMark,
    Path,
    SessionState,
)
from flatbgp.planning.costs import Cost
from flatbgp.resources.ip import Family, IPAddress, IPNetwork

_API = "v4"
_ASN = 4_290_000_179
_SALT = b"the fake keeps no secrets"


@dataclass(slots=True)
class _Session:
    neighbor: Neighbor
    state: SessionState = SessionState.ACTIVE
    received: dict[Family, int] = field(default_factory=dict)
    prefix_limit_exceeded: bool = False
    notifications_sent: int = 0


class FakeEngine:
    """An :class:`~flatbgp.engine.protocol.Engine` without a daemon.

    ``heard`` tells for each neighbour what was sent to it, in order: ``open``, ``announce PREFIX via NEXT_HOP``,
    ``end-of-rib``, ``withdraw PREFIX``, ``cease``. It outlives the session, as a router's log does.
    """

    def __init__(self) -> None:
        self.heard: dict[IPAddress, list[str]] = {}
        self.calls: list[str] = []
        self._info = EngineInfo(_API, started=False)
        self._sessions: dict[IPAddress, _Session] = {}
        self._paths: dict[IPNetwork, Path] = {}
        self._watchers: set[asyncio.Queue[IPAddress | EngineUnavailable | None]] = set()
        self._frozen = False

    # What a test does to the daemon and to the routers.

    def establish(self, address: IPAddress) -> None:
        """Bring a session up, with both families: the router hears all its routes, then End-of-RIB."""
        session = self._sessions[address]
        if session.prefix_limit_exceeded:
            raise AssertionError(f"{address} is shut down over its prefix limit: enable it first")
        session.state = SessionState.ESTABLISHED
        self._hear(address, "open")
        for prefix in self._paths:
            self._tell(address, prefix)
        self._hear(address, "end-of-rib")
        self._wake(address)

    def drop(self, address: IPAddress) -> None:
        """End a session as a lost connection does."""
        self._sessions[address].state = SessionState.ACTIVE
        self._wake(address)

    def receive(self, address: IPAddress, family: Family, count: int) -> None:
        """Let a router send us so many prefixes."""
        session = self._sessions[address]
        session.received[family] = count
        if count > session.neighbor.prefix_limit:
            session.prefix_limit_exceeded, session.state = True, SessionState.IDLE
            session.notifications_sent += 1
            self._hear(address, "cease")
            self._wake(address)

    def restart(self) -> None:
        """Replace the daemon by an empty one; routers hear nothing."""
        self._info = EngineInfo(_API, started=False)
        self._sessions, self._paths = {}, {}
        self._frozen = False
        for watcher in self._watchers:
            watcher.put_nowait(EngineUnavailable("the daemon restarted"))

    def freeze(self) -> None:
        """Let every call fail as one past its deadline does."""
        self._frozen = True

    def thaw(self) -> None:
        """Let the daemon answer again, everything still there."""
        self._frozen = False

    def routes(self, address: IPAddress) -> Mapping[IPNetwork, tuple[Path, ExportAttributes]]:
        """Return what a neighbour has from us, while its session is up."""
        session = self._sessions.get(address)
        if session is None or session.state is not SessionState.ESTABLISHED:
            return {}
        return {p: (self._paths[p], session.neighbor.export) for p in self._paths}

    # The engine.

    async def info(self) -> EngineInfo:
        """Ask who is there."""
        self._answer()
        return self._info

    async def start(self, router_id: IPv4Address, marker: str) -> None:
        """Start BGP."""
        self._answer("start")
        if self._info.started:
            raise ForeignDaemon("the daemon was already started: restart it, so that it comes up empty")
        self._info = EngineInfo(self._info.api, True, router_id, _ASN, marker)

    async def observe(self) -> Observed:
        """Return what the daemon has configured."""
        self._answer()
        neighbors = {address: _observed(session.neighbor) for address, session in self._sessions.items()}
        return Observed(self._info, neighbors, dict(self._paths))

    async def neighbors(self) -> Mapping[IPAddress, NeighborState]:
        """Return the state of all neighbours."""
        self._answer()
        return {address: self._state(address, session) for address, session in self._sessions.items()}

    async def path_count(self) -> int:
        """Return how many paths the daemon holds."""
        self._started()
        return len(self._paths)

    async def announce(self, paths: Iterable[Path]) -> None:
        """Add or replace paths on every session."""
        paths = tuple(paths)
        self._started("announce")
        for path in paths:
            check_path(path)
        for path in paths:
            if self._paths.get(path.prefix) != path:
                self._paths[path.prefix] = path
                for address in self._sessions:
                    self._tell(address, path.prefix)

    async def withdraw(self, paths: Iterable[Path]) -> None:
        """Take paths away on every session."""
        self._started("withdraw")
        for path in paths:
            for address in self._sessions if path.prefix in self._paths else ():
                self._hear(address, f"withdraw {path.prefix}", established=True)
            self._paths.pop(path.prefix, None)

    async def add_neighbor(self, neighbor: Neighbor) -> None:
        """Try to open a session."""
        check_neighbor(neighbor)
        self._started(f"add {neighbor.address}")
        if neighbor.address in self._sessions:
            raise EngineError(f"neighbour {neighbor.address} is there already")
        self._sessions[neighbor.address] = _Session(neighbor)
        self._wake(neighbor.address)

    async def update_neighbor(self, new: Neighbor) -> None:
        """Change a neighbour."""
        check_neighbor(new)
        self._started(f"update {new.address}")
        session = self._sessions.get(new.address)
        if session is None:
            raise EngineError(f"neighbour {new.address} is not changed: the daemon doesn't have it")
        cost = cost_of(changes(new, _observed(session.neighbor)))
        session.neighbor = new
        if cost is Cost.ROUTE_UPDATE:
            for prefix in self._paths:
                self._tell(new.address, prefix)
        elif cost is Cost.SESSION_RESET:
            self._hear(new.address, "cease", established=True)
            self._sessions[new.address] = _Session(new)
            self._wake(new.address)

    async def remove_neighbor(self, address: IPAddress, how: Exit) -> None:
        """Take a neighbour away."""
        self._started(f"remove {address} ({how})")
        if address not in self._sessions:
            return
        if how is Exit.REMOVAL:
            for prefix in self._paths:
                self._hear(address, f"withdraw {prefix}", established=True)
            self._hear(address, "cease", established=True)
        del self._sessions[address]
        self._wake(address)

    async def enable_neighbor(self, address: IPAddress) -> None:
        """Try again with a neighbour that exceeded its prefix limit."""
        self._started(f"enable {address}")
        if address not in self._sessions:
            raise EngineError(f"neighbour {address} is not enabled: the daemon doesn't have it")
        session = self._sessions[address]
        session.prefix_limit_exceeded, session.state, session.received = False, SessionState.ACTIVE, {}

    async def events(self) -> AsyncIterator[IPAddress | None]:
        """Yield the address of a neighbour whose state may have changed."""
        self._answer()
        queue: asyncio.Queue[IPAddress | EngineUnavailable | None] = asyncio.Queue()
        queue.put_nowait(None)
        self._watchers.add(queue)
        try:
            while not isinstance(event := await queue.get(), EngineUnavailable):
                yield event
            raise event
        finally:
            self._watchers.discard(queue)

    async def close(self) -> None:
        """Close the connection; the daemon goes on."""

    def _answer(self, call: str = "") -> None:
        if self._frozen:
            raise EngineUnavailable("the daemon does not answer in time")
        if call:
            self.calls.append(call)

    def _started(self, call: str = "") -> None:
        self._answer(call)
        if not self._info.started:
            raise EngineError("the daemon is not started: nothing is changed in it")

    def _state(self, address: IPAddress, session: _Session) -> NeighborState:
        up = session.state is SessionState.ESTABLISHED

        def family_state(family: Family) -> FamilyState:
            if not up:
                return FamilyState(negotiated=False)
            advertised = sum(Family.of(prefix) is family for prefix in self._paths)
            return FamilyState(True, session.received.get(family, 0), advertised)

        return NeighborState(
            address=address,
            local_address=session.neighbor.local_address,
            state=session.state,
            prefix_limit_exceeded=session.prefix_limit_exceeded,
            uptime=0.0 if up else None,
            hold_time=session.neighbor.hold_time if up else None,
            families={family: family_state(family) for family in Family},
            notifications_sent=session.notifications_sent,
            graceful_restart=up and session.neighbor.graceful_restart is not None,
        )

    def _tell(self, address: IPAddress, prefix: IPNetwork) -> None:
        if self._sessions[address].state is SessionState.ESTABLISHED:
            self._hear(address, f"announce {prefix} via {self._paths[prefix].next_hop}", established=True)

    def _hear(self, address: IPAddress, what: str, *, established: bool = False) -> None:
        if not established or self._sessions[address].state is SessionState.ESTABLISHED:
            self.heard.setdefault(address, []).append(what)

    def _wake(self, address: IPAddress) -> None:
        for watcher in self._watchers:
            watcher.put_nowait(address)


def _observed(neighbor: Neighbor) -> ObservedNeighbor:
    mark = PasswordMark.of(neighbor.password.reveal(), _SALT) if neighbor.password else None
    return ObservedNeighbor(replace(neighbor, password=None), mark)
