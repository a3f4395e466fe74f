"""The role itself: what its parts know, put together."""

import asyncio
import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flatbgp.engine.model import FIRST_DIAL, Desired, SessionState
from flatbgp.engine.protocol import Engine
from flatbgp.host.identity import machine_id
from flatbgp.host.interface import Host
from flatbgp.host.model import Connection, HostError, SessionMessage
from flatbgp.host.sysctls import nonlocal_bind
from flatbgp.planning.gateway import AddressReason, Gateway, Timings, events
from flatbgp.planning.holdings import Sightings, after_gap, holdings, next_vacancy, observe, with_own
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.sessions import PlannedSession, SessionId, SessionPlan, plan_sessions
from flatbgp.planning.sessionwatch import established_of
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.roles.options import SpeakerOptions
from flatbgp.roles.recorder import Recorder
from flatbgp.roles.runtime import Runtime, Trouble, Wakeup, reconcile
from flatbgp.roles.runtime_http import Sample
from flatbgp.roles.speaker.arming import Arming
from flatbgp.roles.speaker.caches import Caches
from flatbgp.roles.speaker.daemon import Daemon, Wanted
from flatbgp.roles.speaker.gateway import GatewayLoop, interfaces_seen
from flatbgp.roles.speaker.knocking import Knocking
from flatbgp.roles.speaker.memory import Memory
from flatbgp.roles.speaker.observer import SessionObserver
from flatbgp.roles.speaker.ownnode import OwnNode
from flatbgp.roles.speaker.reports import Reporter
from flatbgp.roles.speaker.sessions import RouteTable, neighbors, router_id
from flatbgp.roles.speaker.wire import WireRecord, collision
from flatbgp.store.cache import CacheSet
from flatbgp.store.protocol import Store
from flatbgp.store.url import is_supervised

HAND_OVER_SECONDS = 3.0
"""How long an orderly end may take; the gateway itself is done within 2 s."""

FAREWELL_SECONDS = 0.5
"""How long gobgpd may take then to let go of the neighbours; a frozen one keeps nobody waiting."""

_OUTAGES = {AddressReason.STORE_UNREACHABLE, AddressReason.STORE_REPLACED}
_REMEMBER_SECONDS = 2.0


