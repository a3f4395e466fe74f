"""A LAN in network namespaces: a bridge, two nodes and a router, and code that runs inside them."""

import asyncio
import ctypes
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_interface
from pathlib import Path
from secrets import token_hex
from typing import Any, TypeVar

import pytest

from flatbgp.host.linux import LinuxHost
from flatbgp.host.model import HostEvent

T = TypeVar("T")
E = TypeVar("E", bound=HostEvent)

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)
_ETH_P_ALL = 3
INTERFACE = "eth0"


def sh(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr or done.stdout}"
    return done.stdout


def wait_for(condition: Callable[[], T], within: float = 5.0, what: str = "condition") -> T:
    """Return the first true value of a condition, looked at every 10 ms."""
    end = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"{what} did not come true within {within} s"
        threading.Event().wait(0.01)


@dataclass
class Namespace:
    """A network namespace with one interface, ``eth0``, whose MAC address is ``mac``."""

    name: str
    mac: str

    def run(self, *command: str) -> str:
        """Run a program inside."""
        return sh("ip", "netns", "exec", self.name, *command)

    def ip(self, *arguments: str) -> str:
        """Run ip(8) inside."""
        return sh("ip", "-n", self.name, *arguments)

    def ip_json(self, *arguments: str) -> Any:
        return json.loads(sh("ip", "-n", self.name, "-json", *arguments) or "[]")

    def start(self, main: Callable[[], Coroutine[Any, Any, T]], timeout: float = 40.0) -> "Future[T]":
        """Run a coroutine in an event loop of its own, in a thread that lives inside."""
        outcome: Future[T] = Future()

        async def bounded() -> T:
            async with asyncio.timeout(timeout):
                return await main()

        def thread() -> None:
            try:
                self.enter()
                outcome.set_result(asyncio.run(bounded()))
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=thread, daemon=True).start()
        return outcome

    def run_async(self, main: Callable[[], Coroutine[Any, Any, T]], timeout: float = 40.0) -> T:
        """Run a coroutine inside and wait for its result."""
        return self.start(main, timeout).result(timeout + 5.0)

    def socket(self, *arguments: int) -> socket.socket:
        """Open a socket inside; it stays there whoever uses it."""
        opened: Future[socket.socket] = Future()

        def thread() -> None:
            self.enter()
            opened.set_result(socket.socket(*arguments))

        threading.Thread(target=thread).start()
        return opened.result(5.0)

    def enter(self) -> None:
        """Move the calling thread inside."""
        with Path(f"/run/netns/{self.name}").open("rb") as handle:
            assert _LIBC.setns(handle.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())

    def capture(self) -> "Capture":
        """Begin to record all frames of the interface."""
        recorder = self.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        recorder.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE
        recorder.bind((INTERFACE, _ETH_P_ALL))
        recorder.setblocking(False)
        return Capture(recorder)


@dataclass
class Capture:
    """Frames that came in on an interface."""

    recorder: socket.socket
    frames: list[bytes] = field(default_factory=list)

    def incoming(self) -> list[bytes]:
        """Return all frames received so far."""
        while True:
            try:
                frame, sender = self.recorder.recvfrom(1 << 16)
            except BlockingIOError:
                return self.frames
            if sender[2] != 4:  # PACKET_OUTGOING
                self.frames.append(frame)


@dataclass
class Lan:
    """A bridge with two nodes and a router: 10.0.1.0/24 and 2001:db8:1::/64, hosts .1, .2 and .254."""

    prefix: str
    names: list[str] = field(default_factory=list)

    def build(self) -> None:
        self.add(f"{self.prefix}-sw")
        sh("ip", "-n", self.names[0], "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        sh("ip", "-n", self.names[0], "link", "set", "br0", "up")
        for number, (name, host) in enumerate((("a", 1), ("b", 2), ("r", 254))):
            self.add(f"{self.prefix}-{name}")
            mac = f"02:00:00:00:00:0{number + 1}"
            self.plug(name, mac)
            setattr(self, name, Namespace(f"{self.prefix}-{name}", mac))
            sh("ip", "-n", self.names[-1], "addr", "add", f"10.0.1.{host}/24", "dev", INTERFACE)
            sh("ip", "-n", self.names[-1], "addr", "add", f"2001:db8:1::{host}/64", "dev", INTERFACE, "nodad")

    def plug(self, name: str, mac: str) -> None:
        """Connect a namespace to the bridge."""
        switch, inside = f"{self.prefix}-sw", f"{self.prefix}-{name}"
        sh("ip", "-n", switch, "link", "add", name, "type", "veth", "peer", "name", INTERFACE, "netns", inside)
        sh("ip", "-n", switch, "link", "set", name, "master", "br0", "up")
        sh("ip", "-n", inside, "link", "set", INTERFACE, "address", mac)
        sh("ip", "-n", inside, "link", "set", INTERFACE, "up")

    def cable(self, name: str, *, plugged: bool) -> None:
        """Pull the cable of a host out of the bridge, or plug it in again; it notices nothing."""
        sh("bridge", "-n", f"{self.prefix}-sw", "link", "set", "dev", name, "state", "3" if plugged else "0")

    def add(self, name: str) -> None:
        sh("ip", "netns", "add", name)
        self.names.append(name)
        sh("ip", "-n", name, "link", "set", "lo", "up")

    def remove(self) -> None:
        for name in reversed(self.names):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=20)

    a: Namespace = field(init=False)
    b: Namespace = field(init=False)
    r: Namespace = field(init=False)


@pytest.fixture
def lan() -> Iterator[Lan]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    built = Lan(f"fbh{token_hex(3)}")
    try:
        built.build()
        yield built
    finally:
        built.remove()


class Ears:
    """Reads a host's events in the background, so that a test can wait for one of a kind."""

    def __init__(self, host: LinuxHost) -> None:
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

        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: found() is not None)
        event = found()
        assert event is not None
        return event

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.heard if isinstance(event, kind)]

    async def close(self) -> None:
        await self.host.close()
        await self._task


@asynccontextmanager
async def open_host() -> AsyncIterator[tuple[LinuxHost, Ears]]:
    """Open the host of the namespace that the thread is in."""
    host = LinuxHost()
    ears = Ears(host)
    try:
        yield host, ears
    finally:
        await ears.close()


def own(text: str) -> str:
    return str(ip_interface(text).ip)
