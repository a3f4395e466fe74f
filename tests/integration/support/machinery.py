"""What a test's cluster lacks to run the chart: it makes Pods of Deployments, DaemonSets and Jobs, and runs them.

A Pod is an object on the API server and its containers' commands, as they stand in the chart, as processes in the
network namespace of its node, each with the token of the Pod's ServiceAccount. Of what they write to a node's disk only
the state directory outlives a Pod.
"""

import hashlib
import http.client
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from support.helm import Document, containers
from support.kubernetes import ADDRESS, NAMESPACE, ApiServer, NotThere
from support.netns import inside

_TURN_SECONDS: Final = 0.05
_APPS: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}"
_JOBS: Final = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_ACCOUNTS: Final = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
_MERGE: Final = "application/merge-patch+json"


@dataclass(slots=True)
class Pod:
    """One Pod that runs. ``owner`` is what made it, ``place`` its node, ``health`` the port of its probes."""

    name: str
    owner: str
    place: str
    namespace: Namespace
    processes: list[Process] = field(default_factory=list)
    health: int = 0

    @property
    def ready(self) -> bool:
        """Whether its readiness probe succeeds."""
        if not all(process.alive for process in self.processes):
            return False
        if not self.health:
            return True
        with inside(self.namespace):
            return _is_ready(self.health)

    def stop(self) -> None:
        """End its containers as a kubelet does: sidecars, which were started first, after the rest."""
        for process in reversed(self.processes):
            process.stop(deadline=10)


