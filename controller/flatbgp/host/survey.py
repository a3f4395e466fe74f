"""A look at this machine before a speaker runs on it. Nothing is changed, and nothing stated about a floating IP.

(:class:`~flatbgp.host.linux.LinuxHost` is not used here: it begins by finishing what an earlier speaker left.)
"""

import asyncio
import errno
import socket
import struct
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from flatbgp.host.interfaces import list_interfaces
from flatbgp.host.lan import Lan
from flatbgp.host.model import Heard, HostError, Interface, Voice
from flatbgp.host.netlink import ROUTE, SOCK_DIAG, Netlink, NetlinkError
from flatbgp.host.packets.inetdiag import TcpSocket, TcpState, destroy_request
from flatbgp.host.packets.netlink import AF_INET
from flatbgp.host.sockets import SOCK_DESTROY, Sockets
from flatbgp.host.sysctls import findings
from flatbgp.planning.check.machine import Machine, Reach, Trial
from flatbgp.resources.ip import Family, IPAddress

LISTEN_SECONDS: Final = 1.0
"""How long the LAN is listened to; who has an address answers within milliseconds."""

ASK_AFTER: Final = (0.0, 0.3, 0.3)
"""Pauses before each question: one may be lost."""

CONNECT_SECONDS: Final = 3.0
"""How long a router may take to accept a connection: the first SYN and its first repetition."""

BGP_PORT: Final = 179

_CAPABILITIES: Final = {
    12: "CAP_NET_ADMIN is missing: no address can be put on an interface; run as root, or give the pod NET_ADMIN",
    13: "CAP_NET_RAW is missing: no ARP or Neighbor Discovery can be sent; run as root, or give the pod NET_RAW",
}
"""Numbers of capabilities(7), and what is wrong without them."""

_NOBODY: Final = IPv4Address(0)
_TCP_MD5SIG: Final = 14
_MD5_SETTING: Final = struct.Struct("=128sBBHI80s")  # struct tcp_md5sig, linux/tcp.h


async def survey(node: str, floating_ips: Collection[IPAddress]) -> Machine:
    """Return what this machine is like, as the node ``node``; the LAN is asked who has the floating IPs."""
    interfaces, macs = list_interfaces(Netlink(ROUTE))
    lans = {interface.name: _near(interface, floating_ips) for interface in interfaces}
    lacking = _capabilities()
    try:
        answering = await _ask(interfaces, lans, macs)
    except HostError as error:
        answering = {}
        lacking = lacking or (str(error),)
    addresses = [address for interface in interfaces for address in interface.addresses]
    return Machine(
        node=node,
        subnets=tuple(
            dict.fromkeys(
                address.interface.network
                for address in addresses
                if not address.ours and address.interface.network.prefixlen < address.ip.max_prefixlen
            )
        ),
        own=frozenset(address.ip for address in addresses if not address.ours),
        held=frozenset(address.ip for address in addresses if address.ip in floating_ips),
        lacking=lacking,
        degraded=tuple(_degraded()),
        settings=tuple(
            dict.fromkeys(
                sentence
                for name, near in lans.items()
                for family in {Family.of(address) for address in near}
                for sentence in findings(name, family)
            )
        ),
        answering=answering,
    )


async def reach(source: IPAddress | None, peer: IPAddress) -> Trial:
    """Open a TCP connection to a router's BGP port, and close it without a word.

    Not where this host has one with it: a router takes a second one for a restart of its peer, and ends the session
    that is up (RFC 4724 section 5; measured with FRR 8.4). Whose it is does not matter: others speak BGP from nodes as
    well.
    """
    used = Sockets(Netlink(SOCK_DIAG)).toward(peer, BGP_PORT)
    if used is not None:
        return Trial(used, Reach.IN_USE)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(
                str(peer), BGP_PORT, local_addr=(str(source), 0) if source is not None else None
            )
    except TimeoutError:
        return Trial(source, Reach.UNANSWERED)
    except ConnectionRefusedError:
        return Trial(source, Reach.REFUSED)
    except OSError as error:
        return Trial(source, Reach.UNREACHABLE, error.strerror or str(error))
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return Trial(source, Reach.CONNECTED)


def _near(interface: Interface, floating_ips: Iterable[IPAddress]) -> tuple[IPAddress, ...]:
    return tuple(address for address in floating_ips if interface.subnet_of(address) is not None)


async def _ask(
    interfaces: Iterable[Interface], lans: Mapping[str, tuple[IPAddress, ...]], macs: Collection[str]
) -> dict[IPAddress, tuple[str, ...]]:
    """Ask each LAN for its floating IPs, as this node, and return who answered."""
    heard: dict[IPAddress, set[str]] = {address: set() for near in lans.values() for address in near}

    def hear(event: Heard) -> None:
        if event.voice is not Voice.PROBE:
            heard[event.address].add(event.mac)

    opened: list[tuple[Lan, Interface]] = []
    try:
        for interface in interfaces:
            if lans[interface.name] and interface.carrier:
                lan = Lan(interface.name, hear, lambda: macs)
                opened.append((lan, interface))
                lan.watch(lans[interface.name])
        for pause in ASK_AFTER:
            await asyncio.sleep(pause)
            for lan, interface in opened:
                for address in lans[interface.name]:
                    own = interface.subnet_of(address)
                    if own is not None:
                        lan.ask(own.ip, address)
        if opened:
            await asyncio.sleep(LISTEN_SECONDS - sum(ASK_AFTER))
    finally:
        for lan, _ in opened:
            lan.close()
    return {address: tuple(sorted(found)) for address, found in heard.items()}


def _capabilities() -> tuple[str, ...]:
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = next((int(line.split()[1], 16) for line in text.splitlines() if line.startswith("CapEff:")), 0)
    return tuple(sentence for number, sentence in _CAPABILITIES.items() if not effective >> number & 1)


def _degraded() -> Iterable[str]:
    if not _ends_sockets():
        yield (
            "it cannot end TCP sockets from outside (CONFIG_INET_DIAG_DESTROY): those of an address that leaves are"
            " silenced by routing rules instead"
        )
    if not _signs_tcp():
        yield "it has no TCP MD5 signatures (CONFIG_TCP_MD5SIG): a BGPPeer with a password gets no session"


def _ends_sockets() -> bool:
    """Ask the kernel to end a socket that does not exist: it says so, or that it cannot."""
    nowhere = TcpSocket(
        AF_INET, TcpState.CLOSE, _NOBODY, 0, _NOBODY, 0, identity=struct.pack("!HH", 1, 1) + bytes(36) + b"\xff" * 8
    )
    try:
        Netlink(SOCK_DIAG).request(SOCK_DESTROY, destroy_request(nowhere))
    except NetlinkError as error:
        return error.errno in (errno.ENOENT, errno.EPERM)
    return True


def _signs_tcp() -> bool:
    """Set a signature on a socket that goes nowhere."""
    peer = struct.pack("=H", socket.AF_INET) + struct.pack("!H", BGP_PORT) + socket.inet_aton("192.0.2.1")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_TCP, _TCP_MD5SIG, _MD5_SETTING.pack(peer, 0, 0, 1, 0, b"x"))
        except OSError as error:
            return error.errno not in (errno.ENOPROTOOPT, errno.EOPNOTSUPP)
    return True