def _wall() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Speaker:
    """One speaker, put together from the parts that do the work."""

    options: SpeakerOptions
    runtime: Runtime
    store: Store
    host: Host
    engine: Engine
    memory: Memory
    marker: str
    gateway: GatewayLoop = field(init=False)
    daemon: Daemon = field(init=False)
    caches: Caches = field(init=False)
    recorder: Recorder = field(init=False)
    own_node: OwnNode = field(init=False)
    observer: SessionObserver = field(init=False)
    _wire: WireRecord = field(default_factory=WireRecord)
    _table: RouteTable = field(default_factory=RouteTable)
    _routes_stale: bool = True
    _sightings: Sightings = field(default_factory=dict)
    _began: float = 0.0
    _was_blind: bool = False
    _plan: SessionPlan = field(default_factory=SessionPlan)
    _planning: Wakeup = field(default_factory=Wakeup)
    _reporting: Wakeup = field(default_factory=Wakeup)
    _remembering: Wakeup = field(default_factory=Wakeup)
    _wanted: Wanted | None = None
    _arming: Arming = field(default_factory=Arming)
    _knocking: Knocking = field(init=False)

    def __post_init__(self) -> None:
        trouble = Trouble(self.runtime.log)
        self._knocking = Knocking(self.host)
        self.daemon = self._made_daemon(trouble)
        if self.memory.recall(self.marker) is not None:
            self.daemon.clear_out()
        self.own_node = OwnNode(self.store, self.options.node, self._own_node_seen)
        self.gateway = self._made_gateway(trouble)
        self.recorder = Recorder(
            self.store,
            "flatbgp-speaker",
            self.options.node,
            self.host.now,
            _wall,
            trouble,
            enabled=is_supervised(self.options.store),
        )
        self.observer = self._made_observer()
        self.runtime.samples.append(self._samples)
        self._began = self.host.now()

    def _made_daemon(self, trouble: Trouble) -> Daemon:
        return Daemon(
            self.engine,
            self.host.now,
            trouble,
            self.runtime.log,
            alive=lambda at: self.gateway.post(events.EngineAnswered(at)),
            changed=self._reporting.set,
            opened=self._wire.forget,
            silence=self._silence,
            emptied=self._forget,
            needed=False,
        )

    def _made_gateway(self, trouble: Trouble) -> GatewayLoop:
        options = self.options
        timings = Timings(lease=int(options.lease_duration), renewal=options.renew_interval)
        instance = options.instance or machine_id()
        return GatewayLoop(
            Gateway(options.node, instance, timings, random.SystemRandom(), interface=options.interface),
            self.host,
            self.store,
            self.daemon,
            self.runtime.log,
            trouble,
            changed=self._planning.set,
            store_returned=lambda: self.caches.tell_leases(),  # noqa: PLW0108 - they are made later
            watch_everything=self._watch_everything,
            taken_over=self._knocking.taken_over,
        )

    def _made_observer(self) -> SessionObserver:
        return SessionObserver(
            self.host,
            self.daemon,
            self._wire,
            Reporter(self.store, _wall, self.options.report_interval, self.recorder.record),
            _wall,
            planned=lambda: self._plan.of_node(self.options.node),
            held=lambda: self.gateway.machine.held,
            came_or_went=self._planning.set,
        )

    def _watch_everything(self, wanted: bool, following: bool) -> None:
        self.daemon.need(wanted)
        self.own_node.want(wanted and not following)
        self.caches.watch_everything(wanted=wanted, following=following)

    def _forget(self) -> None:
        try:
            self.memory.forget()
        except OSError as error:  # then the daemon is looked at once more after the next start
            self.runtime.log.warning(f"cannot remove the last plan from {self.memory.folder}: {error}")

    def _own_node_seen(self, node: Node | None) -> None:
        self.caches.own_node_seen(node)  # which are made later than this object

    async def _silence(self, address: IPAddress) -> None:
        if address in self.gateway.machine.holding:
            return  # its neighbour was added ahead, too early: it is added anew, and the address stays
        try:
            await self.host.release(address)
        except HostError as error:
            self.runtime.log.warning(str(error))

    async def run(self) -> None:
        """Work until cancelled."""
        listed = await self.host.interfaces()
        self.gateway.post(interfaces_seen(listed, self.host.now()))
        async with (
            CacheSet(
                self.store, lambda: None, log=self.runtime.log, clock=self.host.now, random=random.random
            ) as group,
            asyncio.TaskGroup() as tasks,
        ):
            self.caches = Caches(
                self.options.node,
                self.options.secret_namespace,
                group,
                self.gateway.post,
                self._planning.set,
                self._leases_seen,
                self._routes_changed,
            )
            trouble = Trouble(self.runtime.log)
            tasks.create_task(self.gateway.run(), name="gateway")
            tasks.create_task(self._listen(), name="host events")
            tasks.create_task(self.own_node.tell_if_missing(self.runtime.log), name="missing Node")
            tasks.create_task(self.own_node.run(), name="own Node")
            tasks.create_task(self.daemon.run(), name="gobgpd")
            tasks.create_task(reconcile(self._planning, self._step, trouble, about="plan"), name="plan")
            tasks.create_task(
                reconcile(self._reporting, lambda: self.observer.report(self.caches), trouble, about="BGPSessions"),
                name="reports",
            )
            tasks.create_task(self._remember(), name="memory")
            tasks.create_task(self.recorder.run(), name="events")

    async def stop(self) -> None:
        """Hand over what this node holds; :meth:`run` is to be cancelled afterwards."""
        self.gateway.post(events.StopRequested())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_OVER_SECONDS):
                await self.gateway.finished.wait()
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self.gateway.settled.wait()

    def _routes_changed(self) -> None:
        self._routes_stale = True
        self._planning.set()

    async def _listen(self) -> None:
        async for event in self.host.events():
            self.gateway.heard(event)
            if isinstance(event, Connection | SessionMessage) and self._wire.take(event):
                self._reporting.set()
            if isinstance(event, SessionMessage) and collision(event):
                self.daemon.collided(event.peer)

    # --- planning

    async def _step(self) -> float | None:
        """Plan this node's sessions and tell the daemon; return when time alone changes the plan."""
        if self._routes_stale and self.caches.complete:
            self._routes_stale = False
            await self._table.take(self.caches.routes())
        now = self.host.now()
        self._see_leases(now)
        held = frozenset(self.gateway.machine.held)
        if not self.caches.complete:
            self._want_while_blind(held)
            return next_vacancy(self._sightings, now)
        config, secrets = self.caches.configuration(), self.caches.secrets()
        seen = holdings(config.floating_ips, self._sightings, now, self._began)
        self._plan = plan_sessions(config, with_own(seen, self.options.node, held), self._established(), secrets)
        mine = self._plan.of_node(self.options.node)
        armed, again = self._arm(now)
        ahead = mine
        if armed:
            soon = with_own(seen, self.options.node, held | armed)
            ahead = plan_sessions(config, soon, self._established(), secrets).of_node(self.options.node)
        desired = Desired(
            router_id=router_id(self.caches.address(Family.IPV4), self.options.node),
            marker=self.marker,
            neighbors=neighbors(ahead, secrets, held | armed),
            paths=self._table.paths if held or armed else {},
        )
        known = self._wanted.desired.neighbors if self._wanted is not None else {}
        await self._knocking.knock(desired.neighbors.values(), known)
        self._want(Wanted(desired, held))
        self._watch_sessions(mine)
        self._reporting.set()
        self.runtime.ready = True
        pauses = (self._plan.recheck_after, next_vacancy(self._sightings, now), again)
        return min((seconds for seconds in pauses if seconds), default=None)

    def _arm(self, now: float) -> tuple[frozenset[IPAddress], float | None]:
        """Return the address whose neighbours are added before it is there, and when this changes."""
        address, again = self._arming.choose(self.gateway.machine.expected, now, FIRST_DIAL.get(self.daemon.api, 0.0))
        if address is None or nonlocal_bind(Family.of(address)):
            return frozenset(), again
        self.daemon.returned(address)
        return frozenset({address}), again

    def _leases_seen(self, news: bool) -> None:
        """Count from this moment; plan only if more than a renewal came, or a Lease that had run out lives again."""
        now = self.host.now()
        revived = any(sighting.vacant_since() <= now for sighting in self._sightings.values())
        self._see_leases(now)
        if news or revived:
            self._planning.set()

    def _see_leases(self, now: float) -> None:
        """Count the age of Leases, except while renewals cannot be seen or written: an outage alone moves nothing."""
        statuses = self.gateway.machine.statuses.values()
        outage = any(status.held and status.reason in _OUTAGES for status in statuses)
        if outage or self._was_blind:
            self._sightings = after_gap(self._sightings, now)
        self._was_blind = outage or self.caches.stale
        self._sightings = observe(self._sightings, self.caches.leases, now)

    def _want_while_blind(self, held: frozenset[IPAddress]) -> None:
        """Decide without the lists: nothing is wanted of an idle node, and a holder goes on with its last plan."""
        if not self.caches.leases_listed:
            return
        if held:
            recalled = self.memory.recall(self.marker) if self._wanted is None else None
            if recalled is not None:
                kept = {peer: n for peer, n in recalled.neighbors.items() if n.local_address in held}
                desired = Desired(recalled.router_id, self.marker, kept, recalled.paths)
                self._want(Wanted(desired, held, recalled=True))
        elif not any(sighting.lease.content.holder == self.options.node for sighting in self._sightings.values()):
            self._want(Wanted(Desired(router_id(None, self.options.node), self.marker)))
            self.runtime.ready = True

    def _want(self, wanted: Wanted) -> None:
        if wanted != self._wanted:
            self._wanted = wanted
            self.daemon.want(wanted)
            self._remembering.set()

    def _established(self) -> Mapping[SessionId, str]:
        """Return the sessions that are up: those of others as they report them, our own as the daemon says."""
        node = self.options.node
        sessions = self.caches.sessions().values()
        up = dict(established_of(each for each in sessions if each.spec is not None and each.spec.node_name != node))
        for session in self._plan.of_node(node):
            state = self.daemon.neighbors.get(session.peer_ip)
            if (
                state is not None
                and state.state is SessionState.ESTABLISHED
                and state.local_address in (None, session.local_ip)
            ):
                up[session.id] = session.peer
        return up

    def _watch_sessions(self, mine: tuple[PlannedSession, ...]) -> None:
        pairs: dict[str, set[tuple[IPAddress, IPAddress]]] = {}
        for session in mine:
            interface = self.gateway.machine.held.get(session.local_ip)
            if interface is not None:
                pairs.setdefault(interface, set()).add((session.local_ip, session.peer_ip))
        try:
            self.host.watch_sessions(pairs)
        except HostError as error:
            self.runtime.log.warning(str(error))

    # --- the rest

    async def _remember(self) -> None:
        """Keep the plan on disk, at most every two seconds; a disk that fails costs only that."""
        trouble = Trouble(self.runtime.log)
        while True:
            await self._remembering.wait()
            wanted = self._wanted
            if wanted is not None and wanted.held and not wanted.recalled:
                try:
                    await asyncio.to_thread(self.memory.remember, wanted.desired)
                except OSError as error:
                    trouble.report("state directory", f"cannot keep the plan in {self.memory.folder}: {error}")
                else:
                    trouble.clear("state directory")
            await asyncio.sleep(_REMEMBER_SECONDS)

    def _samples(self) -> Iterator[Sample]:
        node = ("node", self.options.node)
        yield from self.observer.samples(self.options.node)
        for address, interface in sorted(self.gateway.machine.held.items(), key=str):
            labels = (node, ("address", str(address)), ("interface", interface))
            yield Sample("flatbgp_floating_ip_held", "Floating IPs on this node.", 1.0, labels=labels)
        paths = self._wanted.desired.paths if self._wanted is not None else {}
        yield Sample("flatbgp_routes", "Routes that every session announces.", len(paths), labels=(node,))
