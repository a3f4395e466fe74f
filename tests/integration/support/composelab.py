"""The lab of docker-compose.yaml in a test: up, looked at from inside its containers, and down without a trace."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from flatbgp.lab.commands import LabError
from flatbgp.lab.pings import INTERVAL, PingResult
from flatbgp.lab.views import RouteSet
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.dockerengine import CHECKOUT, Engine

PROJECT = "flatbgp-test"
"""Of its own, so that a person's lab on this machine is never touched; their networks cannot both be there, though."""

UP_DEADLINE = 180
"""Seconds for the lab to come up on a machine that is busy with other tests; 30 are what a quiet one needs at most."""

ROUTERS = ("router-1", "router-2")


# A signal to `docker exec` does not reach the program inside, and the image has no pkill.
_STOP_PINGER = """
import os, signal
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        if b"flatbgp.lab.pinger" in file.read().split(bytes(1)):
            os.kill(int(pid), signal.SIGTERM)
"""


def build_images(engine: Engine) -> None:
    """Build what the lab's containers run."""
    engine.build("flatbgp:local", CHECKOUT / "Dockerfile", CHECKOUT)
    engine.build("flatbgp-lab-frr:local", CHECKOUT / "docker" / "frr.Dockerfile", CHECKOUT / "docker")


@dataclass(frozen=True, slots=True)
class ComposeLab:
    """A lab that is up."""

    engine: Engine

    def compose(self, *arguments: str, deadline: float = 180) -> str:
        """Run Compose on the lab; return what it printed on stdout. :class:`LabError` when it fails."""
        done = self.engine.compose("--project-name", PROJECT, *arguments, deadline=deadline)
        if done.returncode != 0:
            raise LabError(f"docker compose {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def up(self) -> None:
        """Start what does not run; return when every session is Established."""
        self.compose("up", "--wait", "--no-build", deadline=UP_DEADLINE)

    def down(self) -> None:
        """Remove it with all that it has kept."""
        self.compose("down", "--volumes", "--timeout", "5")

    def left(self) -> list[str]:
        """Return the names of all containers, networks and volumes that are of this project."""
        found = []
        label = f"label=com.docker.compose.project={PROJECT}"
        for command in (
            ("ps", "--all", "--format", "{{.Names}}"),
            ("network", "ls", "--format", "{{.Name}}"),
            ("volume", "ls", "--format", "{{.Name}}"),
        ):
            done = self.engine.docker(*command, "--filter", label)
            assert done.returncode == 0, done.stderr
            found += done.stdout.split()
        return found

    def run(self, service: str, *command: str, text: str | None = None) -> str:
        """Run a program in a service's container; return what it printed. :class:`LabError` when it fails."""
        interactive = ("--interactive",) if text is not None else ()
        done = subprocess.run(
            ("docker", "exec", *interactive, self.container(service), *command),
            env=self.engine.environment(),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)} in {service}: {done.stdout}{done.stderr}")
        return done.stdout

    def container(self, service: str) -> str:
        """Return the name of a service's container."""
        return f"{PROJECT}-{service}-1"

    def flatbgp(self, *arguments: str, text: str | None = None) -> str:
        """Run ``flatbgp`` beside the controller."""
        return self.run("controller", "flatbgp", *arguments, text=text)

    def vtysh(self, router: str, command: str) -> dict[str, Any]:
        """Return what FRR answers to a ``show ... json``."""
        document: dict[str, Any] = json.loads(self.run(router, "vtysh", "-c", command))
        return document

    def sessions(self, router: str) -> dict[IPAddress, str]:
        """Return the state of each of a router's sessions."""
        found = self.vtysh(router, "show bgp neighbors json")
        return {ip_address(name): entry["bgpState"] for name, entry in found.items() if isinstance(entry, dict)}

    def routes(self, router: str) -> RouteSet:
        """Return a router's table, best or not, as an exact set."""
        found: dict[str, set[IPAddress]] = {}
        for prefix, paths in self.vtysh(router, "show bgp ipv4 unicast json").get("routes", {}).items():
            for path in paths:
                found.setdefault(prefix, set()).update(ip_address(each["ip"]) for each in path["nexthops"])
        return {ip_network(prefix): frozenset(next_hops) for prefix, next_hops in found.items()}

    def holder(self, address: str) -> str:
        """Return the node that holds a floating IP, or an empty string."""
        (group,) = json.loads(self.flatbgp("get", "networkgatewaygroups", "-A", "-o", "json"))["items"]
        (entry,) = [each for each in group["status"]["floatingIPs"] if each["address"] == address]
        node: str = entry.get("node", "")
        return node

    def pod(self, node: str) -> IPAddress:
        """Return the address that stands for a node's pods."""
        found = json.loads(self.run(node, "ip", "-4", "-json", "address", "show", "dev", "lo", "scope", "global"))
        (address,) = [each["local"] for each in found[0]["addr_info"] if each]  # what the filter left out is {}
        return ip_address(address)

    def start_ping(self, node: str, target: IPAddress) -> "ContainerPing":
        """Ping from a node's pod, a hundred times a second; it pings when this returns."""
        command = ("-m", "flatbgp.lab.pinger", str(self.pod(node)), str(target), str(INTERVAL))
        child = subprocess.Popen(
            ("docker", "exec", self.container(node), "/opt/flatbgp/bin/python", *command),
            env=self.engine.environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "ready"
        return ContainerPing(self, node, child)

    def established(self) -> bool:
        """Return whether every session of every router is up."""
        return all(set(self.sessions(router).values()) == {"Established"} for router in ROUTERS)

    def await_established(self, deadline: float = 120) -> None:
        """Wait for that."""
        wait_until("every session", self.established, deadline=deadline, interval=0.5)


@dataclass(frozen=True, slots=True)
class ContainerPing:
    """Pings inside a container until :meth:`stop`."""

    lab: ComposeLab
    node: str
    child: subprocess.Popen[str]

    def stop(self) -> PingResult:
        """Stop sending, wait for the last answers, and count."""
        self.lab.run(self.node, "/opt/flatbgp/bin/python", "-c", _STOP_PINGER)
        output, _ = self.child.communicate(timeout=20)
        result: dict[str, Any] = json.loads(output.splitlines()[-1])
        return PingResult(result["sent"], tuple(result["lost"]), result["longest_gap"])


@contextmanager
def compose_lab(engine: Engine) -> Iterator[ComposeLab]:
    """Bring the lab up with `--wait`, and down at the end whatever happened."""
    lab = ComposeLab(engine)
    lab.down()  # of a run that was killed
    try:
        lab.up()
        yield lab
    finally:
        lab.down()
