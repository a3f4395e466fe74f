"""Two FRR routers and a host for each gobgpd, on one LAN in network namespaces."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_interface
from pathlib import Path
from socket import AF_UNIX, socket
from tempfile import mkdtemp
from typing import Any

from flatbgp.lab.frr import RouterProcess, start_router
from flatbgp.lab.namespaces import Namespace, create, create_lan, existing, plug
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress

PREFIX = f"ec{os.getpid() % 100_000}-"  # of every namespace here; a leftover of a killed run is recognizable

GOBGPD = {
    "v3": Path("/usr/bin/gobgpd"),
    "v4": Path("~/.cache/flatbgp-test/gobgp-4.8.0/gobgpd").expanduser(),
}

# What a host calls itself in each role that the routers know; the last digit of its address. The routers' side of each
# is in `_router_config`.
ROLES = EBGP, MD5, IBGP, WIDE, NO_GR, STANDING, WRONG_ASN = range(7)
LOCAL_ASN = 65100
R1 = IPv4Address("10.99.0.254")
R2 = IPv4Address("10.99.0.253")
R1_ASN = 65001
R2_ASN = 4_200_000_002
WIDE_ASN = 4_200_000_100
PASSWORD = "open-sesame"  # noqa: S105 - of a session that exists for a test


def local(host: str, role: int = EBGP) -> IPv4Address:
    """Return the address of a host in a role: 10.99.0.30 to .36 for version 3, .40 to .46 for version 4."""
    return IPv4Address("10.99.0.0") + int(host.removeprefix("v")) * 10 + role


def local6(host: str) -> IPv6Address:
    """Return the IPv6 address of a host."""
    return IPv6Address("2001:db8:99::") + int(host.removeprefix("v"))


R1_V6 = IPv6Address("2001:db8:99::fe")
ROUTER_V6 = {R1: R1_V6, R2: R1_V6 - 1}


def _router_config(asn: int, router_id: IPv4Address) -> str:
    lines = [
        "log timestamp precision 3",
        f"router bgp {asn}",
        f" bgp router-id {router_id}",
        " no bgp ebgp-requires-policy",
        " no bgp default ipv4-unicast",
        " bgp graceful-restart",
        " bgp graceful-restart preserve-fw-state",
    ]
    neighbors: list[IPAddress] = []
    for host in GOBGPD:
        for role in ROLES:
            address = local(host, role)
            neighbors.append(address)
            remote = {IBGP: asn, WIDE: WIDE_ASN, WRONG_ASN: LOCAL_ASN + 1}.get(role, LOCAL_ASN)
            lines += [f" neighbor {address} remote-as {remote}"]
            if role == MD5:
                lines.append(f" neighbor {address} password {PASSWORD}")
            if role == NO_GR:
                lines.append(f" neighbor {address} graceful-restart-disable")
        neighbors.append(local6(host))
        lines += [f" neighbor {local6(host)} remote-as {LOCAL_ASN}"]
    for family in ("ipv4", "ipv6"):
        lines.append(f" address-family {family} unicast")
        lines += [f"  neighbor {neighbor} activate" for neighbor in neighbors]
        lines.append(" exit-address-family")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Router:
    """An FRR and what it says of a neighbour."""

    address: IPv4Address
    process: RouterProcess
    namespace: Namespace

    def json(self, command: str) -> dict[str, Any]:
        return self.process.vty.json(command)

    def configure(self, *lines: str) -> None:
        """Change the running configuration of BGP."""
        asn = R1_ASN if self.address == R1 else R2_ASN
        self.process.vty.configure(f"router bgp {asn}", *lines)

    def neighbor(self, address: IPAddress) -> dict[str, Any]:
        found: dict[str, Any] = self.json(f"show bgp neighbors {address} json").get(str(address), {})
        return found

    def routes(self, neighbor: IPAddress) -> dict[str, dict[str, Any]]:
        """Return the routes that came from a neighbour, best or not, of both families: prefix to path."""
        routes: dict[str, dict[str, Any]] = {}
        for family in ("ipv4", "ipv6"):
            # The whole table: "neighbors ADDRESS routes" shows none while a helper keeps the routes of a lost session.
            table = self.json(f"show bgp {family} unicast json")["routes"]
            for prefix, found in table.items():
                for route in found:
                    if route["peerId"] == str(neighbor):
                        routes[prefix] = route
        return routes

    def updates_received(self, neighbor: IPAddress) -> int:
        return int(self.neighbor(neighbor)["messageStats"]["updatesRecv"])

    def notifications_received(self, neighbor: IPAddress) -> int:
        return int(self.neighbor(neighbor)["messageStats"]["notificationsRecv"])

    def session(self, neighbor: IPAddress) -> int | None:
        """Return a number that changes when the session is another one."""
        seen = self.neighbor(neighbor)
        return int(seen["connectionsEstablished"]) if seen["bgpState"] == "Established" else None

    def clear(self, neighbor: IPAddress) -> None:
        """Forget a neighbour's stale routes, so that the next test starts clean."""
        self.process.vty.execute(f"clear bgp {neighbor}")

    def originate(self, *prefixes: str) -> None:
        self.configure(
            "no bgp network import-check", "address-family ipv4 unicast", *(f"network {p}" for p in prefixes)
        )

    def stop_originating(self, *prefixes: str) -> None:
        self.configure("address-family ipv4 unicast", *(f"no network {p}" for p in prefixes))


