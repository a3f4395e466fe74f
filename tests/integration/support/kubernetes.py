"""A real API server with its etcd on loopback, for as long as a test or a test run wants it.

No kubelet, scheduler or controller manager runs beside it: Nodes, and what other controllers would do, are made by the
tests. RBAC and ValidatingAdmissionPolicy are on, and each role has a user of its own, so that a missing permission
fails a test. A server takes about 300 MB, and 3 s to start.
"""

import base64
import http.client
import json
import secrets
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from flatbgp.lab.commands import LabError
from flatbgp.lab.processes import Process, start
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.kind import Kind
from support.binaries import kubernetes_program

NAMESPACE: Final = "flatbgp-system"
"""Where the chart installs, and so the namespace of the roles' ServiceAccounts."""

ADDRESS: Final = "127.0.0.1"

_FIRST_PORT: Final = 20000
_PORTS: Final = 12000
"""Below the 32768 where Linux begins to number clients (ip_local_port_range)."""

START_SECONDS: Final = 60.0
"""How long a server may take until it is ready; 3 s on an idle machine."""

REQUEST_SECONDS: Final = 30.0

_IDENTITY_LABEL: Final = "apiserver.kubernetes.io/identity"
"""Marks the Lease by which each API server says that it runs."""


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request, as a token says it."""

    name: str
    groups: tuple[str, ...]


def service_account(name: str, namespace: str = NAMESPACE) -> User:
    """Return the user that a pod with this ServiceAccount is."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


ADMIN: Final = User("admin", ("system:masters", "system:authenticated"))
NOBODY: Final = User("nobody", ("system:authenticated",))
CONTROLLER: Final = service_account("flatbgp-controller")
SPEAKER: Final = service_account("flatbgp-speaker")
MIRROR: Final = service_account("flatbgp-admin")
ADMIN_READER: Final = service_account("flatbgp-admin-reader")
USERS: Final = (ADMIN, NOBODY, CONTROLLER, SPEAKER, MIRROR, ADMIN_READER)


class ApiError(LabError):
    """The API server refused a request of a test."""


class NotThere(ApiError):
    """It said 404."""


class AlreadyThere(ApiError):
    """It said 409."""


