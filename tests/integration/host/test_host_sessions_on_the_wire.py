"""What sessions say, read from the packets of real daemons, and the fate of connections that come to nothing."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from ipaddress import IPv4Address, ip_address
from typing import Any

import pytest

from flatbgp.host.model import Connection, NextHop, Outcome, PeerHeard, Route, SessionMessage
from flatbgp.host.packets.bgp import MARKER, Notification, Open
from flatbgp.lab import frr
from flatbgp.lab.commands import run
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from host.hostrig import FLOATING, FLOATING6, INTERFACE, Ears, Lan, hold, open_host
from support.sandbox import Sandbox

Check = Callable[[Ears], Coroutine[Any, Any, None]]
ROUTER_ASN, NODE_ASN = 65002, 4_200_000_001
PORT = 179


def router(lan: Lan, sandbox: Sandbox, *, node_asn: int = NODE_ASN) -> frr.RouterProcess:
    lines = [f"router bgp {ROUTER_ASN}", " bgp router-id 10.0.1.254", " no bgp ebgp-requires-policy"]
    for address in (FLOATING, FLOATING6):
        lines += [f" neighbor {address} remote-as {node_asn}", f" neighbor {address} passive"]
    lines += [" address-family ipv6 unicast", f"  neighbor {FLOATING} activate", f"  neighbor {FLOATING6} activate"]
    running = frr.start_router("r", "\n".join([*lines, ""]), lan.router.namespace, sandbox.directory / "r")
    for process in running.processes:
        sandbox.owns(process)
    sandbox.finally_call(running.vty.close)
    return running


def daemon(lan: Lan, sandbox: Sandbox, binary: str, *, peer_asn: int = ROUTER_ASN) -> Process:
    """Start a gobgpd on node a with a session from each floating IP."""
    neighbors = [
        f"""
[[neighbors]]
  [neighbors.config]
    neighbor-address = "{peer}"
    peer-as = {peer_asn}
  [neighbors.transport.config]
    local-address = "{local}"
  [neighbors.timers.config]
    connect-retry = 5
    hold-time = 30
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"""
        for local, peer in ((FLOATING, lan.router.four), (FLOATING6, lan.router.six))
    ]
    head = f'[global.config]\n  as = {NODE_ASN}\n  router-id = "10.0.1.1"\n  port = -1\n'
    config = sandbox.directory / "gobgpd.toml"
    config.write_text(head + "".join(neighbors))
    metrics = () if "version 3.10" in run((binary, "--version")) else ("--metrics-path=",)
    command = (binary, "-f", str(config), "--api-hosts", f"unix://{sandbox.directory}/api", "--pprof-disable", *metrics)
    return sandbox.owns(lan.a.namespace.start("gobgpd", *command, log=sandbox.directory / "gobgpd.log"))


def established(running: frr.RouterProcess) -> int:
    """Return how many of the router's sessions are up."""
    shown = running.vty.json("show bgp neighbors json")
    return [neighbor.get("bgpState") for neighbor in shown.values()].count("Established")


def listen(lan: Lan, check: Check, start: Callable[[], object] = lambda: None) -> None:
    """Hold both floating IPs on node a, listen to their sessions, start something, and check what is heard."""
    pairs = {(FLOATING, lan.router.four), (FLOATING6, lan.router.six)}

    async def main() -> None:
        async with open_host() as (host, ears):
            for address in (FLOATING, FLOATING6):
                await hold(host, address)
            host.watch_sessions({INTERFACE: pairs})
            await asyncio.to_thread(start)
            await check(ears)

    lan.a.run(main)


def message(local: IPAddress, kind: type, *, sent: bool) -> Callable[[SessionMessage], bool]:
    return lambda event: event.local == local and isinstance(event.message, kind) and event.sent is sent


