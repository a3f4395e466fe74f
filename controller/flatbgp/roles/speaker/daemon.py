"""The node's gobgpd: kept at what is wanted, across its restarts, freezes and upgrades.

The daemon is asked every second whether it lives; its events only wake. What is to be done follows from the pure
difference between what it should have and what it has, so that a daemon which was restarted is filled again, all
routes before the first neighbour, by the same code that changes one route.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from flatbgp.engine.diff import Action, AddNeighbor, Announce, RemoveNeighbor, Start, UpdateNeighbor, Withdraw, diff
from flatbgp.engine.errors import EngineError, EngineUnavailable
from flatbgp.engine.model import Desired, EngineInfo, Exit, Neighbor, NeighborState, Observed, SessionState
from flatbgp.engine.protocol import Engine
from flatbgp.resources.ip import IPAddress
from flatbgp.roles.runtime import Trouble, Wakeup, retry_pause

HEARTBEAT_SECONDS = 1.0
PREFIX_LIMIT_RETRY_SECONDS = 300.0
"""How long a neighbour that sent too many prefixes stays away."""

COLLISION_RETRIES = 3
"""How often a session that a router refused for the sake of the old one is opened anew at once.

A router lets the old session of a floating IP go only when the new holder connects (RFC 4724 section 4.2). FRR does so
beside reading the new OPEN, and may answer it with Cease 6/7 (connection collision) although somebody knocked before
(see :mod:`flatbgp.host.knock`); the next connection finds the way free. But gobgpd rests 5 s after any refusal,
whatever it is configured to, and dials within 2 s only when new: measured, 8.6 s from the address to Established
instead of 1.7 s to 2.1 s.
"""

_ABOUT = "gobgpd"


@dataclass(frozen=True, slots=True)
class _Reached:
    """What a daemon had when it last had all that was wanted."""

    info: EngineInfo
    desired: Desired


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the daemon should have, and the addresses that decide how a surplus neighbour leaves.

    A neighbour whose local address is in ``held`` is removed with a Cease; any other one moves to another node, without
    a word. ``recalled``: the plan is an earlier process's, kept on disk and so without the neighbours that have a
    password. Whatever else the daemon has from ``held`` addresses then stays as it is.
    """

    desired: Desired
    held: frozenset[IPAddress] = frozenset()
    recalled: bool = False


