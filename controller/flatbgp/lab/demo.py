"""``make demo``: the guide's manifests become live BGP sessions, shown step by step and checked on the way."""

import re
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from flatbgp.lab import views
from flatbgp.lab.commands import LabError, run
from flatbgp.lab.lifecycle import Lab, flatbgp
from flatbgp.lab.manifests import demand_of, node_document, read_manifests, to_text
from flatbgp.lab.namespaces import shell
from flatbgp.lab.powercut import PowerCut
from flatbgp.lab.stores import documents
from flatbgp.lab.waiting import DeadlineExceeded, wait_until
from flatbgp.resources.bgppeer import BGPPeerSpec
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.ip import Family, IPAddress

_SESSIONS_DEADLINE = 60.0
_ROUTES_DEADLINE = 20.0
_PINGS = 5


class Demo:
    """One run. ``say`` takes the lines that it shows; :meth:`run` returns what was not as expected."""

    def __init__(self, source: Path, say: Callable[[str], None]) -> None:
        """``source`` is the manifest file to show."""
        self._resources = read_manifests(source.read_bytes(), str(source))
        self._source = source
        self._say = say
        self._lab = Lab(self._resources, str(source))
        self._pods: Mapping[str, tuple[IPAddress, ...]] = {}
        self._problems: list[str] = []

    def run(self) -> list[str]:
        """Show it all; the caller takes the lab down afterwards, whatever happened."""
        self._make_network()
        self._declare()
        self._start_roles()
        self._await_sessions()
        self._show_tables()
        self._show_routers()
        self._ping_between_racks()
        self._join_a_node()
        self._kill_a_gateway()
        return self._problems

    def _make_network(self) -> None:
        self._step("The network: two racks, a router in each, three nodes; FRR on routers, gobgpd on nodes")
        self._lab.build()
        for rack in self._lab.topology.racks:
            routers = [
                f"{each.name} {each.addresses[0].ip} (AS {each.asn})"
                for each in self._lab.topology.routers_of(rack.name)
            ]
            nodes = [
                f"{each.name} {each.addresses[0].ip}" for each in self._lab.topology.nodes if each.rack == rack.name
            ]
            self._say(f"  {rack.name} {rack.subnets[0]}: {', '.join(routers + nodes)}")

    def _declare(self) -> None:
        self._step(
            "The guide's manifests go to the admin cluster, the nodes to the user cluster (two sqlite files here)"
        )
        _, nodes = self._lab.write_manifests()
        self._flatbgp("apply", "-f", str(self._source), "--store", self._lab.stores.admin)
        self._flatbgp("apply", "-f", str(nodes), "--store", self._lab.stores.user)

    def _start_roles(self) -> None:
        self._step("flatbgp's three roles: the admin mirror, the controller, a speaker beside each node's gobgpd")
        self._lab.start_roles()
        self._typed(shlex.join(("flatbgp", "admin", *self._lab.admin_options())))
        self._typed(shlex.join(("flatbgp", "controller", *self._lab.controller_options())))
        for node in self._lab.topology.nodes:
            namespace = self._lab.network.namespace(node.name)
            self._typed(shell(namespace, "flatbgp", "speaker", *self._lab.speaker_options(node.name)))
        self._pods = self._lab.add_pods(deadline=20)
        self._expect("every node has a pod CIDR", len(self._pods) == len(self._lab.topology.nodes))

    def _await_sessions(self) -> None:
        wanted = sum(
            min(each.spec.sessions, len(demand_of(self._resources).floating_ips))
            for each in self._resources
            if isinstance(each.spec, BGPPeerSpec)
        )
        self._step(f"Floating IPs are claimed, and BGP sessions opened from them: {wanted} are planned")
        started = time.monotonic()
        with suppress(DeadlineExceeded):
            wait_until(
                "all sessions", self._established, lambda up: up == wanted, deadline=_SESSIONS_DEADLINE, interval=0.1
            )
        up = self._established()
        self._say(f"  {up} of {wanted} Established after {time.monotonic() - started:.1f} s")
        self._expect(f"{wanted} Established sessions", up == wanted, f"{up} are")

    def _show_tables(self) -> None:
        self._step("The guide's four tables")
        self._flatbgp("get", "flatipmodes", "-A", "--store", self._lab.stores.admin)
        self._flatbgp("get", "flatipmodes.networking.gke.io", "--store", self._lab.stores.user)
        self._flatbgp("get", "bgpsessions", "-A", "--store", self._lab.stores.user)
        self._flatbgp("get", "bgpadvertisedroutes", "-A", "--store", self._lab.stores.user)

    def _show_routers(self) -> None:
        self._step("The routers' own view")
        expected = self._lab.expected_routes(Family.IPV4)
        for router in self._lab.routers.values():
            with suppress(DeadlineExceeded):
                wait_until(
                    f"the routes of {router.name}",
                    lambda vty=router.vty: views.routes(vty),  # type: ignore[misc] # bound now, not when called
                    lambda seen: seen == expected,
                    deadline=_ROUTES_DEADLINE,
                )
            self._vtysh(router.name, "show bgp ipv4 unicast summary")
            self._vtysh(router.name, "show bgp ipv4 unicast")
            seen = views.routes(router.vty)
            self._expect(f"{router.name} has exactly the nodes' pod CIDRs", seen == expected, f"it has {seen}")

    def _ping_between_racks(self) -> None:
        self._step("A pod in one rack reaches a pod in the other")
        racks = {node.name: node.rack for node in self._lab.topology.nodes}
        here = next(node for node in self._pods if racks[node] == "rack-1")
        there = next(node for node in self._pods if racks[node] == "rack-2")
        self._ping(here, there)

    def _join_a_node(self) -> None:
        self._step("A fourth node joins rack 2 while all that runs")
        node = self._lab.add_node("node-04", "rack-2")
        manifest = self._lab.directory / "node-04.yaml"
        manifest.write_text(to_text([node_document(node)]))
        self._flatbgp("apply", "-f", str(manifest), "--store", self._lab.stores.user)
        started = time.monotonic()
        router = self._lab.routers["router-1"]
        own = {each.ip for each in node.addresses}
        try:
            wait_until(
                "its route at router-1",
                lambda: [prefix for prefix, next_hops in views.routes(router.vty).items() if next_hops <= own],
                deadline=_ROUTES_DEADLINE,
            )
        except DeadlineExceeded as error:
            self._expect("the new node's route at router-1", False, str(error))
            return
        self._say(f"  its route is at router-1 {time.monotonic() - started:.2f} s after the command ended:")
        self._pods = self._lab.add_pods(deadline=20)
        expected = self._lab.expected_routes(Family.IPV4)
        prefix = next(prefix for prefix, next_hops in expected.items() if next_hops <= own)
        self._vtysh("router-1", f"show bgp ipv4 unicast {prefix}")
        self._ping("node-01", "node-04")

    def _kill_a_gateway(self) -> None:
        self._step("A gateway loses power while pods of other nodes talk (flatbgp lab kill-gateway)")
        self._problems += PowerCut(self._lab, self._say).run()

    def _ping(self, here: str, there: str) -> None:
        source, target = (
            next(each for each in self._pods[name] if Family.of(each) is Family.IPV4) for name in (here, there)
        )
        namespace = self._lab.network.namespace(here)
        command = ("ping", "-c", str(_PINGS), "-i", "0.2", "-W", "1", "-I", str(source), str(target))
        self._typed(shell(namespace, *command))
        try:
            output = namespace.run(*command)
        except LabError as error:  # ping itself says how many were lost
            output = str(error)
        self._output(output)
        lost = re.search(r"(\d+(?:\.\d+)?)% packet loss", output)
        self._expect(f"no ping lost from {source} to {target}", lost is not None and float(lost[1]) == 0)

    def _established(self) -> int:
        found = documents(self._lab.stores.user, BGP_SESSION).values()
        return sum(each.get("status", {}).get("state") == "Established" for each in found)

    def _flatbgp(self, *arguments: str) -> None:
        self._typed(shlex.join(("flatbgp", *arguments)))
        self._output(flatbgp(*arguments))

    def _vtysh(self, router: str, command: str) -> None:
        line = ("vtysh", "--vty_socket", str(self._lab.directory / router), "-c", command)
        self._typed(shlex.join(line))
        self._output(run(line))

    def _step(self, text: str) -> None:
        self._say(f"\n== {text}")

    def _typed(self, line: str) -> None:
        self._say(f"$ {line}")

    def _output(self, text: str) -> None:
        self._say(text.rstrip("\n"))

    def _expect(self, what: str, holds: bool, seen: str = "") -> None:
        if not holds:
            self._problems.append(f"{what}{f': {seen}' if seen else ''}")