class ApiServer:
    """One cluster: kube-apiserver, etcd, and the kubeconfigs of its users. ``flags`` are more of kube-apiserver's."""

    def __init__(self, directory: Path, *, flags: Sequence[str] = ()) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port, self._etcd_port, self._peer_port = free_ports(3)
        self._flags = tuple(flags)
        self._tokens = {user: secrets.token_hex(16) for user in USERS}
        self._api: Process | None = None
        self._etcd: Process | None = None

    @property
    def server(self) -> str:
        """The URL that a kubeconfig names."""
        return f"https://{ADDRESS}:{self.port}"

    @property
    def certificate(self) -> Path:
        """The file of the authority that signed the server's certificate."""
        return self.directory / "certificates" / "apiserver.crt"

    @property
    def running(self) -> bool:
        """Whether the API server was started and not ended since."""
        return self._api is not None

    def start(self) -> None:
        """Start what does not run, and return when the server answers."""
        if self._etcd is None:
            self._etcd = self._start_etcd()
        if self._api is None:
            self._api = self._start_api()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Return when the server is ready and has made its own namespaces."""

        def ready() -> bool:
            for process in (self._etcd, self._api):
                if process is not None and not process.alive:
                    tail = "\n".join(process.output.splitlines()[-15:])
                    raise RuntimeError(f"{process.record.name} ended by itself:\n{tail}")
            self.request("GET", "/readyz")
            self.request("GET", "/api/v1/namespaces/kube-system")
            return True

        wait_until(f"kube-apiserver at {self.server}", ready, deadline=START_SECONDS)

    def stop(self) -> None:
        """End the API server as an upgrade does (SIGTERM); etcd goes on."""
        if self._api is not None:
            self._api.stop(deadline=30.0)
            self._api = None

    def kill(self) -> None:
        """End the API server at once (SIGKILL); etcd goes on."""
        if self._api is not None:
            self._api.kill()
            self._api = None

    def pause(self) -> None:
        """Let the API server do nothing, with all its connections open (SIGSTOP)."""
        if self._api is not None:
            self._api.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after :meth:`pause`."""
        if self._api is not None:
            self._api.signal(signal.SIGCONT)

    def replace(self) -> Path:
        """Put another, empty cluster in this one's place: the same address, certificate and users. Return the old."""
        self.close()
        old = self._unused()
        (self.directory / "etcd").rename(old)
        self.start()
        return old

    def back_up(self) -> Path:
        """Copy the whole state of the cluster, which stands still meanwhile."""
        self.close()
        copy = self._unused()
        shutil.copytree(self.directory / "etcd", copy)
        self.start()
        return copy

    def restore(self, state: Path) -> None:
        """Put a state from :meth:`replace` or :meth:`back_up` in the place of the present one."""
        self.close()
        shutil.rmtree(self.directory / "etcd")
        state.rename(self.directory / "etcd")
        self.start()

    def _unused(self) -> Path:
        return self.directory / f"etcd-{secrets.token_hex(4)}"

    def close(self) -> None:
        """End everything."""
        for process in (self._api, self._etcd):
            if process is not None:
                process.kill()
        self._api = self._etcd = None

    def kubeconfig(self, user: User = ADMIN, *, server: str = "") -> Path:
        """Write the kubeconfig of a user; ``server`` is the URL of another way there (a proxy)."""
        via = f"-via-{server.rpartition(':')[2]}" if server else ""
        path = self.directory / f"{user.name.rpartition(':')[2]}{via}.yaml"
        cluster = {
            "server": server or self.server,
            "certificate-authority": str(self.certificate),
            "tls-server-name": ADDRESS,
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user.name, "user": {"token": self._tokens[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user.name}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path

    def url(self, user: User = ADMIN, *, server: str = "") -> str:
        """Return how ``--store`` names this cluster for a user."""
        return f"kubernetes:?kubeconfig={self.kubeconfig(user, server=server)}"

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        user: User = ADMIN,
        content_type: str = "application/json",
        within: float = REQUEST_SECONDS,
    ) -> Any:
        """Send one request as a user, without any of flatbgp's code; :class:`ApiError` when it is refused."""
        try:
            trust = ssl.create_default_context(cafile=str(self.certificate))
        except OSError as error:  # it is not there, or not whole
            raise LabError("kube-apiserver has not made its certificate yet") from error
        connection = http.client.HTTPSConnection(ADDRESS, self.port, timeout=within, context=trust)
        headers = {"Authorization": f"Bearer {self._tokens[user]}", "Content-Type": content_type}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise LabError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            refusal = {404: NotThere, 409: AlreadyThere}.get(answer.status, ApiError)
            raise refusal(f"{method} {path}: {answer.status}: {text}")
        return json.loads(text) if text.startswith(("{", "[")) else text

    def merge(self, path: str, patch: Mapping[str, Any], *, user: User = ADMIN) -> Any:
        """Change an object by a JSON merge patch."""
        return self.request("PATCH", path, patch, user=user, content_type="application/merge-patch+json")

    def serves(self, kind: Kind[Any, Any]) -> bool:
        """Return whether the server has a kind of object."""
        prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        try:
            resources = self.request("GET", prefix)["resources"]
        except NotThere:
            return False
        return any(each["name"] == kind.plural for each in resources)

    def create_namespace(self, name: str = NAMESPACE) -> None:
        """Make a namespace, if it is not there."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        with suppress(AlreadyThere):
            self.request("POST", "/api/v1/namespaces", body)

    def clear(self, kinds: Iterable[Kind[Any, Any]]) -> None:
        """Remove all objects of these kinds, finalizers or not; those that the API server keeps for itself stay."""
        for kind in kinds:
            prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
            # After a start, and after a compaction, a server may say for a moment that it is not ready for a kind.
            found = wait_until(kind.plural, partial(self.request, "GET", f"{prefix}/{kind.plural}"))
            for item in found["items"]:
                meta = item["metadata"]
                if _IDENTITY_LABEL in meta.get("labels", {}):
                    continue
                scope = f"{prefix}/namespaces/{meta['namespace']}" if kind.namespaced else prefix
                path = f"{scope}/{kind.plural}/{meta['name']}"
                if meta.get("finalizers"):
                    self.merge(path, {"metadata": {"finalizers": None}})
                with suppress(NotThere):
                    self.request("DELETE", path)

    def compact(self) -> None:
        """Let etcd forget all but the present state, as it does by itself every 5 minutes."""
        etcd = f"{ADDRESS}:{self._etcd_port}"
        revision = _etcd_call(etcd, "/v3/kv/range", {"key": "Lw==", "count_only": True})["header"]["revision"]
        _etcd_call(etcd, "/v3/kv/compaction", {"revision": revision, "physical": True})

    def _start_etcd(self) -> Process:
        client, peer = f"http://{ADDRESS}:{self._etcd_port}", f"http://{ADDRESS}:{self._peer_port}"
        return self._start(
            "etcd",
            f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def _start_api(self) -> Process:
        key, tokens = self.directory / "serviceaccounts.key", self.directory / "tokens.csv"
        if not key.exists():
            key.write_text(_signing_key())
        lines = (f'{token},{user.name},{user.name},"{",".join(user.groups)}"' for user, token in self._tokens.items())
        tokens.write_text("\n".join(lines) + "\n")
        tokens.chmod(0o600)
        return self._start(
            "kube-apiserver",
            f"--etcd-servers=http://{ADDRESS}:{self._etcd_port}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--disable-admission-plugins=ServiceAccount",
            f"--cert-dir={self.directory / 'certificates'}",
            f"--bind-address={ADDRESS}",
            f"--advertise-address={ADDRESS}",
            "--endpoint-reconciler-type=none",
            f"--secure-port={self.port}",
            "--service-cluster-ip-range=10.96.0.0/12",
            "--shutdown-delay-duration=0s",
            *self._flags,
        )

    def _start(self, name: str, *arguments: str) -> Process:
        # The kernel ends it should the test run be killed before it can.
        command = ("setpriv", "--pdeathsig", "KILL", kubernetes_program(name), *arguments)
        return start(name, command, self.directory / f"{name}.log")


@contextmanager
def api_servers(count: int = 1) -> Iterator[list[ApiServer]]:
    """Run some API servers on loopback for the length of the block."""
    directory = Path(tempfile.mkdtemp(prefix="flatbgp-kubernetes-"))
    servers = [ApiServer(directory / str(number)) for number in range(count)]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.close()
        shutil.rmtree(directory, ignore_errors=True)


def free_ports(count: int) -> list[int]:
    """Return TCP ports that nobody uses at this moment, outside the range that the kernel gives to clients.

    Inside it, a client that calls a server which is down could be given the server's own port, and would be connected
    to itself (TCP's simultaneous open); the server could then not come back.
    """
    found: list[int] = []
    while len(found) < count:
        port = _FIRST_PORT + secrets.randbelow(_PORTS)
        with suppress(OSError), socket.create_server((ADDRESS, port)):
            found.append(port)
    return found


def _etcd_call(address: str, path: str, body: Mapping[str, Any]) -> Any:
    """Call etcd by its JSON gateway."""
    connection = http.client.HTTPConnection(address, timeout=REQUEST_SECONDS)
    try:
        connection.request("POST", path, json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _signing_key() -> str:
    """Return a new key on the curve P-256 as PEM (RFC 5915; the public key may be left out)."""
    scalar = secrets.token_bytes(32)
    der = bytes.fromhex("30310201010420") + scalar + bytes.fromhex("a00a06082a8648ce3d030107")
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END EC PRIVATE KEY-----\n"
