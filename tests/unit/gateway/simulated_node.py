"""A simulated node's speaker: a shell around a real gateway, and the gobgpd beside it."""

from __future__ import annotations

import random
from collections import deque

from simulated_kernel import Kernel
from simulated_store import Link
from simulation import World

from flatbgp.planning.gateway import Gateway
from flatbgp.planning.gateway.actions import (
    Action,
    AddressHeld,
    AddressLost,
    Announce,
    AskLan,
    DeleteLease,
    Departure,
    Finished,
    Probe,
    PutAddress,
    ReadLease,
    RemoveAddress,
    SwapLease,
    WatchEverything,
    WithdrawSessions,
)
from flatbgp.planning.gateway.events import (
    AddressPut,
    AddressRemoved,
    EngineAnswered,
    Event,
    GroupSeen,
    LanHeard,
    LeaseRead,
    LeaseReadFailed,
    LeaseSeen,
    LeasesListed,
    LeaseSwapped,
    ListsSeen,
    NeighborhoodSeen,
    NodeSeen,
    SessionsWithdrawn,
    StopRequested,
    StoreAnswered,
    StoreFailed,
    StoreIdentitySeen,
    Tick,
)
from flatbgp.planning.gateway.records import LeaseRecord
from flatbgp.resources.ip import IPAddress


