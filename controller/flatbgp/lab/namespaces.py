"""Network namespaces and the cables between them. All traffic of the lab stays inside.

A LAN is a namespace with a bridge, so that the machine's own namespace has neither an interface nor a route of the lab.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flatbgp.lab.commands import run
from flatbgp.lab.processes import Process, kill_pids, start
from flatbgp.resources.ip import IPInterface

_RUNTIME_DIRECTORY = Path("/run/netns")

# Duplicate address detection would delay each IPv6 address by a second; redirects would teach nodes of one rack a route
# past their router that outlives what it was about.
_HOST_SETTINGS = {
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.accept_redirects": "0",
    "net.ipv4.conf.default.accept_redirects": "0",
    "net.ipv6.conf.all.accept_redirects": "0",
    "net.ipv6.conf.default.accept_redirects": "0",
}
_FORWARDING = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
}


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace: one machine, router or switch of the lab."""

    name: str

    @property
    def exists(self) -> bool:
        """Whether it is there."""
        return (_RUNTIME_DIRECTORY / self.name).exists()

    def command(self, *command: str) -> tuple[str, ...]:
        """Return ``command`` so that it runs inside."""
        return ("ip", "netns", "exec", self.name, *command)

    def run(self, *command: str, text: str | None = None, deadline: float = 30.0) -> str:
        """Run a program inside to its end and return what it printed."""
        return run(self.command(*command), text=text, deadline=deadline)

    def start(self, name: str, *command: str, log: Path, environment: Mapping[str, str] | None = None) -> Process:
        """Start a program inside; ``ip netns exec`` becomes that program, so the process ID is its own."""
        return start(name, self.command(*command), log, environment)

    def ip(self, *lines: str) -> None:
        """Run ``ip`` command lines inside, in one batch."""
        run(("ip", "-n", self.name, "-batch", "-"), text="\n".join(lines) + "\n")

    def sysctl(self, settings: Mapping[str, str]) -> None:
        """Set kernel parameters of this namespace."""
        self.run("sysctl", "-q", "-w", *(f"{name}={value}" for name, value in settings.items()))

    def pids(self) -> list[int]:
        """Return the processes inside."""
        return [int(word) for word in run(("ip", "netns", "pids", self.name)).split()]

    def add_addresses(self, interface: str, addresses: Iterable[IPInterface]) -> None:
        """Give an interface addresses that can be used at once."""
        self.ip(*(f"address replace {address} dev {interface} {_dad(address)}" for address in addresses))

    def set_link(self, interface: str, *, up: bool) -> None:
        """Plug a cable in or pull it: the other end sees the carrier go."""
        self.ip(f"link set {interface} {'up' if up else 'down'}")

    def delete(self) -> None:
        """End what runs inside, by process ID, then remove the namespace; one that is not there is no error."""
        if self.exists:
            kill_pids(self.pids())
            run(("ip", "netns", "delete", self.name))


def _dad(address: IPInterface) -> str:
    return "nodad" if address.version == 6 else ""


def create(name: str, *, forwarding: bool = False) -> Namespace:
    """Make a namespace with its loopback up."""
    namespace = Namespace(name)
    run(("ip", "netns", "add", name))
    namespace.sysctl(_HOST_SETTINGS | (_FORWARDING if forwarding else {}))
    namespace.ip("link set lo up")
    return namespace


def create_lan(name: str) -> Namespace:
    """Make a LAN: a namespace with the bridge ``lan``, which forwards at once and floods all multicast."""
    lan = create(name)
    lan.ip("link add lan type bridge forward_delay 0 stp_state 0 mcast_snooping 0", "link set lan up")
    return lan


def plug(lan: Namespace, port: str, host: Namespace, interface: str) -> None:
    """Run a cable from ``port`` of a LAN to ``interface`` of a host (names of at most 15 characters)."""
    peer = ("peer", "name", interface, "netns", host.name)
    run(("ip", "link", "add", "name", port, "netns", lan.name, "type", "veth", *peer))
    lan.ip(f"link set {port} master lan up")
    host.ip(f"link set {interface} up")


def connect(one: Namespace, one_interface: str, other: Namespace, other_interface: str) -> None:
    """Run a cable between two hosts."""
    peer = ("peer", "name", other_interface, "netns", other.name)
    run(("ip", "link", "add", "name", one_interface, "netns", one.name, "type", "veth", *peer))
    one.ip(f"link set {one_interface} up")
    other.ip(f"link set {other_interface} up")


def existing(prefix: str) -> Sequence[Namespace]:
    """Return the namespaces whose names begin with ``prefix``."""
    if not _RUNTIME_DIRECTORY.is_dir():
        return ()
    return tuple(Namespace(path.name) for path in sorted(_RUNTIME_DIRECTORY.glob(f"{prefix}*")))


def shell(namespace: Namespace, *command: str) -> str:
    """Return the line that a person types to run ``command`` inside."""
    return shlex.join(namespace.command(*command))
