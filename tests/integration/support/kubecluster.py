"""A whole cluster for a test, on Kubernetes: the lab's machines, routers and roles, and real API servers as stores."""

from collections.abc import Mapping, Sequence
from typing import Any

from flatbgp.lab.stores import Stores
from flatbgp.resources.event import EVENT
from flatbgp.resources.kinds import ALL
from support.apirelay import Relay
from support.charted import PASSWORDS
from support.cluster import Cluster
from support.kubernetes import ADMIN_READER, CONTROLLER, MIRROR, SPEAKER, ApiServer, User
from support.sandbox import Sandbox

_CONTROL = "control"


class KubeCluster(Cluster):
    """Like :class:`Cluster`, on an admin and a user cluster, which may be one.

    The roles run as on nodes: each with its own token, and each reaches the API servers from its own machine. What a
    test itself does, it does as cluster-admin.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        manifests: str,
        admin: ApiServer,
        user: ApiServer,
        *,
        extra: Mapping[str, Sequence[str]] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(sandbox, manifests, extra=extra, **more)
        self.admin_server, self.user_server = admin, user
        self.stores = Stores(admin.url(), user.url())
        self._relays = [Relay(server.port) for server in {id(each): each for each in (admin, user)}.values()]
        for relay in self._relays:
            sandbox.finally_call(relay.close)
        sandbox.finally_call(self.clear)

    @property
    def secret_namespace(self) -> str:
        """Where the roles look for passwords on the user cluster, as the chart tells them."""
        return PASSWORDS if self.admin_server is not self.user_server else "flatbgp-system"

    def clear(self) -> None:
        """Take away every object, for whoever comes next."""
        for server in {id(each): each for each in (self.admin_server, self.user_server)}.values():
            if server.running:
                server.clear([kind for kind in (*ALL, EVENT) if server.serves(kind)])

    def apply_manifests(self) -> None:
        """Apply them; what a kubelet would report of its Node is reported here."""
        admin, _ = self.write_manifests()
        self.flatbgp("apply", "-f", str(admin), "--store", self.stores.admin)
        for node in self.topology.nodes:
            self.join(node.name, [str(each.ip) for each in node.addresses])

    def join(self, name: str, addresses: Sequence[str], *, labels: Mapping[str, str] | None = None) -> None:
        """Let a machine's kubelet register it."""
        meta = {"name": name, "labels": dict(labels or {})}
        self.user_server.request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": meta})
        status = {"addresses": [{"type": "InternalIP", "address": each} for each in addresses]}
        self.user_server.merge(f"/api/v1/nodes/{name}/status", {"status": status})

    def revive(self) -> None:
        """Start the leading roles again that have ended, as their kubelet would."""
        if not self.roles["controller"].alive:
            self.start_controller()
        if not self.roles["admin"].alive:
            self.start_admin()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Events of all objects of a name on the user cluster, oldest first."""
        items = self.user_server.request("GET", "/api/v1/events")["items"]
        found = [each for each in items if each["involvedObject"]["name"] == name]
        return sorted(found, key=lambda each: each["firstTimestamp"])

    # --- what runs

    def admin_options(self) -> tuple[str, ...]:
        # The user cluster's release has the kubeconfig of a ServiceAccount that the admin cluster's release made.
        reader = MIRROR if self.admin_server is self.user_server else ADMIN_READER
        return (
            *("--admin-store", self.admin_server.url(reader), "--cluster-namespace", "cluster-bm"),
            *self._options(_CONTROL, MIRROR),
            *self._extra.get("admin", ()),
        )

    def controller_options(self) -> tuple[str, ...]:
        return (*self._options(_CONTROL, CONTROLLER), *self._extra.get("controller", ()))

    def speaker_options(self, node: str) -> tuple[str, ...]:
        api = f"unix://{self.api(node)}"
        return (
            *("--node", node, "--gobgp", api, "--instance", f"lab-{node}"),
            *self._options(node, SPEAKER),
            *self._extra.get("speaker", ()),
        )

    def _options(self, place: str, user: User) -> tuple[str, ...]:
        state = str(self.directory / place / "state")
        return (
            *("--store", self.user_server.url(user), "--secret-namespace", self.secret_namespace),
            *("--state-dir", state, "--log-format", "text"),
        )

    def _start_role(self, place: str, role: str, *options: str) -> None:
        for relay in self._relays:
            relay.open(self.network.namespace(place).name)
        super()._start_role(place, role, *options)