class Machinery:
    """Runs what is in the chart's namespace of a cluster, in a thread of its own, until closed.

    ``nodes`` are those of the DaemonSet, ``control`` those that run everything else, by their names.
    """

    def __init__(
        self,
        server: ApiServer,
        directory: Path,
        *,
        nodes: Mapping[str, Namespace],
        control: Mapping[str, Namespace],
    ) -> None:
        self.pods: dict[str, Pod] = {}
        self._server, self._directory = server, directory
        self._nodes, self._control = dict(nodes), dict(control)
        self._jobs: dict[str, Pod] = {}
        self._error: Exception | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="machinery", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all that runs; raise what went wrong meanwhile."""
        self._end.set()
        self._thread.join()
        for pod in (*self.pods.values(), *self._jobs.values()):
            for process in pod.processes:
                process.kill()
            self._remove(pod)
        if self._error is not None:
            raise self._error

    def log(self, owner: str) -> str:
        """Return what all containers of an owner's Pods have written."""
        found = sorted(self._directory.glob(f"{owner}-*/*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(path.read_text(errors="replace") for path in found)

    def _run(self) -> None:
        try:
            while not self._end.wait(_TURN_SECONDS):
                with suppress(NotThere):  # it went in this moment
                    self._turn()
        except Exception as error:  # a thread has nobody to raise to; close() does it
            self._error = error

    def _turn(self) -> None:
        makers = {
            f"{plural}/{maker['metadata']['name']}": maker
            for plural in ("deployments", "daemonsets")
            for maker in self._server.request("GET", f"{_APPS}/{plural}")["items"]
        }
        self._end_pods([pod for pod in self.pods.values() if pod.owner not in makers])
        for owner, maker in makers.items():
            self._look_after(owner, maker)
        for job in self._server.request("GET", _JOBS)["items"]:
            self._run_job(job)

    def _look_after(self, owner: str, maker: Document) -> None:
        """Replace one Pod at a time, and none while another is not ready."""
        template = maker["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:8]
        places = list(self._nodes) if owner.startswith("daemonsets/") else list(self._control)
        wanted = {place: f"{maker['metadata']['name']}-{digest}-{place}" for place in places}
        for place in places[maker["spec"].get("replicas", len(places)) :]:
            del wanted[place]
        existing = [pod for pod in self.pods.values() if pod.owner == owner]
        if not all(pod.ready for pod in existing):
            return
        stale = [pod for pod in existing if wanted.get(pod.place) != pod.name]
        self._end_pods(stale[:1])
        free = wanted.keys() - {pod.place for pod in self.pods.values() if pod.owner == owner}
        for place in sorted(free):
            self.pods[wanted[place]] = self._start(wanted[place], owner, template, place)

    def _start(self, name: str, owner: str, template: Document, place: str) -> Pod:
        spec = {**template["spec"], "nodeName": place}
        document = {"apiVersion": "v1", "kind": "Pod", "spec": spec}
        document["metadata"] = {"name": name, "labels": template["metadata"]["labels"]}
        self._server.request("POST", _PODS, document)
        self._server.request("PATCH", f"{_PODS}/{name}/status", {"status": {"phase": "Running"}}, content_type=_MERGE)
        pod = Pod(name, owner, place, (self._nodes | self._control)[place])
        directory = self._directory / name
        directory.mkdir(exist_ok=True)
        environment = {"KUBECONFIG": str(self._kubeconfig(spec["serviceAccountName"]))}
        for container in containers(spec):
            command = self._command(container, place, directory)
            log = directory / f"{container['name']}.log"
            pod.processes.append(pod.namespace.start(container["name"], *command, log=log, environment=environment))
            probe = container.get("readinessProbe")
            pod.health = probe["httpGet"]["port"] if probe else pod.health
        return pod

    def _command(self, container: Document, place: str, directory: Path) -> list[str]:
        mounts = {
            "/run/flatbgp/": f"{directory}/",
            "/var/lib/flatbgp": str(self._directory / f"state-{place}"),
            "$(NODE_NAME)": place,
        }
        program, role = container["command"]
        assert program == "flatbgp"
        arguments = list(container["args"])
        if role == "speaker":
            arguments.append(f"--instance=machine-{place}")  # /etc/machine-id, which these machines share
        for there, here in mounts.items():
            arguments = [argument.replace(there, here) for argument in arguments]
        return [sys.executable, "-m", "flatbgp.cli.main", role, *arguments]

    def _kubeconfig(self, account: str) -> Path:
        """Write a kubeconfig with a token of a ServiceAccount, which must be there."""
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        token = self._server.request("POST", f"{_ACCOUNTS}/{account}/token", request)["status"]["token"]
        content = json.loads(self._server.kubeconfig().read_text())
        content["users"] = [{"name": content["contexts"][0]["context"]["user"], "user": {"token": token}}]
        path = self._directory / f"{account}.yaml"
        path.write_text(json.dumps(content))
        return path

    def _end_pods(self, pods: Sequence[Pod]) -> None:
        threads = [threading.Thread(target=pod.stop) for pod in pods]
        for thread in threads:
            thread.start()
        for pod, thread in zip(pods, threads, strict=True):
            thread.join()
            self._remove(pod)
            del self.pods[pod.name]

    def _remove(self, pod: Pod) -> None:
        with suppress(NotThere):
            self._server.request("DELETE", f"{_PODS}/{pod.name}", {"gracePeriodSeconds": 0})

    def _run_job(self, job: Document) -> None:
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        if job["status"].get("conditions"):
            return
        pod = self._jobs.get(uid)
        if pod is None:
            place = next(iter(self._control))
            self._jobs[uid] = self._start(f"{name}-{uid[:5]}", f"jobs/{name}", job["spec"]["template"], place)
            return
        (process,) = pod.processes
        if process.alive:
            return
        self._remove(pod)
        status = _succeeded(job) if process.child.returncode == 0 else _failed(process)
        self._server.request("PATCH", f"{_JOBS}/{name}/status", {"status": status}, content_type=_MERGE)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection(ADDRESS, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _condition(kind: str, **more: str) -> dict[str, Any]:
    return {"type": kind, "status": "True", "lastTransitionTime": _now(), **more}


def _succeeded(job: Document) -> dict[str, Any]:
    times = {"startTime": job["metadata"]["creationTimestamp"], "completionTime": _now()}
    return {"succeeded": 1, **times, "conditions": [_condition("SuccessCriteriaMet"), _condition("Complete")]}


def _failed(process: Process) -> dict[str, Any]:
    why = {"reason": "BackoffLimitExceeded", "message": process.output.strip()[-500:]}
    conditions = [_condition("FailureTarget", **why), _condition("Failed", **why)]
    return {"failed": 1, "startTime": _now(), "conditions": conditions}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