class Daemon:
    """A gobgpd in the namespace of its host."""

    def __init__(self, host: str, namespace: Namespace, socket: Path) -> None:
        self.host, self.namespace, self.socket = host, namespace, socket
        self._process: Process | None = None

    @property
    def target(self) -> str:
        return f"unix://{self.socket}"

    @property
    def binary(self) -> Path:
        return GOBGPD[self.host]

    def start(self, version: str | None = None) -> None:
        """Start it, of another generation maybe."""
        self.socket.unlink(missing_ok=True)  # left by a killed one: version 3 would refuse to start
        version = version or self.host
        command = [str(GOBGPD[version]), "--api-hosts", f"unix://{self.socket}", "--pprof-disable"]
        if version == "v4":
            command.append("--metrics-path=")  # metrics would open the same port as pprof
        self._process = self.namespace.start(f"gobgpd-{self.host}", *command, log=self.socket.with_suffix(".log"))
        wait_until("gobgpd to open its socket", self._listens, deadline=20)

    def _listens(self) -> bool:
        with socket(AF_UNIX) as connection:
            return connection.connect_ex(str(self.socket)) == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self._process.pid}/stat")
        wait_until("gobgpd to stand still", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", deadline=5)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.signal(signal.SIGCONT)


@dataclass(frozen=True)
class Network:
    """The LAN and who is on it."""

    routers: dict[IPAddress, Router]
    hosts: dict[str, Namespace]
    directory: Path

    def daemon(self, host: str, role: int = EBGP) -> Daemon:
        return Daemon(host, self.hosts[host], self.directory / f"{host}-{role}.sock")


def _delete_namespaces() -> None:
    for namespace in existing(PREFIX):
        namespace.delete()


@contextmanager
def network() -> Iterator[Network]:
    """Build everything, and take everything away, also after a failure."""
    directory = Path(mkdtemp(prefix="ec-", dir="/tmp"))  # short: paths of Unix sockets have 107 bytes
    directory.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        stack.callback(_delete_namespaces)
        lan = create_lan(f"{PREFIX}lan")
        routers: dict[IPAddress, Router] = {}
        for number, (address, asn) in enumerate(((R1, R1_ASN), (R2, R2_ASN)), start=1):
            namespace = create(f"{PREFIX}r{number}", forwarding=True)
            plug(lan, f"r{number}", namespace, "eth0")
            namespace.add_addresses("eth0", [ip_interface(f"{address}/24"), ip_interface(f"{ROUTER_V6[address]}/64")])
            process = start_router(f"r{number}", _router_config(asn, address), namespace, directory / f"r{number}")
            stack.callback(process.stop)
            routers[address] = Router(address, process, namespace)
        hosts = {}
        for host in GOBGPD:
            hosts[host] = create(f"{PREFIX}{host}")
            plug(lan, host, hosts[host], "eth0")
            # An address of its own, and /32 for each role as floating IPs have it: taking one off leaves the others.
            addresses = [f"{local(host, 9)}/24", f"{local6(host)}/64", *(f"{local(host, role)}/32" for role in ROLES)]
            hosts[host].add_addresses("eth0", [ip_interface(address) for address in addresses])
        yield Network(routers, hosts, directory)
