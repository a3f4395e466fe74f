"""A LAN in network namespaces, and our own code, sockets and event loops inside them."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any, TypeVar

from flatbgp.host.interface import Host
from flatbgp.host.linux import LinuxHost
from flatbgp.host.model import HostEvent, Interface
from flatbgp.lab.namespaces import Namespace, plug
from flatbgp.resources.ip import IPAddress
from support.netns import inside
from support.sandbox import Sandbox

T = TypeVar("T")
E = TypeVar("E", bound=HostEvent)
Main = Callable[[], Coroutine[Any, Any, T]]

INTERFACE = "eth0"
FLOATING = IPv4Address("10.0.1.100")
FLOATING6 = IPv6Address("2001:db8:1::100")
FREE = IPv4Address("10.0.1.77")
FREE6 = IPv6Address("2001:db8:1::77")

_ETH_P_ALL = 3
_PACKET_OUTGOING = 4
_SO_RCVBUFFORCE = 33


@dataclass(frozen=True)
class Machine:
    """A namespace with an interface ``eth0``, and its addresses on the LAN."""

    namespace: Namespace
    mac: str
    four: IPAddress
    six: IPAddress

    def start(self, main: "Main[T]", timeout: float = 40.0) -> "Future[T]":
        """Run a coroutine in an event loop of its own, in a thread that lives inside."""
        outcome: Future[T] = Future()

        async def bounded() -> T:
            async with asyncio.timeout(timeout):
                return await main()

        def thread() -> None:
            try:
                with inside(self.namespace):
                    outcome.set_result(asyncio.run(bounded()))
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=thread, daemon=True).start()
        return outcome

    def run(self, main: "Main[T]", timeout: float = 40.0) -> T:
        """Run a coroutine inside and wait for its result."""
        return self.start(main, timeout).result(timeout + 5.0)

    def call(self, function: Callable[[], T]) -> T:
        """Call a function inside; a socket that it opens stays there, whoever uses it."""

        async def main() -> T:
            return function()

        return self.run(main)

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """Open a socket inside."""
        return self.call(lambda: socket.socket(family, kind, protocol))

    @contextmanager
    def capture(self) -> Iterator["Capture"]:
        """Record the frames that come in, from now on."""
        with self.socket(socket.AF_PACKET, socket.SOCK_RAW) as recorder:
            yield _recording(recorder, INTERFACE)

    def json(self, *arguments: str) -> Any:
        """Return what ``ip -json`` prints inside."""
        return json.loads(self.namespace.run("ip", "-json", *arguments).strip() or "[]")

    def neighbor_state(self, address: IPAddress) -> list[str] | None:
        """Return how far the neighbour table is with an address."""
        found = self.json("neigh", "show", "to", str(address))
        return found[0]["state"] if found else None

    def neighbor_mac(self, address: IPAddress) -> str | None:
        """Return what the neighbour table says of an address."""
        found = self.json("neigh", "show", "to", str(address))
        return found[0].get("lladdr") if found else None


def _recording(recorder: socket.socket, interface: str) -> "Capture":
    recorder.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
    recorder.bind((interface, _ETH_P_ALL))  # the name is looked up in the socket's own namespace
    recorder.setblocking(False)
    return Capture(recorder)


@dataclass
class Capture:
    """Frames that came in on an interface, from the moment it was made."""

    recorder: socket.socket
    frames: list[bytes] = field(default_factory=list)

    def incoming(self) -> list[bytes]:
        """Return all so far."""
        while True:
            try:
                frame, sender = self.recorder.recvfrom(1 << 16)
            except BlockingIOError:
                return self.frames
            if sender[2] != _PACKET_OUTGOING:
                self.frames.append(frame)


@dataclass(frozen=True)
class Lan:
    """Two nodes and a router on one LAN: 10.0.1.0/24 and 2001:db8:1::/64, hosts .1, .2 and .254."""

    switch: Namespace
    a: Machine
    b: Machine
    router: Machine

    @contextmanager
    def leaving(self, port: str) -> Iterator[Capture]:
        """Record what leaves a host (a, b, router): seen at its port of the switch."""
        with inside(self.switch):
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with opened as recorder:
            yield _recording(recorder, f"port-{port}")

    def cable(self, port: str, *, plugged: bool) -> None:
        """Let the switch carry nothing for a port, or all again; the host at it (a, b, router) notices nothing."""
        self.switch.run("bridge", "link", "set", "dev", f"port-{port}", "state", "3" if plugged else "0")


def build_lan(sandbox: Sandbox) -> Lan:
    switch = sandbox.lan("lan")
    machines: list[Machine] = []
    for name, host in (("a", 1), ("b", 2), ("router", 254)):
        namespace = sandbox.host(name, forwarding=name == "router")
        mac = f"02:00:00:00:00:{host:02x}"
        plug(switch, f"port-{name}", namespace, INTERFACE)
        namespace.ip(f"link set {INTERFACE} address {mac}")
        four, six = ip_interface(f"10.0.1.{host}/24"), ip_interface(f"2001:db8:1::{host}/64")
        namespace.add_addresses(INTERFACE, [four, six])
        machines.append(Machine(namespace, mac, four.ip, six.ip))
    return Lan(switch, *machines)


class Ears:
    """Reads a host's events in the background, so that a test can wait for one of a kind."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.heard: list[HostEvent] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.host.events():
            async with self._news:
                self.heard.append(event)
                self._news.notify_all()

    async def expect(self, kind: type[E], test: Callable[[E], bool] = lambda _: True, within: float = 5.0) -> E:
        """Return the first event of the kind that passes the test, also one that was heard before."""

        def found() -> E | None:
            return next((event for event in self.heard if isinstance(event, kind) and test(event)), None)

        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: found() is not None)
        except TimeoutError:
            raise AssertionError(f"no such {kind.__name__} within {within} s; heard: {self.heard}") from None
        event = found()
        assert event is not None
        return event

    def of(self, kind: type[E]) -> list[E]:
        """Return all events of a kind."""
        return [event for event in self.heard if isinstance(event, kind)]

    async def close(self) -> None:
        await self.host.close()
        await self._task


@asynccontextmanager
async def open_host() -> AsyncIterator[tuple[LinuxHost, Ears]]:
    """Open the host of the namespace that this thread is in."""
    host = LinuxHost()
    ears = Ears(host)
    try:
        yield host, ears
    finally:
        await ears.close()


async def hold(host: Host, address: IPAddress, seconds: int = 60) -> None:
    """Put an address on the interface."""
    assert await host.put(address, INTERFACE, lambda _: seconds, lambda _: True, fresh=True) is not None


async def floating(host: Host) -> set[IPAddress]:
    """Return the floating IPs that are on the host."""
    return {own.ip for interface in await host.interfaces() for own in interface.addresses if own.ours}


def eth0(interfaces: tuple[Interface, ...]) -> Interface:
    """Return the interface of the LAN."""
    return next(interface for interface in interfaces if interface.name == INTERFACE)


def other_node(address: IPAddress) -> IPAddress:
    """Return node b's address of the same family."""
    return ip_address("10.0.1.2" if address.version == 4 else "2001:db8:1::2")