class Node(Kernel):
    """A machine with a speaker.

    ``frozen``: the speaker has a SIGSTOP. ``machine``: its gateway (``None``: the speaker is dead). ``engine``: gobgpd
    answers. ``held``: the addresses from which sessions were allowed last.
    """

    def __init__(self, world: World, number: int, own: IPAddress) -> None:
        super().__init__(world, number, own)
        self.frozen = False
        self.engine = True
        self.draining = False
        self.exists = True
        self.refuses_to_put = ""  # the kernel's error
        self.refuses_to_remove = ""
        self.link = Link()
        self.machine: Gateway | None = None
        self.boot = 0
        self.finished_at: float | None = None
        self.started_at = 0.0
        self.done: list[Action] = []
        self._inbox: deque[Event] = deque()
        self._late: deque[tuple[SwapLease | DeleteLease | ReadLease, Event, int]] = deque()
        self._pending: set[int] = set()
        self._undone: deque[Action] = deque()
        self._freeze_in_put = False
        self._half_put: tuple[PutAddress, int] | None = None
        self._tick_at = -1.0
        self._watch_at: float = 0.0
        self._everything = False
        self._busy = False
        self._on_disk: NeighborhoodSeen | None = None

    @property
    def running(self) -> bool:
        """Whether the speaker can act."""
        return self.machine is not None and not self.frozen and self.powered and not self.suspended

    # --- the speaker's process

    def start(self) -> None:
        """Start the speaker's process."""
        if self.machine is not None or not self.powered:
            return
        world, clock = self.world, self.world.clock
        self.boot += 1
        self.started_at, self.finished_at = world.now, None
        self._inbox.clear()
        self._late.clear()
        self._pending.clear()
        self._undone.clear()
        self._half_put, self._freeze_in_put = None, False
        self._tick_at, self._everything = -1.0, False
        self.machine = Gateway(self.name, f"machine-{self.name}", world.timings, random.Random(world.rng.random()))  # noqa: S311 (a simulation)
        world.log(self.name, "process starts")
        self._post(self.interfaces())
        if self._on_disk is not None:
            self._post(self._on_disk)
        clock.after(world.rng.uniform(0.01, 0.05), self._list, self.boot)
        clock.after(world.rng.uniform(0.01, 0.2), self._heartbeat, self.boot)

    def _list(self, boot: int) -> None:
        """List group and Leases, until the store answers."""
        if boot != self.boot or self.machine is None:
            return
        if self.link.broken or self.world.store.foreign:
            self._post(StoreFailed("no answer"))
            self.world.clock.after(0.5, self._list, boot)
            return
        self._post(GroupSeen(self.world.group))
        for address, record in self.world.store.leases.items():
            self._post(LeaseSeen(address, record))
        self._post(LeasesListed())

    def _list_everything(self, boot: int) -> None:
        if boot != self.boot or self.machine is None or not self._everything:
            return
        if self.link.broken or self.world.store.foreign:
            self.world.clock.after(0.5, self._list_everything, boot)
            return
        self.tell_node()
        routers = tuple(address for router in self.world.routers for address in router.addresses)
        others = tuple(node.own for node in self.world.nodes if node is not self)
        self._on_disk = NeighborhoodSeen(routers, others, self.world.graceful_restart)
        self._post(self._on_disk)
        self._post(ListsSeen(True))

    def tell_node(self) -> None:
        """Tell the own Node object, as the store has it."""
        if self.machine is not None and self._everything and not self.link.broken:
            self._post(NodeSeen(self.exists, False, self.draining, (self.own,)))

    def _heartbeat(self, boot: int) -> None:
        if boot != self.boot or self.machine is None:
            return
        if self.engine and not self.frozen and not self.suspended:
            self._post(EngineAnswered(self.world.now))
        self.world.clock.after(1.0, self._heartbeat, boot)

    def kill(self) -> None:
        """End the speaker's process at once."""
        self.world.log(self.name, "process killed")
        self.machine = None
        self.frozen = self._freeze_in_put = False

    def stop(self) -> None:
        """Send SIGTERM."""
        if self.machine is not None:
            self._post(StopRequested())

    def freeze(self, *, in_put: bool = False) -> None:
        """Stop the speaker, at once or in the middle of its next setting of a lifetime."""
        self.frozen, self._freeze_in_put = not in_put, in_put

    def thaw(self) -> None:
        """Continue after a SIGSTOP; what is handled first, an event or the timer, is a matter of chance."""
        self.frozen = self._freeze_in_put = False
        self._woken()

    def _woken(self) -> None:
        if self.machine is None:
            return
        if self._half_put is not None:
            (action, lifetime), self._half_put = self._half_put, None
            valid_until = self.put(action, lifetime) if action.still_valid(self.world.now) else None
            self._inbox.appendleft(AddressPut(action.address, valid_until))
        self._do_all()
        late = list(self._late)
        self._late.clear()
        self.world.rng.shuffle(late)  # an answer that came in time may be seen after its time limit
        if self.world.rng.random() < 0.5:
            self._inbox.appendleft(Tick())
        self._drain_inbox()
        for action, event, boot in late:
            self._answer(action, event, boot)
        self._post(Tick())

    def tell(self, event: Event) -> None:
        """Tell the gateway something, as its shell would."""
        self._post(event)

    def _post(self, event: Event) -> None:
        self._inbox.append(event)
        self._drain_inbox()

    def receive(self, event: LanHeard) -> None:
        """Take a packet from the LAN."""
        if self.machine is not None and not self.suspended:
            self._post(event)

    def _drain_inbox(self) -> None:
        if self._busy:
            return
        self._busy = True
        while self._inbox and self.running:
            self._handle(self._inbox.popleft())
        self._busy = False

    def _handle(self, event: Event) -> None:
        machine = self.machine
        if machine is None:
            return
        actions = machine.handle(self.world.now, event)
        if self.world.trace is not None and not isinstance(event, Tick | LanHeard | EngineAnswered):
            self.world.log(self.name, f"<- {event}")
        self._undone.extend(actions)
        self._do_all()
        due = machine.next_deadline()
        if due is not None and due != self._tick_at:
            self._tick_at = due
            self.world.clock.at(due + self.world.rng.random() * 0.002, self._tick, due, self.boot)

    def _do_all(self) -> None:
        """Carry out what is wanted, in order; a stop in the middle of it leaves the rest for later."""
        while self._undone and self.machine is not None:
            action = self._undone.popleft()
            if self.world.trace is not None and not isinstance(action, AskLan):
                self.world.log(self.name, f"-> {action}")
            self.done.append(action)
            if isinstance(action, PutAddress) and self._freeze_in_put and action.lifetime(self.world.now):
                self._half_put = (action, action.lifetime(self.world.now))
                self._freeze_in_put, self.frozen = False, True
                self.world.log(self.name, "stopped in the middle of the call")
                return
            self._do(action)

    def _tick(self, due: float, boot: int) -> None:
        if due == self._tick_at and boot == self.boot and self.running:
            self._tick_at = -1.0
            self._post(Tick())

    # --- what the gateway wants

    def _do(self, action: Action) -> None:
        world = self.world
        match action:
            case AskLan():
                for target in action.targets:
                    world.lan.ask(self, target)
            case Probe():
                world.lan.probe(self, action.address)
            case Announce():
                world.lan.announce(self, action.address)
            case PutAddress():
                if self.refuses_to_put:
                    self._inbox.append(AddressPut(action.address, None, self.refuses_to_put))
                else:
                    self._inbox.append(AddressPut(action.address, self.put(action)))
            case RemoveAddress():
                if not self.refuses_to_remove:
                    self.drop(action.address)
                self._inbox.append(AddressRemoved(action.address, self.refuses_to_remove))
            case SwapLease() | DeleteLease() | ReadLease():
                self._request(action)
            case WatchEverything():
                newly = action.wanted and not self._everything
                self._everything = action.wanted
                if newly:
                    world.clock.after(world.rng.uniform(0.01, 0.1), self._list_everything, self.boot)
            case _:
                self._do_sessions(action)

    def _do_sessions(self, action: Action) -> None:
        world = self.world
        match action:
            case WithdrawSessions():
                if action.address in world.group:
                    world.violate("P2", f"{self.name} withdraws {action.address}, which the group lists")
                if self.engine:
                    world.clock.after(0.1, self._post, SessionsWithdrawn(action.address))
            case AddressLost():
                if action.departure is Departure.REMOVAL and action.address in world.group:
                    world.violate("P2", f"{self.name} removes {action.address}, which the group lists")
                if action.reason.endswith("several"):
                    world.spread_at[action.address] = world.now
                if action.address in self.addresses:
                    world.violate("P2", f"{self.name} asks gobgpd while {action.address} is still on the interface")
            case Finished():
                self.finished_at = world.now
                self.machine = None
            case AddressHeld():
                if action.address not in self.addresses:
                    world.violate("P1", f"{self.name} opens sessions from {action.address} without having it")
            case _:
                pass

    def _request(self, action: SwapLease | DeleteLease | ReadLease) -> None:
        if isinstance(action, SwapLease) and not action.content.holder and action.address in self.addresses:
            self.world.violate("P2", f"{self.name} frees the Lease of {action.address} before it is off the interface")
        if isinstance(action, SwapLease) and action.content.holder and action.address not in self.addresses:
            self.claimed_at[action.address] = self.world.now
        self._pending.add(id(action))
        self.world.store.request(self, action)

    def answered(
        self,
        action: SwapLease | DeleteLease | ReadLease,
        event: LeaseSwapped | LeaseRead | LeaseReadFailed,
        boot: int,
    ) -> None:
        """Take the first of an answer and its time limit."""
        if self.frozen or self.suspended:
            self._late.append((action, event, boot))
        else:
            self._answer(action, event, boot)

    def _answer(self, action: SwapLease | DeleteLease | ReadLease, event: Event, boot: int) -> None:
        if boot == self.boot and self.machine is not None and id(action) in self._pending:
            self._pending.discard(id(action))
            self._post(event)

    def watched(self, address: IPAddress, record: LeaseRecord | None) -> None:
        """The store changed: the watch brings it, in order."""
        if self.machine is None:
            return
        if self.link.broken or self.world.store.foreign:
            return
        self._watch_at = max(self.world.now + self.world.rng.uniform(0.001, 0.01) + self.link.delay[0], self._watch_at)
        self.world.clock.at(self._watch_at, self._watch, address, record, self.boot)

    def _watch(self, address: IPAddress, record: LeaseRecord | None, boot: int) -> None:
        if boot != self.boot or self.machine is None:
            return
        if not self.link.broken:
            self._post(LeaseSeen(address, record))

    def cut_store(self, how: str) -> None:
        """Cut the node from the store."""
        self.link.broken = how

    def mend_store(self) -> None:
        """The store answers again: the watch is resumed some moments later."""
        self.link.broken = ""
        self.resume_watch()

    def resume_watch(self) -> None:
        """Have the watch bring what it missed."""
        self.world.clock.after(self.world.rng.uniform(0.05, 0.8), self._resync, self.boot)

    def _resync(self, boot: int) -> None:
        if boot != self.boot or self.machine is None or self.link.broken or self.world.store.foreign:
            return
        self._post(StoreIdentitySeen(False))
        self._post(StoreAnswered())
        self.tell_node()
        for address in self.world.group:
            self._post(LeaseSeen(address, self.world.store.leases.get(address)))

    def identity(self, *, foreign: bool) -> None:
        """Tell which store answers."""
        if self.machine is not None and not self.link.broken:
            self._post(StoreIdentitySeen(foreign, "the store was replaced" if foreign else ""))

    # --- what its machine goes through

    def interfaces_changed(self) -> None:
        """Have netlink tell the speaker, a moment later."""
        self.world.clock.after(self.world.rng.uniform(0.0005, 0.003), self._tell_interfaces, self.boot)

    def _tell_interfaces(self, boot: int) -> None:
        if boot == self.boot and self.machine is not None:
            self._post(self.interfaces())

    def power_off(self) -> None:
        super().power_off()
        self.machine = None

    def power_on(self) -> None:
        """Boot; the speaker starts a little later."""
        super().power_on()
        self.frozen, self.engine = False, True
        self.world.clock.after(1.0, self.start)

    def resume(self) -> None:
        """Go on after a suspension."""
        if self.suspended_at is None or not self.powered:
            return
        super().resume()
        self.resume_watch()
        if not self.frozen:
            self.world.clock.after(0.001, self._woken)