@dataclass(slots=True)
class Daemon:
    """Keeps one engine at what is wanted.

    ``alive`` is called with the time of each answer, ``changed`` when neighbours may look different, ``opened`` when a
    session is (re)configured, so that older evidence about it is dropped. ``silence`` makes an address unable to send
    for ever what its sockets still hold; it is called before a neighbour moves away.

    While the daemon is not ``needed`` it is left alone: an idle node has nothing to say to it. Before it is left it is
    emptied, and ``emptied`` is called.
    """

    engine: Engine
    clock: Callable[[], float]
    trouble: Trouble
    log: structlog.stdlib.BoundLogger
    alive: Callable[[float], None]
    changed: Callable[[], None]
    opened: Callable[[IPAddress], None]
    silence: Callable[[IPAddress], Awaitable[None]]
    emptied: Callable[[], None]
    needed: bool = True
    error: str = "it has not answered yet"
    api: str = ""
    neighbors: Mapping[IPAddress, NeighborState] = field(default_factory=dict)
    looked_at: float = 0.0
    _wanted: Wanted | None = None
    _leaving: dict[IPAddress, Exit] = field(default_factory=dict)
    _wakeup: Wakeup = field(default_factory=Wakeup)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _limited: dict[IPAddress, float] = field(default_factory=dict)
    _collided: set[IPAddress] = field(default_factory=set)
    _reopened: dict[IPAddress, int] = field(default_factory=dict)
    _reached: "_Reached | None" = None
    _awake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        if self.needed:
            self._awake.set()

    def clear_out(self) -> None:
        """Empty the daemon although it is not needed: an earlier process may have left something in it."""
        self._awake.set()

    def need(self, needed: bool) -> None:
        """Say whether the daemon is needed; when it is not, it is still emptied before it is left alone."""
        self.needed = needed
        if needed:
            self._awake.set()
        self._wakeup.set()

    def want(self, wanted: Wanted) -> None:
        """Set what the daemon should have from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._wakeup.set()

    def collided(self, peer: IPAddress) -> None:
        """Take note that a router refused a new connection because of the old one (NOTIFICATION 6/7)."""
        self._collided.add(peer)
        self._wakeup.set()

    def returned(self, address: IPAddress) -> None:
        """Let sessions start from an address again that had left."""
        if self._leaving.pop(address, None) is not None:
            self._wakeup.set()

    async def leave(self, address: IPAddress, how: Exit) -> None:
        """End all sessions from a local address now; raise :class:`EngineError` if the daemon does not do it.

        Either way none is opened from the address again until :meth:`returned`, and the loop goes on trying.
        """
        self._leaving[address] = how
        if not self._awake.is_set():
            return  # it was emptied, or never filled
        async with self._lock:
            observed = await self.engine.observe()
            for peer, neighbor in observed.neighbors.items():
                if neighbor.settings.local_address == address:
                    await self._remove(RemoveNeighbor(peer, address, how))
        self._wakeup.set()

    async def run(self) -> None:
        """Keep the daemon, whenever it is needed, until cancelled."""
        while True:
            await self._awake.wait()
            async with asyncio.TaskGroup() as tasks:
                listeners = (
                    tasks.create_task(self._beat(), name="gobgpd heartbeat"),
                    tasks.create_task(self._follow(), name="gobgpd events"),
                )
                await self._keep()
                for task in listeners:
                    task.cancel()

    async def _beat(self) -> None:
        """Ask every second whether the daemon lives; an answer after silence, or of another daemon, wakes the loop."""
        known = None
        while True:
            sent = self.clock()
            try:
                info = await self.engine.info()
            except EngineError as error:
                self._failed(error)
                known = None
            else:
                self.alive(sent)
                self.api = info.api
                if info != known:
                    known = info
                    self._wakeup.set()
            await asyncio.sleep(max(0.0, sent + HEARTBEAT_SECONDS - self.clock()))

    async def _follow(self) -> None:
        """Look at the neighbours whenever the daemon says that something happened."""
        failures = 0
        while True:
            try:
                async for _address in self.engine.events():
                    failures = 0
                    await self._look()
            except EngineUnavailable:
                pass  # the heartbeat says so, and the loop below waits for it
            except EngineError as error:
                self._failed(error)
            await asyncio.sleep(retry_pause(failures))
            failures += 1

    async def look(self) -> None:
        """Read the neighbours' states and counters now. Nobody is told of them but the caller."""
        if not self._awake.is_set():
            return
        try:
            await self._read()
        except EngineError as error:
            self._failed(error)

    async def _look(self) -> None:
        """Read them, and tell if they are not what they were."""
        before = self.neighbors
        await self._read()
        if self.neighbors != before:
            self.changed()

    async def _read(self) -> None:
        at = self.clock()
        self.neighbors, self.looked_at = await self.engine.neighbors(), at
        for peer, state in self.neighbors.items():
            if state.state is SessionState.ESTABLISHED:
                self._reopened.pop(peer, None)
        await self._retry_limited()

    async def _retry_limited(self) -> None:
        """Try again, after five minutes, with neighbours that exceeded their prefix limit."""
        now = self.clock()
        over = {address for address, state in self.neighbors.items() if state.prefix_limit_exceeded}
        self._limited = {address: self._limited.get(address, now) for address in over}
        for address, since in self._limited.items():
            if now - since >= PREFIX_LIMIT_RETRY_SECONDS:
                await self.engine.enable_neighbor(address)

    async def _keep(self) -> None:
        """Bring the daemon to what is wanted, again and again; return when it is empty and not needed any more."""
        failures = 0
        while True:
            pause: float | None = None
            try:
                async with self._lock:
                    await self._reconcile()
            except EngineError as error:
                self._failed(error)
                pause = retry_pause(failures)
                failures += 1
            else:
                failures = 0
                if not self.needed and self._is_empty():
                    self._awake.clear()
                    self.emptied()
                    return
            await self._wakeup.wait(pause)

    def _is_empty(self) -> bool:
        """Return whether nothing is wanted and nothing is left: asked right after the daemon was brought there."""
        wanted = self._wanted
        return wanted is not None and not (wanted.desired.neighbors or wanted.desired.paths or wanted.held)

    async def _reconcile(self) -> None:
        wanted = self._wanted
        if wanted is None:
            return
        reached, self._reached = self._reached, None
        if reached is not None:
            await self._send_routes(wanted.desired, reached)
        await self._forget_collided()
        observed = self._spoken_of(wanted, await self.engine.observe())
        desired = self._aimed(wanted.desired, observed)
        if not (observed.info.started or desired.neighbors or desired.paths):
            self._works()  # an idle node's daemon is not started: its router ID is the node's address, not known yet
            return
        await self._perform(diff(desired, observed, self._moving(wanted, observed)))
        self._works()
        if observed.info.started:
            self._reached = _Reached(observed.info, desired)
        await self._look()

    async def _forget_collided(self) -> None:
        """Take away the neighbours that lost against their own old session: the difference adds them anew at once."""
        collided, self._collided = self._collided, set()
        states = await self.engine.neighbors() if collided else {}
        for peer in collided & states.keys():
            if states[peer].state is not SessionState.ESTABLISHED and self._reopened.get(peer, 0) < COLLISION_RETRIES:
                self._reopened[peer] = self._reopened.get(peer, 0) + 1
                self.log.info(
                    "the router had not let the old session go yet; opening the new one again", peer=str(peer)
                )
                await self.engine.remove_neighbor(peer, Exit.MOVE)  # it never came up: there is nothing to withdraw

    async def _send_routes(self, desired: Desired, reached: _Reached) -> None:
        """Send the routes that changed, if nothing else did, before the daemon is asked what it has.

        Packets wait for routes, and the five questions of :meth:`Engine.observe` take longer than the change itself.
        They are asked right after, so that nothing rests on what is believed here.
        """
        if self._staying(desired) != reached.desired.neighbors:
            return
        routes = replace(reached.desired, neighbors={}, paths=desired.paths)
        await self._perform(diff(routes, Observed(reached.info, {}, reached.desired.paths)))

    async def _perform(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self.log.info(str(action), cost=str(action.cost))
            await self._do(action)

    def _staying(self, desired: Desired) -> Mapping[IPAddress, Neighbor]:
        return {
            address: neighbor
            for address, neighbor in desired.neighbors.items()
            if neighbor.local_address not in self._leaving
        }

    def _spoken_of(self, wanted: Wanted, observed: Observed) -> Observed:
        """Return what the daemon has, without the neighbours that a recalled plan says nothing about."""
        if not wanted.recalled:
            return observed
        staying = wanted.held - self._leaving.keys()
        known = {
            peer: neighbor
            for peer, neighbor in observed.neighbors.items()
            if peer in wanted.desired.neighbors or neighbor.settings.local_address not in staying
        }
        return replace(observed, neighbors=known)

    def _aimed(self, desired: Desired, observed: Observed) -> Desired:
        """Return what to aim at: without addresses that are leaving, and with the identity of a daemon that is ours.

        The router ID follows the node's address only when the daemon starts: to change it later, every session would
        have to end.
        """
        info = observed.info
        identity = info.router_id if info.marker == desired.marker and info.router_id else desired.router_id
        return replace(desired, neighbors=self._staying(desired), router_id=identity)

    def _moving(self, wanted: Wanted, observed: Observed) -> Collection[IPAddress]:
        """Return the neighbours that would leave without a word."""
        locals_ = {peer: neighbor.settings.local_address for peer, neighbor in observed.neighbors.items()}
        return {
            peer
            for peer, local in locals_.items()
            if self._leaving.get(local, Exit.REMOVAL if local in wanted.held else Exit.MOVE) is Exit.MOVE
        }

    async def _do(self, action: Action) -> None:
        match action:
            case Start():
                await self.engine.start(action.router_id, action.marker)
            case Announce():
                await self.engine.announce(action.paths)
            case Withdraw():
                await self.engine.withdraw(action.paths)
            case AddNeighbor():
                self.opened(action.neighbor.address)
                await self.engine.add_neighbor(action.neighbor)
            case UpdateNeighbor():
                self.opened(action.neighbor.address)
                await self.engine.update_neighbor(action.neighbor)
                if action.neighbor.address in self._limited:  # whoever changed it may have raised the limit
                    await self.engine.enable_neighbor(action.neighbor.address)
            case RemoveNeighbor():
                await self._remove(action)

    async def _remove(self, action: RemoveNeighbor) -> None:
        if action.exit is Exit.MOVE:
            await self.silence(action.local_address)
        await self.engine.remove_neighbor(action.address, action.exit)

    def _failed(self, error: EngineError) -> None:
        self._reached = None
        if self.error != str(error):
            self.error = str(error)
            self.changed()
        self.trouble.report(_ABOUT, f"gobgpd: {error}; trying again")

    def _works(self) -> None:
        if self.error:
            self.error = ""
            self.changed()
        self.trouble.clear(_ABOUT)
