"""A knock at a router, from an address that has just come."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from flatbgp.host.knock import KNOCK_SECONDS
from flatbgp.host.linux import LinuxHost
from flatbgp.host.netlink import SOCK_DIAG, Netlink
from flatbgp.host.packets.inetdiag import TcpState
from flatbgp.host.sockets import Sockets
from flatbgp.lab import frr
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.secrets import Password
from host.hostrig import FLOATING, FLOATING6, Lan, open_host
from support.sandbox import Sandbox

PORT = 179
KINDS = pytest.mark.parametrize("local", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def peer_of(lan: Lan, local: IPAddress) -> IPAddress:
    return lan.router.four if local is FLOATING else lan.router.six


def knock(lan: Lan, local: IPAddress, password: Password | None = None) -> tuple[bool, float, int]:
    """Put the address and knock; return whether the router answered, after how long, and the sockets that still try."""

    async def main() -> tuple[bool, float, int]:
        async with open_host() as (host, _):
            assert isinstance(host, LinuxHost)
            assert await host.put(local, "eth0", lambda _: 60, lambda _: True) is not None
            host.announce("eth0", local)
            began = host.now()
            answered = await host.knock(local, peer_of(lan, local), ttl=1, password=password)
            took = host.now() - began
            return (
                answered,
                took,
                [each.state for each in Sockets(Netlink(SOCK_DIAG)).of(local)].count(TcpState.SYN_SENT),
            )

    return lan.a.run(main)


@KINDS
def test_a_knock_is_a_connection_from_the_address_that_says_nothing_and_ends(
    lan: Lan, stack: ExitStack, local: IPAddress
) -> None:
    family = socket.AF_INET if local is FLOATING else socket.AF_INET6
    listener = stack.enter_context(lan.router.socket(family, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(peer_of(lan, local)), PORT))
    listener.listen()
    listener.settimeout(5.0)

    answered, _, _ = knock(lan, local)
    assert answered
    connection, came_from = listener.accept()
    stack.enter_context(connection)
    connection.settimeout(5.0)
    assert came_from[0] == str(local)
    assert connection.recv(100) == b""


@KINDS
def test_a_router_that_does_not_answer_is_not_waited_for_and_not_asked_again(lan: Lan, local: IPAddress) -> None:
    assert knock(lan, local)[0] is False, "nobody listens"
    lan.cable("router", plugged=False)
    answered, took, trying = knock(lan, local)
    assert (answered, trying) == (False, 0)
    assert took < 10 * KNOCK_SECONDS


@pytest.mark.parametrize("given", ["wrong", None], ids=["wrong", "none"])
@KINDS
def test_a_router_with_a_password_hears_only_who_knows_it(
    lan: Lan, sandbox: Sandbox, local: IPAddress, given: str | None
) -> None:
    neighbor = [f" neighbor {local} remote-as 65001", f" neighbor {local} password right", f" neighbor {local} passive"]
    config = "\n".join(["router bgp 65002", " bgp router-id 10.0.1.254", *neighbor, ""])
    running = frr.start_router("r", config, lan.router.namespace, sandbox.directory / "r")
    for process in running.processes:
        sandbox.owns(process)
    sandbox.finally_call(running.vty.close)
    # A knock waits 80 ms for an answer: bgpd begins to listen, and the router is looked for, in their own time.
    wait_until("the router to answer who knows it", lambda: knock(lan, local, Password("right"))[0])
    assert not knock(lan, local, Password(given) if given else None)[0]
