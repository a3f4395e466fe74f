"""The shell around the gateway's state machine: events in, actions carried out.

Calls of the host are made in order and at once, since they take microseconds and their order is the protocol. Requests
to the store run beside, so that a store that does not answer never keeps an address from being taken off in time.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from flatbgp.engine.errors import EngineError
from flatbgp.engine.model import Exit
from flatbgp.host import model as host_model
from flatbgp.host.interface import Host
from flatbgp.host.model import HostError, HostEvent
from flatbgp.planning.gateway import AddressReason, Gateway, actions, events
from flatbgp.planning.gateway.records import lease_document, lease_patch, read_lease
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.names import lease_name
from flatbgp.roles.runtime import Trouble
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Store, StoreError, WrongStore

_FINE = {AddressReason.HELD, AddressReason.HELD_ELSEWHERE, AddressReason.WAITING, AddressReason.LEAVING}

OWN_STORE_SECONDS = 1.0
"""How often to ask whether the store that was exchanged for another one is back, and how long to wait for an answer."""

_MICRO_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class Sessions(Protocol):
    """The part of the speaker that opens and ends sessions, as the gateway needs it."""

    def returned(self, address: IPAddress) -> None:
        """Let sessions start from an address."""

    async def leave(self, address: IPAddress, how: Exit) -> None:
        """End all sessions from an address."""


@dataclass(slots=True)
class GatewayLoop:
    """Drives one :class:`Gateway`.

    ``store_returned`` is called when the store is ours again after another one was in its place: the machine has taken
    nothing from it meanwhile, and must be told anew. ``changed`` is called when the held addresses or a status changed,
    ``watch_everything`` when the machine needs more (or less) than Leases and the group: whether it does, and whether
    that must be kept up to date; ``taken_over`` when an address has come here that somebody had before. On a stop
    ``finished`` is set when everything is handed over, and ``settled`` when all requests have been answered too,
    gobgpd's included.
    """

    machine: Gateway
    host: Host
    store: Store
    sessions: Sessions
    log: structlog.stdlib.BoundLogger
    trouble: Trouble
    changed: Callable[[], None]
    store_returned: Callable[[], None]
    watch_everything: Callable[[bool, bool], None]
    taken_over: Callable[[IPAddress], None]
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    _inbox: deque[events.Event] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _requests: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _foreign: bool = False
    _expected: tuple[IPAddress, float] | None = None
    _listening: dict[str, frozenset[IPAddress]] = field(default_factory=dict)

    def post(self, event: events.Event) -> None:
        """Tell the machine something."""
        self._inbox.append(event)
        self._news.set()

    def heard(self, event: HostEvent) -> None:
        """Tell the machine what the host says, as far as it concerns addresses."""
        match event:
            case host_model.Heard():
                voice = events.Voice(event.voice.value)
                self.post(events.LanHeard(event.at, event.interface, event.address, event.mac, voice))
            case host_model.PeerHeard():
                self.post(events.PeerHeard(event.at, event.peer, event.mac))
            case host_model.InterfacesChanged():
                self.post(interfaces_seen(event.interfaces, event.at))

    def _notice(self, error: StoreError | TimeoutError) -> None:
        if isinstance(error, WrongStore) and not self._foreign:
            self._foreign = True
            message = f"{error}; to accept what is there now, restart this speaker"
            self.post(events.StoreIdentitySeen(foreign=True, message=message))
            self._start(self._await_own_store())

    async def _await_own_store(self) -> None:
        """Ask which store is there until it is ours again: the machine asks nothing of another one."""
        while not await self._finished_within(OWN_STORE_SECONDS):
            try:
                async with asyncio.timeout(OWN_STORE_SECONDS):
                    await self.store.identity()
            except (StoreError, TimeoutError):
                continue
            self._foreign = False
            self.post(events.StoreIdentitySeen(foreign=False))
            self.store_returned()
            return

    async def _finished_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self.finished.wait()
        except TimeoutError:
            return False

    async def run(self) -> None:
        """Handle events until the machine has finished, or until cancelled."""
        async with asyncio.TaskGroup() as self._requests:
            while not self.finished.is_set():
                await self._wait()
                event = self._inbox.popleft() if self._inbox else events.Tick()
                for action in self.machine.handle(self.host.now(), event):
                    await self._do(action)
                self._listen()
                if self.machine.expected != self._expected:
                    self._expected = self.machine.expected
                    self.changed()
        self.settled.set()

    async def _wait(self) -> None:
        if self._inbox:
            await asyncio.sleep(0)  # a flood of events must not keep the rest of the process from running
            return
        self._news.clear()
        deadline = self.machine.next_deadline()
        seconds = None if deadline is None else max(0.0, deadline - self.host.now())
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    def _listen(self) -> None:
        """Listen on the LANs for the addresses that the machine asks about."""
        wanted = dict(self.machine.questions)
        if wanted == self._listening:
            return
        try:
            for interface in self._listening.keys() - wanted.keys():
                self.host.watch_addresses(interface, ())
            for interface, addresses in wanted.items():
                self.host.watch_addresses(interface, addresses)
        except HostError as error:
            self.trouble.report("LAN", str(error))
        else:
            self._listening = wanted

    async def _do(self, action: actions.Action) -> None:
        match action:
            case actions.AskLan() | actions.Probe() | actions.Announce():
                self._speak(action)
            case actions.PutAddress():
                await self._put(action)
            case actions.RemoveAddress():
                await self._remove(action.address)
            case actions.SwapLease():
                self._start(self._swap(action))
            case actions.DeleteLease():
                self._start(self._delete(action))
            case actions.ReadLease():
                self._start(self._read(action))
            case _:
                self._tell(action)

    def _speak(self, action: actions.AskLan | actions.Probe | actions.Announce) -> None:
        """Send on the LAN; what the kernel refuses to send is silence, which the machine knows how to take."""
        try:
            match action:
                case actions.AskLan():
                    for target in action.targets:
                        self.host.ask(action.interface, target)
                case actions.Probe():
                    self.host.probe(action.interface, action.address)
                case actions.Announce():
                    self.host.announce(action.interface, action.address)
        except HostError as error:
            self.trouble.report(action.interface, str(error))

    def _tell(self, action: actions.Action) -> None:
        """Pass on what concerns sessions, caches and people."""
        match action:
            case actions.WatchEverything():
                self.watch_everything(action.wanted, action.following)
            case actions.AddressHeld():
                self.log.info("address held", address=str(action.address), interface=action.interface)
                self.sessions.returned(action.address)
                if action.taken_over:
                    self.taken_over(action.address)
                self.changed()
            case actions.WithdrawSessions():
                self._start(self._withdraw(action.address))
            case actions.AddressLost():
                self.log.info("address given up", address=str(action.address), how=action.departure, why=action.reason)
                self.changed()
                self._start(self._leave(action.address, Exit(action.departure.value)))
            case actions.StatusChanged():
                log = self.log.info if action.status.reason in _FINE else self.log.warning
                log(action.status.message, address=str(action.address), reason=str(action.status.reason))
                self.changed()
            case actions.Finished():
                self.finished.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._requests.create_task(work)

    # --- the host

    async def _put(self, action: actions.PutAddress) -> None:
        address = action.address
        try:
            until = await self.host.put(
                address, action.interface, action.lifetime, action.still_valid, fresh=action.fresh
            )
        except HostError as error:
            self.post(events.AddressPut(address, None, str(error)))
            return
        if until is None and action.expires is not None and self.host.now() < action.expires:
            until = action.expires  # there was nothing to do: what is set lasts as long
        self.post(events.AddressPut(address, until))

    async def _remove(self, address: IPAddress) -> None:
        try:
            await self.host.release(address)
        except HostError as error:
            self.post(events.AddressRemoved(address, str(error)))
        else:
            self.post(events.AddressRemoved(address))

    # --- the store

    async def _swap(self, action: actions.SwapLease) -> None:
        address, name = action.address, lease_name(action.address)
        renewed = datetime.now(UTC).strftime(_MICRO_TIME) if action.renew else None
        async with self._answering(action):
            if action.before is None:
                written = await self.store.create(LEASE, lease_document(address, action.content, renewed))
            else:
                patch = lease_patch(address, action.content, action.before, renewed)
                written = await self.store.patch(LEASE, name, NAMESPACE, patch, version=action.before.version)
            confirmed = events.SwapOutcome.CONFIRMED
            self.post(events.LeaseSwapped(address, action.token, confirmed, read_lease(written)))

    async def _delete(self, action: actions.DeleteLease) -> None:
        async with self._answering(action):
            await self.store.delete(LEASE, lease_name(action.address), NAMESPACE, version=action.before.version)
            self.post(events.LeaseSwapped(action.address, action.token, events.SwapOutcome.CONFIRMED))

    @asynccontextmanager
    async def _answering(self, action: actions.SwapLease | actions.DeleteLease) -> AsyncIterator[None]:
        """Turn the failures of a compare-and-swap into its outcome."""
        try:
            async with asyncio.timeout(action.timeout):
                yield
        except (Conflict, AlreadyExists, NotFound) as error:
            self.post(events.LeaseSwapped(action.address, action.token, events.SwapOutcome.CONFLICT, error=str(error)))
        except (StoreError, TimeoutError) as error:
            self._notice(error)
            told = str(error) or f"no answer within {action.timeout} s"
            self.post(events.LeaseSwapped(action.address, action.token, events.SwapOutcome.UNKNOWN, error=told))

    async def _read(self, action: actions.ReadLease) -> None:
        address = action.address
        try:
            async with asyncio.timeout(action.timeout):
                lease = await self.store.get(LEASE, lease_name(address), NAMESPACE)
        except (StoreError, TimeoutError) as error:
            self._notice(error)
            told = str(error) or f"no answer within {action.timeout} s"
            self.post(events.LeaseReadFailed(address, told))
        else:
            self.post(events.LeaseRead(address, read_lease(lease) if lease is not None else None))

    # --- the sessions

    async def _withdraw(self, address: IPAddress) -> None:
        await self._leave(address, Exit.REMOVAL)
        self.post(events.SessionsWithdrawn(address))

    async def _leave(self, address: IPAddress, how: Exit) -> None:
        try:
            await self.sessions.leave(address, how)
        except EngineError as error:
            # The daemon's own loop goes on trying: the neighbours stay surplus until they are gone.
            self.log.warning(f"the sessions from {address} are still in gobgpd: {error}")


def interfaces_seen(interfaces: tuple[host_model.Interface, ...], at: float) -> events.InterfacesSeen:
    """Return the host's interfaces in the machine's words; ``at`` is when they were read."""
    return events.InterfacesSeen(
        at,
        tuple(
            events.Interface(
                interface.name,
                interface.mac,
                interface.carrier,
                tuple(
                    events.HostAddress(
                        address.interface, address.ours, None if address.valid is None else at + address.valid
                    )
                    for address in interface.addresses
                ),
                interface.gateways,
            )
            for interface in interfaces
        ),
    )
