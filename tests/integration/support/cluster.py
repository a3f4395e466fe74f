"""A whole cluster for a test: the lab of some manifests, with handles for what a test does to it."""

import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flatbgp.lab import views
from flatbgp.lab.commands import run
from flatbgp.lab.lifecycle import Lab
from flatbgp.lab.manifests import read_manifests
from flatbgp.lab.network import NODE_INTERFACE, port_name
from flatbgp.lab.processes import Process
from flatbgp.lab.stores import documents
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from flatbgp.resources.kinds import find
from support.sandbox import Sandbox

EXAMPLES = Path(__file__).parents[3] / "examples"

_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")


class Cluster(Lab):
    """A lab in a sandbox. Nothing runs yet: see :meth:`start`.

    ``extra`` are further options of the roles ("admin", "controller", "speaker"). The routers tell one another nothing
    (``mesh``), so that a router's table is what flatbgp told that router.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        manifests: str,
        *,
        mesh: bool = False,
        gobgpd_binary: str | None = None,
        extra: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.sandbox = sandbox
        self._extra = extra or {}
        super().__init__(
            read_manifests(manifests.encode(), "test"),
            "test",
            sandbox.directory,
            sandbox.prefix,
            mesh=mesh,
            gobgpd_binary=gobgpd_binary,
        )
        self.pods: dict[str, tuple[IPAddress, ...]] = {}

    def start(self, deadline: float = 30) -> None:
        """Bring everything up; the sandbox takes it down. Nodes have pods when this returns; sessions come later."""
        self.build()
        self.apply_manifests()
        self.start_roles()
        self.pods = self.add_pods(deadline)
        self.finish()

    # --- what runs

    def admin_options(self) -> tuple[str, ...]:
        return (*super().admin_options(), *self._extra.get("admin", ()))

    def controller_options(self) -> tuple[str, ...]:
        return (*super().controller_options(), *self._extra.get("controller", ()))

    def speaker_options(self, node: str) -> tuple[str, ...]:
        return (*super().speaker_options(node), *self._extra.get("speaker", ()))

    def record(self, *processes: Process) -> None:
        for process in processes:
            self.sandbox.owns(process)
        for router in self.routers.values():
            self.sandbox.finally_call(router.vty.close)
        super().record(*processes)

    def speaker(self, node: str) -> Process:
        """Return a node's speaker."""
        return self.roles[f"speaker {node}"]

    def power_off(self, node: str) -> None:
        """Take a machine away at once: its link and everything that runs on it, with no chance to say anything."""
        place, processes = self.network.namespace(node), (self.gobgpds[node], self.speaker(node))
        for process in processes:
            process.signal(signal.SIGSTOP)  # or the speaker would put an IPv6 address back, which goes with the link
        place.set_link(NODE_INTERFACE, up=False)
        for process in processes:
            process.kill()
        # The kernel lives on here, and would send what is left of their connections once the link is up again.
        place.run("ss", "--kill", "--tcp", "--all")

    def cut(self, node: str, *, off: bool) -> None:
        """Pull (or plug in again) a machine's cable at the switch: the machine runs on."""
        rack = next(each.rack for each in self.topology.nodes if each.name == node)
        self.network.namespace(rack).set_link(port_name(node), up=not off)

    # --- objects

    def flatbgp(self, *arguments: str, text: str | None = None) -> str:
        """Run a ``flatbgp`` command and return what it printed."""
        return run((*_FLATBGP, *arguments), text=text)

    def apply(self, manifests: str, *, admin: bool = False) -> None:
        """Apply manifests, to the user store unless ``admin``."""
        self.flatbgp("apply", "-f", "-", "--store", self._store(admin=admin), text=manifests)

    def delete(self, kind: str, name: str, namespace: str = "kube-system", *, admin: bool = False) -> None:
        """Delete an object."""
        self.flatbgp("delete", kind, name, "-n", namespace, "--store", self._store(admin=admin))

    def objects(self, kind: str, *, admin: bool = False) -> dict[str, dict[str, Any]]:
        """Return all objects of a kind by name, whatever their namespaces; ``kind`` as :func:`kinds.find` takes it."""
        return {key.name: dict(each) for key, each in documents(self._store(admin=admin), find(kind)[0]).items()}

    # --- routers

    def routes(self, router: str = "router-1", family: Family = Family.IPV4) -> views.RouteSet:
        """Return a router's table as an exact set."""
        return views.routes(self.routers[router].vty, family)

    def sessions(self, router: str = "router-1") -> dict[IPAddress, views.RouterSession]:
        """Return a router's sessions with floating IPs."""
        mine = {each.address for each in self._neighbors(router)}
        return {key: value for key, value in views.sessions(self.routers[router].vty).items() if key in mine}

    def await_sessions(self, deadline: float = 40) -> None:
        """Wait until every session that a router is configured for is Established."""
        for router in self.routers:
            wait_until(
                f"all sessions of {router}",
                lambda router=router: {str(key): value.state for key, value in self.sessions(router).items()},
                lambda seen: set(seen.values()) == {"Established"},
                deadline=deadline,
            )

    def await_routes(self, family: Family = Family.IPV4, deadline: float = 20) -> None:
        """Wait until every router has exactly the routes that it must have."""
        expected = self.expected_routes(family)
        for router in self.routers:
            wait_until(
                f"exactly {expected} at {router}",
                lambda router=router: self.routes(router, family),
                lambda seen: seen == expected,
                deadline=deadline,
            )

    def _neighbors(self, router: str) -> list[Any]:
        transit = {each.router_id for each in self.topology.routers}
        found = next(each for each in self.topology.routers if each.name == router)
        return [each for each in found.neighbors if each.address not in transit]

    def _store(self, *, admin: bool) -> str:
        return self.stores.admin if admin else self.stores.user


def example(name: str) -> str:
    """Return one of the examples ("single-stack-ipv4")."""
    return (EXAMPLES / f"{name}.yaml").read_text()
