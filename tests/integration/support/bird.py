"""BIRD 2 as a router: the second implementation that routes and graceful restart are tried against."""

import re
import shutil
import socket
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.topology import Router
from flatbgp.lab.views import RouteSet
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from support.sandbox import Sandbox

_TABLE = {Family.IPV4: "master4", Family.IPV6: "master6"}
_PREFIX = re.compile(r"^(\S+/\d+)\s")
_NEXT_HOP = re.compile(r"^\s+via (\S+) on |^\s+BGP\.next_hop: (\S+)")


def render(router: Router) -> str:
    """Return the configuration of a router that takes all routes, tells none, and keeps stale ones (RFC 4724)."""
    lines = [
        f"router id {router.router_id};",
        "protocol device {}",
        "protocol direct { ipv4; ipv6; }",
        "protocol kernel { ipv4 { import all; export all; }; learn; }",
        "protocol kernel { ipv6 { import all; export all; }; learn; }",
    ]
    for number, neighbor in enumerate(router.neighbors):
        local = next(each.ip for each in router.addresses if each.version == neighbor.address.version)
        channel = "{ import all; export none; gateway recursive; }"
        lines += [
            f"protocol bgp p{number} {{",
            f"  local {local} as {router.asn};",
            f"  neighbor {neighbor.address} as {neighbor.asn};",
            "  multihop 64;" if neighbor.multihop else "  direct;",
            "  connect retry time 5;",
            "  graceful restart on;",
            *([f'  password "{neighbor.password.reveal()}";'] if neighbor.password else []),
            f"  ipv4 {channel};",
            f"  ipv6 {channel};",
            "}",
        ]
    return "\n".join(lines) + "\n"


class Bird:
    """A running BIRD and its control socket."""

    def __init__(self, process: Process, control: Path) -> None:
        self.process = process
        self._control = control

    def execute(self, command: str) -> str:
        """Run a command of ``birdc`` and return what it printed."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            try:
                connection.connect(str(self._control))
                stream = connection.makefile("r", encoding="utf-8")
                _reply(stream)
                connection.sendall(command.encode() + b"\n")
                return _reply(stream)
            except OSError as error:
                raise LabError(f"no answer to '{command}' on {self._control}: {error}") from error

    def routes(self, family: Family = Family.IPV4) -> RouteSet:
        """Return what BGP brought, best or not, as an exact set of prefixes and next hops."""
        found: dict[str, set[IPAddress]] = {}
        prefix = ""
        command = f"show route table {_TABLE[family]} where source = RTS_BGP all"
        for line in self.execute(command).splitlines():
            if match := _PREFIX.match(line):
                prefix = match[1]
            elif (match := _NEXT_HOP.match(line)) and match[2]:
                found.setdefault(prefix, set()).add(ip_address(match[2]))
        return {ip_network(prefix): frozenset(next_hops) for prefix, next_hops in found.items()}

    def established(self) -> set[IPAddress]:
        """Return the neighbours whose session is Established."""
        text = self.execute("show protocols all")
        states = re.findall(r"BGP state:\s+(\w+)\n\s+Neighbor address: (\S+)", text)
        return {ip_address(address) for state, address in states if state == "Established"}


def start_bird(sandbox: Sandbox, router: Router, namespace: Namespace, config: str | None = None) -> Bird:
    """Start BIRD in a namespace; it answers when this returns."""
    program = shutil.which("bird", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("bird is not installed: 'make setup-dev' as root installs it (Debian package bird2)")
    directory = sandbox.directory / router.name
    directory.mkdir(exist_ok=True)
    file, control = directory / "bird.conf", directory / "bird.ctl"
    file.write_text(config or render(router))
    command = (program, "-f", "-c", str(file), "-s", str(control), "-P", str(directory / "bird.pid"))
    process = sandbox.owns(namespace.start(f"{router.name} bird", *command, log=directory / "bird.log"))
    wait_until("bird to answer", lambda: control.exists() or not process.alive, deadline=10)
    assert process.alive, process.output
    return Bird(process, control)


def _reply(stream: Iterator[str]) -> str:
    """Read one reply: its last line begins with a code and a blank (doc/reply_codes of BIRD)."""
    lines = []
    for line in stream:
        numbered = line[:4].isdigit() and line[4:5] in "- "
        lines.append(line[5:] if numbered else line[1:])
        if numbered and line[4] == " ":
            if line[0] in "89":
                raise LabError(f"BIRD refused: {line[5:].strip()}")
            break
    return "".join(lines)
