"""After an address is released, nothing of its old sessions leaves, not even when the address comes back.

The property is shown by what leaves the host's port of the switch. Each test ends with a look for long enough that a
retransmission would have come (the control tests show that it does).
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from flatbgp.host.addresses import Addresses
from flatbgp.host.netlink import ROUTE, SOCK_DIAG, Netlink
from flatbgp.host.packets.inetdiag import TcpSocket
from flatbgp.host.rules import Ban, Rules
from flatbgp.host.sockets import Silencer, Sockets
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from host.hostrig import FLOATING, FLOATING6, Capture, Lan, floating, hold, open_host
from support.capture import Segment, read_segment

PORT = 179
LAST_WORDS = b"the Cease that must not leave"
RST = 0x04
LOOK = 1.5
"""Seconds in which an unsilenced socket repeats itself: its timer stands at 0.8 s at most by then."""


@dataclass(frozen=True)
class Kind:
    """A sort of socket: its family, and how it writes the address."""

    family: socket.AddressFamily
    address: IPAddress
    mapped: bool = False

    def text(self, address: IPAddress) -> str:
        return f"::ffff:{address}" if self.mapped else str(address)


KINDS = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Kind(socket.AF_INET, FLOATING), id="IPv4"),
        pytest.param(Kind(socket.AF_INET6, FLOATING6), id="IPv6"),
        pytest.param(Kind(socket.AF_INET6, FLOATING, mapped=True), id="dual stack"),
    ],
)


class Session:
    """A TCP connection from the floating IP on node a to the router."""

    def __init__(self, lan: Lan, kind: Kind, stack: ExitStack, peer: IPAddress | None = None) -> None:
        """``peer`` is the router's address, if it is none of the LAN's."""
        router = peer or (lan.router.four if kind.address.version == 4 else lan.router.six)
        family = socket.AF_INET if router.version == 4 else socket.AF_INET6
        listener = stack.enter_context(lan.router.socket(family, socket.SOCK_STREAM))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(router), PORT))
        listener.listen()
        self.client = stack.enter_context(lan.a.socket(kind.family, socket.SOCK_STREAM))
        for end in (listener, self.client):
            end.settimeout(5.0)
        self.client.bind((kind.text(kind.address), 0))
        self.client.connect((kind.text(router), PORT))
        self.server = stack.enter_context(listener.accept()[0])
        self.server.settimeout(5.0)
        self.port: int = self.client.getsockname()[1]
        self.address = kind.address
        listener.close()

    def talk(self) -> None:
        """Prove that it works."""
        self.client.sendall(b"hello")
        assert self.server.recv(100) == b"hello"

    def segments(self, caught: Capture) -> list[Segment]:
        """Return what left of this connection."""
        read = [read_segment(0.0, frame) for frame in caught.incoming()]
        return [found for found in read if found and (found.source, found.source_port) == (self.address, self.port)]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def put(lan: Lan, address: IPAddress) -> None:
    async def main() -> None:
        async with open_host() as (host, _):
            assert await host.put(address, "eth0", lambda _: 60, lambda _: True) is not None

    lan.a.run(main)


def begin(lan: Lan, kind: Kind, stack: ExitStack, caught: Capture) -> Session:
    """Bring a session up, cut the router off, and write what it cannot get."""
    put(lan, kind.address)
    session = Session(lan, kind, stack)
    session.talk()
    lan.cable("router", plugged=False)
    session.client.sendall(LAST_WORDS)
    wait_until("the last words to leave", lambda: said(session.segments(caught)))
    return session


def said(segments: list[Segment]) -> bool:
    return any(LAST_WORDS in segment.payload for segment in segments)


def look(moment: float = LOOK) -> None:
    """Let a time pass in which something may happen that must not."""
    threading.Event().wait(moment)


@KINDS
def test_control_an_address_that_comes_back_delivers_what_its_sockets_still_hold(
    lan: Lan, stack: ExitStack, kind: Kind
) -> None:
    with lan.leaving("a") as caught:
        session = begin(lan, kind, stack, caught)
        lan.a.call(lambda: Addresses(Netlink(ROUTE)).remove(kind.address))
        lan.cable("router", plugged=True)
        put(lan, kind.address)
        assert session.server.recv(100) == LAST_WORDS


def test_control_ipv6_goes_on_sending_from_an_address_that_is_gone(lan: Lan, stack: ExitStack) -> None:
    with lan.leaving("a") as caught:
        session = begin(lan, Kind(socket.AF_INET6, FLOATING6), stack, caught)
        lan.a.call(lambda: Addresses(Netlink(ROUTE)).remove(FLOATING6))
        before = len(session.segments(caught))
        wait_until("another repetition", lambda: len(session.segments(caught)) > before)


@KINDS
def test_a_released_address_is_silent_for_ever(lan: Lan, stack: ExitStack, kind: Kind) -> None:
    async def release() -> None:
        async with open_host() as (host, _):
            assert await host.release(kind.address) == (1, 0)
            assert await floating(host) == set()
            assert Rules(Netlink(ROUTE)).list() == frozenset()
            assert Sockets(Netlink(SOCK_DIAG)).of(kind.address) == []

    with lan.leaving("a") as caught:
        session = begin(lan, kind, stack, caught)
        lan.a.run(release)
        before = len(session.segments(caught))
        with pytest.raises(ConnectionAbortedError):
            session.client.recv(1)
        lan.cable("router", plugged=True)
        put(lan, kind.address)
        Session(lan, kind, stack).talk()
        look()
        segments = session.segments(caught)
        assert len(segments) == before
        assert not [segment for segment in segments if segment.flags & RST]


BEYOND = {4: ip_address("192.0.2.7"), 6: ip_address("2001:db8:7::7")}
"""Addresses of the router that are reached by way of its address on the LAN."""


@pytest.mark.parametrize("beyond", [False, True], ids=["on the LAN", "beyond it"])
@KINDS
def test_segments_that_wait_for_the_routers_mac_address_are_dropped_with_the_address(
    lan: Lan, stack: ExitStack, kind: Kind, *, beyond: bool
) -> None:
    """They have passed routing, and outlive their socket: in the neighbour table, until the router is found."""
    router = lan.router.four if kind.address.version == 4 else lan.router.six

    async def release() -> None:
        async with open_host() as (host, _):
            assert await host.release(kind.address) == (1, 0)

    with lan.leaving("a") as caught:
        put(lan, kind.address)
        peer = BEYOND[router.version] if beyond else router
        if beyond:
            lan.router.namespace.ip(f"address add {peer}/{peer.max_prefixlen} dev lo")
            lan.a.namespace.ip(f"route add {peer}/{peer.max_prefixlen} via {router}")
        session = Session(lan, kind, stack, peer)
        session.talk()
        lan.cable("router", plugged=False)
        lan.a.namespace.ip(f"neigh del {router} dev eth0")
        session.client.sendall(LAST_WORDS)
        wait_until("the router to be looked for", lambda: lan.a.neighbor_state(router) == ["INCOMPLETE"])
        lan.a.run(release)
        before = len(session.segments(caught))
        lan.cable("router", plugged=True)
        put(lan, kind.address)
        Session(lan, kind, stack).talk()
        assert len(session.segments(caught)) == before
        assert not said(session.segments(caught))


@KINDS
def test_a_claim_ends_the_sockets_of_an_address_that_went_by_itself(lan: Lan, stack: ExitStack, kind: Kind) -> None:
    async def claim() -> None:
        async with open_host() as (host, _):
            await hold(host, kind.address)

    with lan.leaving("a") as caught:
        session = begin(lan, kind, stack, caught)
        lan.a.call(lambda: Addresses(Netlink(ROUTE)).remove(kind.address))
        lan.a.run(claim)
        before = len(session.segments(caught))
        lan.cable("router", plugged=True)
        Session(lan, kind, stack).talk()
        look()
        assert len(session.segments(caught)) == before


class OldKernel(Sockets):
    """The sockets of a kernel built without CONFIG_INET_DIAG_DESTROY."""

    def destroy(self, victim: TcpSocket) -> bool:  # noqa: ARG002 - it cannot, whichever it is
        return False


@KINDS
def test_where_the_kernel_cannot_end_sockets_each_is_kept_silent_and_new_ones_are_free(
    lan: Lan, stack: ExitStack, kind: Kind
) -> None:
    silencer = Silencer(OldKernel(Netlink(SOCK_DIAG)), Rules(Netlink(ROUTE)), lambda _: None)
    addresses = Addresses(Netlink(ROUTE))

    with lan.leaving("a") as caught:
        session = begin(lan, kind, stack, caught)
        assert lan.a.call(lambda: silencer.release(kind.address, lambda: addresses.remove(kind.address))) == (0, 1)
        before = len(session.segments(caught))
        lan.cable("router", plugged=True)
        lan.a.call(lambda: silencer.admit(kind.address))
        lan.a.call(lambda: addresses.put(kind.address, "eth0", lambda _: 60, lambda _: True))
        Session(lan, kind, stack).talk()
        look()
        assert len(session.segments(caught)) == before
        assert lan.a.call(Rules(Netlink(ROUTE)).list) == {Ban(kind.address, (session.port, PORT))}

        session.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        session.client.close()
        lan.a.call(silencer.sweep)
        assert lan.a.call(Rules(Netlink(ROUTE)).list) == frozenset()
        assert len(session.segments(caught)) == before


def _left_behind(rules: Rules, address: IPAddress) -> Callable[[], None]:
    return lambda: rules.add(Ban(address))


@KINDS
def test_a_release_in_which_the_process_died_is_finished_by_the_next_one(
    lan: Lan, stack: ExitStack, kind: Kind
) -> None:
    async def start_again() -> None:
        async with open_host() as (host, _):
            assert await floating(host) == set()

    with lan.leaving("a") as caught:
        session = begin(lan, kind, stack, caught)
        rules = Rules(Netlink(ROUTE))
        lan.a.call(_left_behind(rules, kind.address))
        before = len(session.segments(caught))
        lan.a.run(start_again)
        assert lan.a.call(rules.list) == frozenset()
        lan.cable("router", plugged=True)
        put(lan, kind.address)
        Session(lan, kind, stack).talk()
        look()
        assert len(session.segments(caught)) == before


def test_sockets_of_other_addresses_live_on(lan: Lan, stack: ExitStack) -> None:
    put(lan, FLOATING)
    put(lan, FLOATING6)
    others = [
        Session(lan, Kind(socket.AF_INET, lan.a.four), stack),
        Session(lan, Kind(socket.AF_INET6, FLOATING6), stack),
    ]

    async def release() -> None:
        async with open_host() as (host, _):
            await host.release(FLOATING)

    Session(lan, Kind(socket.AF_INET, FLOATING), stack).talk()
    lan.a.run(release)
    for session in others:
        session.talk()


def test_listening_and_half_open_sockets_of_the_address_end_too(lan: Lan, stack: ExitStack) -> None:
    put(lan, FLOATING)
    listener = stack.enter_context(lan.a.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.bind((str(FLOATING), 1790))
    listener.listen()
    first = stack.enter_context(lan.a.socket(socket.AF_INET, socket.SOCK_STREAM))
    with pytest.raises(ConnectionRefusedError):  # the router's MAC address is known from now on
        first.connect((str(lan.router.four), PORT))
    lan.cable("router", plugged=False)
    opening = stack.enter_context(lan.a.socket(socket.AF_INET, socket.SOCK_STREAM))
    opening.bind((str(FLOATING), 0))
    opening.setblocking(False)
    with pytest.raises(BlockingIOError):
        opening.connect((str(lan.router.four), PORT))

    async def release() -> None:
        async with open_host() as (host, _):
            assert await host.release(FLOATING) == (2, 0)

    lan.a.run(release)