def test_s14_opens_and_the_text_of_a_shutdown_are_read_between_gobgpd_and_frr(
    lan: Lan, sandbox: Sandbox, gobgpd_binary: str
) -> None:
    frr_router = router(lan, sandbox)

    async def check(ears: Ears) -> None:
        for local, peer in ((FLOATING, lan.router.four), (FLOATING6, lan.router.six)):
            ours = (await ears.expect(SessionMessage, message(local, Open, sent=True), within=20)).message
            theirs = (await ears.expect(SessionMessage, message(local, Open, sent=False), within=20)).message
            assert isinstance(ours, Open)
            assert isinstance(theirs, Open)
            assert (ours.asn, ours.hold_time, ours.router_id) == (NODE_ASN, 30, IPv4Address("10.0.1.1"))
            assert (theirs.asn, theirs.hold_time, theirs.router_id) == (ROUTER_ASN, 180, IPv4Address("10.0.1.254"))
            assert ours.families == theirs.families == {Family.IPV4, Family.IPV6}
            assert ours.four_octet_asn
            assert ours.graceful_restart is not None
            assert (ours.graceful_restart.restart_time, ours.graceful_restart.families) == (60, {Family.IPV4})
            assert theirs.graceful_restart is not None
            connected = await ears.expect(Connection, lambda event, local=local: event.local == local)
            assert (connected.peer, connected.outcome) == (peer, Outcome.CONNECTED)
            heard = await ears.expect(PeerHeard, lambda event, local=local: event.local == local)
            assert (heard.peer, heard.mac) == (peer, lan.router.mac)
        # In OpenConfirm FRR closes a connection without a word; what is read here is the end of a session.
        await asyncio.to_thread(wait_until, "both sessions", partial(established, frr_router), (2).__eq__)
        await asyncio.to_thread(
            frr_router.vty.configure,
            f"router bgp {ROUTER_ASN}",
            *(f"neighbor {local} shutdown message Wartung bis 14 Uhr" for local in (FLOATING, FLOATING6)),
        )
        for local in (FLOATING, FLOATING6):
            last = (await ears.expect(SessionMessage, message(local, Notification, sent=False))).message
            assert isinstance(last, Notification)
            assert (last.code, last.subcode, last.text) == (6, 2, "Wartung bis 14 Uhr")

    listen(lan, check, lambda: daemon(lan, sandbox, gobgpd_binary))


@pytest.mark.parametrize(
    ("asns", "sent"),
    [((64999, ROUTER_ASN), False), ((NODE_ASN, 64999), True)],
    ids=["the router finds it", "the daemon finds it"],
)
def test_s06_a_wrong_asn_is_read_whichever_side_finds_it(
    lan: Lan, sandbox: Sandbox, gobgpd_binary: str, asns: tuple[int, int], sent: bool
) -> None:
    node_asn, peer_asn = asns
    router(lan, sandbox, node_asn=node_asn)

    async def check(ears: Ears) -> None:
        for local in (FLOATING, FLOATING6):
            last = (await ears.expect(SessionMessage, message(local, Notification, sent=sent), within=20)).message
            assert isinstance(last, Notification)
            assert (last.code, last.subcode) == (2, 2)

    listen(lan, check, lambda: daemon(lan, sandbox, gobgpd_binary, peer_asn=peer_asn))


def message_bytes(kind: int, body: bytes) -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes([kind]) + body


OPEN = message_bytes(1, bytes.fromhex("04fdea00b40a0001fe00"))
SHUTDOWN = message_bytes(3, bytes([6, 2, 7]) + b"goodbye")


