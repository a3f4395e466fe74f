"""The lab's machines and routers with what a release of the chart makes: its pods, with their rights and limits."""

from flatbgp.lab.commands import run
from flatbgp.lab.namespaces import create
from flatbgp.lab.network import NODE_INTERFACE
from support.apirelay import Relay
from support.kubecluster import KubeCluster
from support.machinery import Machinery

FLOATING = {"10.0.1.100", "10.0.3.100"}
"""The floating IPs of the guide's example."""


class ReleasedCluster(KubeCluster):
    """The lab's machines and routers; what runs on the machines is what a release makes."""

    machinery: Machinery

    def build(self) -> None:
        self.network.build()
        for router in self.topology.routers:
            self.start_router(router)

    def start_roles(self) -> None:
        nodes = {node.name: self.network.namespace(node.name) for node in self.topology.nodes}
        control = {name: create(self.network.prefix + name) for name in ("control-1", "control-2")}
        relay = Relay(self.user_server.port)
        self.sandbox.finally_call(relay.close)
        for machine in (*nodes.values(), *control.values()):
            relay.open(machine.name)
        directory = self.sandbox.directory / "pods"
        directory.mkdir()
        self.machinery = Machinery(self.user_server, directory, nodes=nodes, control=control)
        self.sandbox.finally_call(self.machinery.close)

    def floating(self) -> dict[str, set[str]]:
        """Return the floating IPs that are on each machine."""
        found = {}
        for node in self.topology.nodes:
            name = self.network.namespace(node.name).name
            shown = run(("ip", "-n", name, "-o", "address", "show", "dev", NODE_INTERFACE))
            found[node.name] = {address for address in FLOATING if f" {address}/" in shown}
        return found
