"""Deployment, DaemonSet and Pod (apps/v1, v1): what Kubernetes runs of flatbgp, as far as an uninstallation asks.

They are no kinds that a person names to this program, so the registry of kinds does not have them.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from flatbgp.resources.kind import Kind
from flatbgp.resources.schema import Doc

NAME_LABEL: Final = "app.kubernetes.io/name"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"


@dataclass(frozen=True, slots=True)
class WorkloadSpec:
    """Nothing of it is read."""


@dataclass(frozen=True, slots=True)
class WorkloadStatus:
    """Nothing of it is read."""


@dataclass(frozen=True, slots=True)
class PodSpec:
    """Where a Pod runs."""

    node_name: Annotated[str, Doc("The Node that it runs on; empty while it waits for one.")] = ""


@dataclass(frozen=True, slots=True)
class PodStatus:
    """How far a Pod is."""

    phase: Annotated[str, Doc("Pending, Running, Succeeded, Failed or Unknown.")] = ""


DEPLOYMENT = Kind(
    name="Deployment",
    group="apps",
    version="v1",
    plural="deployments",
    singular="deployment",
    namespaced=True,
    spec_type=WorkloadSpec,
    status_type=WorkloadStatus,
    strict=False,
)

DAEMON_SET = Kind(
    name="DaemonSet",
    group="apps",
    version="v1",
    plural="daemonsets",
    singular="daemonset",
    namespaced=True,
    spec_type=WorkloadSpec,
    status_type=WorkloadStatus,
    strict=False,
)

POD = Kind(
    name="Pod",
    group="",
    version="v1",
    plural="pods",
    singular="pod",
    namespaced=True,
    spec_type=PodSpec,
    status_type=PodStatus,
    strict=False,
)
