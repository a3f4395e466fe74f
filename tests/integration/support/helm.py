"""The chart as users meet it: by helm, in both versions that are in use."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
import yaml

from support.kubernetes import NAMESPACE, ApiServer

CHART: Final = Path(__file__).parents[3] / "charts" / "flatbgp"
RELEASE: Final = "flatbgp"

HELM_VERSIONS: Final = ("3", "4")

COMMAND_SECONDS: Final = 100.0

_CACHE: Final = Path.home() / ".cache" / "flatbgp-test"

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Document = dict[str, Any]
Values = Mapping[str, Any]

NO_VALUES: Final[Values] = MappingProxyType({})


@cache
def helm_program(major: str) -> str:
    """Return the path of a helm of a major version: that on PATH, else what ``make test`` put into its cache."""
    for path in (shutil.which("helm"), *map(str, sorted(_CACHE.glob(f"helm-{major}.*/helm"), reverse=True))):
        if path is not None and _version(path).startswith(f"v{major}."):
            return path
    return pytest.skip(f"there is no helm {major}: neither on PATH nor in {_CACHE}, where 'make test' puts it")


@cache
def _version(program: str) -> str:
    done = subprocess.run([program, "version", "--short"], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()


class Refused(AssertionError):
    """helm would not; the text is what it said."""


@dataclass(frozen=True)
class Helm:
    """helm of a major version, on the cluster of an API server or on none. ``home`` keeps its caches."""

    major: str
    home: Path
    server: ApiServer | None = None

    def on(self, server: ApiServer) -> "Helm":
        """Return the same on a cluster."""
        return replace(self, server=server)

    def run(self, *arguments: str | Path, values: Values = NO_VALUES) -> str:
        """Run a command and return what it printed; :class:`Refused` when it fails."""
        command = [helm_program(self.major), *map(str, arguments)]
        if values:
            command += ["--values", "-"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))}
        homes = ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")
        places = {name: str(self.home / name.lower()) for name in homes}
        if self.server is not None:
            places["KUBECONFIG"] = str(self.server.kubeconfig())
        done = subprocess.run(
            command,
            input=json.dumps(values) if values else "",
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=environment | places,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stderr + done.stdout)
        return done.stdout

    def template(self, values: Values = NO_VALUES, *flags: str, namespace: str = NAMESPACE) -> list[Document]:
        """Return the objects that the chart makes of values, those of its hooks as well."""
        return documents(self.run("template", RELEASE, CHART, "--namespace", namespace, *flags, values=values))


def documents(text: str) -> list[Document]:
    """Return the objects of a YAML stream, by the fast loader where there is one: the definitions are long."""
    return [document for document in yaml.load_all(text, Loader=_LOADER) if document]


def named(objects: Sequence[Document], kind: str, name: str, namespace: str | None = None) -> Document:
    """Return the one object of that kind and name."""
    (found,) = (
        document
        for document in objects
        if (document["kind"], document["metadata"]["name"]) == (kind, name)
        and namespace in (None, document["metadata"].get("namespace"))
    )
    return found


def of_kind(objects: Sequence[Document], *kinds: str) -> list[Document]:
    """Return the objects of some kinds."""
    return [document for document in objects if document["kind"] in kinds]


def is_hook(document: Document) -> bool:
    """Return whether helm makes an object only for one of its events."""
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def pod_specs(objects: Sequence[Document]) -> dict[str, Document]:
    """Return the specs of all Pods that the objects make, by the name of the object."""
    makers = of_kind(objects, "Deployment", "DaemonSet", "Job")
    return {maker["metadata"]["name"]: maker["spec"]["template"]["spec"] for maker in makers}


def containers(pod: Document) -> list[Document]:
    """Return all containers of a Pod's spec."""
    return [*pod.get("initContainers", ()), *pod["containers"]]
