"""BIRD 2 as the lab's routers, in place of FRR: a second implementation of BGP that routes and graceful restart meet.

Written for and tried with 2.0.12 (Debian 12) and 2.17 (Debian 13).
"""

import re
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.topology import TRANSIT_IPV4, TRANSIT_IPV6, Neighbor, Router
from flatbgp.lab.views import RouteSet
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.secrets import Password

CONTROL: Final = "bird.ctl"
_START_DEADLINE: Final = 10.0
_TABLE: Final = {Family.IPV4: "master4", Family.IPV6: "master6"}
_PREFIX: Final = re.compile(r"^(\S+/\d+)\s")
_NEXT_HOP: Final = re.compile(r"^\s+via (\S+) on |^\s+BGP\.next_hop: (\S+)")


def find_bird() -> str:
    """Return where BIRD is; Debian's is in a directory that a person's PATH may lack."""
    found = shutil.which("bird") or shutil.which("bird", path="/usr/sbin:/sbin")
    if found is None:
        raise LabError("bird is not installed: 'apt-get install bird2' as root installs it; keep its service off")
    return found


def render(router: Router, static: Mapping[IPNetwork, IPAddress] = {}) -> str:
    """Return the configuration of a router that takes all routes and keeps stale ones (RFC 4724).

    What it learns from nodes it tells the other routers on the transit LAN, and nobody else. ``static`` are routes that
    nobody else has put into the kernel.
    """
    return "\n".join(_lines(router, static)) + "\n"


def _lines(router: Router, static: Mapping[IPNetwork, IPAddress]) -> Iterator[str]:
    yield f"router id {router.router_id};"
    yield "protocol device {}"
    yield "protocol direct { ipv4; ipv6; }"
    for family in ("ipv4", "ipv6"):
        yield f"protocol kernel {{ {family} {{ import all; export all; }}; learn; }}"
    for family, own in ((each, [net for net in static if Family.of(net) is each]) for each in Family):
        if own:
            yield f"protocol static {{ {_TABLE[family].replace('master', 'ipv')};"
            yield from (f"  route {subnet} via {static[subnet]};" for subnet in own)
            yield "}"
    for number, neighbor in enumerate(router.neighbors):
        yield from _session(number, neighbor, router)


def _session(number: int, neighbor: Neighbor, router: Router) -> Iterator[str]:
    other_router = neighbor.address in (TRANSIT_IPV4 if neighbor.address.version == 4 else TRANSIT_IPV6)
    side = router.transit if other_router else router.addresses
    local = next(each.ip for each in side if each.version == neighbor.address.version)
    told = "where source = RTS_BGP" if other_router else "none"
    preference = 100 if other_router else 101  # of two paths of one length each router might take the other's
    yield f"protocol bgp p{number} {{"
    yield f"  local {local} as {router.asn};"
    yield f"  neighbor {neighbor.address} as {neighbor.asn};"
    yield "  multihop 64;" if neighbor.multihop else "  direct;"
    yield "  connect retry time 5;"
    yield "  graceful restart on;"
    if neighbor.password is not None:
        yield f"  password {_quoted(neighbor.password)};"
    for family in ("ipv4", "ipv6"):
        yield f"  {family} {{ preference {preference}; import all; export {told}; gateway recursive; }};"
    yield "}"


def _quoted(password: Password) -> str:
    """Return a password as BIRD reads it; its strings end at the next quotation mark and know no escapes."""
    text = password.reveal()
    if '"' in text or "\n" in text:
        raise LabError("BIRD cannot read a password with a quotation mark or a line end: choose another for this lab")
    return f'"{text}"'


@dataclass(slots=True)
class BirdProcess:
    """A running BIRD."""

    name: str
    process: Process
    control: Path

    def execute(self, command: str) -> str:
        """Run a command of ``birdc`` and return what it printed."""
        return execute(self.control, command)

    def routes(self, family: Family = Family.IPV4) -> RouteSet:
        """Return what BGP brought, best or not, as an exact set of prefixes and next hops."""
        return parse_routes(self.execute(f"show route table {_TABLE[family]} where source = RTS_BGP all"))

    def established(self) -> set[IPAddress]:
        """Return the neighbours whose session is Established."""
        return parse_established(self.execute("show protocols all"))


def parse_routes(text: str) -> RouteSet:
    """Read ``show route ... all``."""
    found: dict[str, set[IPAddress]] = {}
    prefix = ""
    for line in text.splitlines():
        if match := _PREFIX.match(line):
            prefix = match[1]
        elif (match := _NEXT_HOP.match(line)) and match[2]:
            found.setdefault(prefix, set()).add(ip_address(match[2]))
    return {ip_network(prefix): frozenset(next_hops) for prefix, next_hops in found.items()}


def parse_established(text: str) -> set[IPAddress]:
    """Read ``show protocols all``."""
    states = re.findall(r"BGP state:\s+(\w+)\n\s+Neighbor address: (\S+)", text)
    return {ip_address(address) for address, state in ((pair[1], pair[0]) for pair in states) if state == "Established"}


def start_router(name: str, config: str, namespace: Namespace, directory: Path) -> BirdProcess:
    """Start BIRD in a namespace with everything of its in ``directory``; it answers when this returns."""
    directory.mkdir(parents=True, exist_ok=True)
    file, control = directory / "bird.conf", directory / CONTROL
    file.touch(mode=0o600)  # it may hold session passwords
    file.write_text(config)
    control.unlink(missing_ok=True)
    command = (find_bird(), "-f", "-c", str(file), "-s", str(control), "-P", str(directory / "bird.pid"))
    process = namespace.start(f"{name} bird", *command, log=directory / "bird.log")
    wait_until(f"bird of {name} to answer", lambda: control.exists() or not process.alive, deadline=_START_DEADLINE)
    if not process.alive:
        raise LabError(f"bird of {name} ended at once: {process.output.strip()[-500:]}")
    return BirdProcess(name, process, control)


def execute(control: Path, command: str) -> str:
    """Run a command of ``birdc`` on a control socket; raise :class:`LabError` when BIRD is not there or refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(control))
            stream = connection.makefile("r", encoding="utf-8")
            _reply(stream)
            connection.sendall(command.encode() + b"\n")
            return _reply(stream)
        except OSError as error:
            raise LabError(f"no answer to '{command}' on {control}: {error}") from error


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