@pytest.mark.parametrize("local", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("size", [1, 7, 1000], ids=lambda size: f"segments of {size}")
def test_messages_cut_into_segments_or_put_into_one_are_read(lan: Lan, local: IPAddress, size: int) -> None:
    peer = lan.router.four if local.version == 4 else lan.router.six
    family = socket.AF_INET if local.version == 4 else socket.AF_INET6

    def converse() -> None:
        with (
            lan.router.socket(family, socket.SOCK_STREAM) as server,
            lan.a.socket(family, socket.SOCK_STREAM) as client,
        ):
            server.bind((str(peer), PORT))
            server.listen()
            client.bind((str(local), 0))
            client.connect((str(peer), PORT))
            session, _ = server.accept()
            with session:
                session.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = OPEN + message_bytes(4, b"") + message_bytes(2, bytes(200)) + SHUTDOWN
                for start in range(0, len(stream), size):
                    piece = stream[start : start + size]
                    session.sendall(piece)
                    assert client.recv(1000) == piece

    async def check(ears: Ears) -> None:
        last = (await ears.expect(SessionMessage, message(local, Notification, sent=False))).message
        assert isinstance(last, Notification)
        assert last.text == "goodbye"
        first = ears.of(SessionMessage)[0].message
        assert isinstance(first, Open)
        assert (first.asn, len(ears.of(SessionMessage))) == (65002, 2)

    listen(lan, check, converse)


def attempt(lan: Lan, local: IPAddress, peer: IPAddress, port: int = PORT, ttl: int = 64) -> socket.socket:
    """Begin to connect from a floating IP, without waiting for the outcome."""
    family = socket.AF_INET if local.version == 4 else socket.AF_INET6
    client = lan.a.socket(family, socket.SOCK_STREAM)
    client.bind((str(local), 0))
    client.setblocking(False)
    if local.version == 4:
        client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    with suppress(BlockingIOError):
        client.connect((str(peer), port))
    return client


def test_a_refused_connection_is_told_and_other_ports_are_not_looked_at(lan: Lan) -> None:
    opened: list[socket.socket] = []

    def start() -> None:
        opened.append(attempt(lan, FLOATING, lan.router.four, port=443))
        opened.append(attempt(lan, FLOATING6, lan.router.six))

    async def check(ears: Ears) -> None:
        refused = await ears.expect(Connection)
        assert (refused.local, refused.peer, refused.outcome) == (FLOATING6, lan.router.six, Outcome.REFUSED)
        assert {event.local for event in ears.of(PeerHeard)} == {FLOATING6}

    try:
        listen(lan, check, start)
    finally:
        for client in opened:
            client.close()


@pytest.mark.parametrize("local", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])
def test_s07_a_connection_that_nobody_answers_is_told_with_its_beginning(lan: Lan, local: IPAddress) -> None:
    tables = "iptables" if local.version == 4 else "ip6tables"
    lan.router.namespace.run(tables, "-A", "INPUT", "-p", "tcp", "--dport", str(PORT), "-j", "DROP")
    opened: list[socket.socket] = []
    peer = lan.router.four if local.version == 4 else lan.router.six

    async def check(ears: Ears) -> None:
        began = ears.host.now()
        silent = await ears.expect(Connection)
        assert (silent.local, silent.outcome) == (local, Outcome.UNANSWERED)
        assert silent.since is not None
        assert silent.since < began
        assert 0.9 < silent.at - silent.since < 2.0  # the kernel repeats its SYN after a second

    try:
        listen(lan, check, lambda: opened.append(attempt(lan, local, peer)))
    finally:
        for client in opened:
            client.close()


@pytest.mark.parametrize(("ttl", "outcome"), [(64, Outcome.UNREACHABLE), (1, Outcome.TTL_EXCEEDED)])
def test_s10_what_a_router_on_the_way_reports_is_told(lan: Lan, ttl: int, outcome: Outcome) -> None:
    far = ip_address("10.9.9.9")
    lan.a.namespace.ip(f"route add {far} via {lan.router.four}")
    lan.router.namespace.ip(f"route add unreachable {far}" if ttl > 1 else f"route add {far} dev {INTERFACE}")

    async def main() -> None:
        async with open_host() as (host, ears):
            await hold(host, FLOATING)
            host.watch_sessions({INTERFACE: {(FLOATING, far)}})
            client = await asyncio.to_thread(attempt, lan, FLOATING, far, PORT, ttl)
            with client:
                told = await ears.expect(Connection)
            assert (told.local, told.peer, told.outcome, told.reporter) == (FLOATING, far, outcome, lan.router.four)

    lan.a.run(main)


def test_s13_the_way_to_a_peer_is_known_and_when_there_is_none(lan: Lan) -> None:
    far, absent = ip_address("10.9.9.9"), ip_address("10.0.1.200")

    async def main() -> None:
        async with open_host() as (host, _):
            assert await host.route(FLOATING, lan.router.four) is None  # not our address yet
            await hold(host, FLOATING)
            await hold(host, FLOATING6)
            assert await host.route(FLOATING, far) is None
            lan.a.namespace.ip(f"route add {far} via {lan.router.four}")
            lan.a.namespace.run("ping", "-c", "1", "-W", "2", str(lan.router.four))
            assert await host.route(FLOATING, far) == Route(INTERFACE, lan.router.four, NextHop.RESOLVED)
            assert await host.route(FLOATING, lan.router.four) == Route(INTERFACE, None, NextHop.RESOLVED)
            assert await host.route(FLOATING6, lan.router.six) == Route(INTERFACE, None, NextHop.UNKNOWN)
            with attempt(lan, FLOATING, absent):
                assert await host.route(FLOATING, absent) == Route(INTERFACE, None, NextHop.UNRESOLVED)
            lan.a.namespace.ip(f"route replace blackhole {far}")
            assert await host.route(FLOATING, far) is None

    lan.a.run(main)
