"""What the chart installs into a cluster but its pods: definitions, policies, and the roles' permissions.

The tests run the roles themselves, as processes, each with the token of its ServiceAccount: what the chart's RBAC does
not allow, fails.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flatbgp.lab.commands import LabError
from flatbgp.lab.waiting import wait_until
from support.helm import Helm, Values, is_hook
from support.kubernetes import NAMESPACE, AlreadyThere, ApiServer
from support.objects import NAMESPACE as CLUSTER_NAMESPACE

PASSWORDS: Final = f"{NAMESPACE}-passwords"
"""Where the chart has the copies of passwords when the admin cluster's kubeconfig lies in its own namespace."""

ADMIN_CLUSTER: Final[Values] = {
    "controller": {"enabled": False},
    "speaker": {"enabled": False},
    "crds": {"admin": True},
    "adminReader": {"enabled": True, "clusterNamespace": CLUSTER_NAMESPACE},
}
USER_CLUSTER: Final[Values] = {
    "admin": {
        "enabled": True,
        "clusterNamespace": CLUSTER_NAMESPACE,
        "kubeconfigSecret": {"name": "admin-cluster"},
    }
}
ONE_CLUSTER: Final[Values] = {"admin": {"enabled": True, "clusterNamespace": CLUSTER_NAMESPACE}}

_PODS: Final = {"Deployment", "DaemonSet", "Job", "PodDisruptionBudget", "ServiceAccount"}

_PATHS: Final = {
    "Namespace": "/api/v1/namespaces",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


@dataclass(frozen=True, slots=True)
class Clusters:
    """The guide's two: the admin cluster, which people edit, and the user cluster, whose pods need routes."""

    admin: ApiServer
    user: ApiServer


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart, rendered by helm; ``home`` keeps helm's caches."""

    home: Path

    def install(self, server: ApiServer, values: Values) -> None:
        """Create what the chart makes of values, and return when all of it is served."""
        for name in (NAMESPACE, CLUSTER_NAMESPACE):
            server.create_namespace(name)
        documents = [each for each in Helm("4", self.home).template(values) if not is_hook(each)]
        for document in sorted(documents, key=lambda each: each["kind"] != "Namespace"):
            if document["kind"] not in _PODS:
                _create(server, document)
        wait_until("what the chart defines", lambda: _served(server), deadline=60)


def _create(server: ApiServer, document: Mapping[str, Any]) -> None:
    try:
        path = _PATHS[document["kind"]].format(namespace=document["metadata"].get("namespace"))
    except KeyError:
        raise LabError(f"where {document['kind']} goes is not known here") from None
    try:
        server.request("POST", path, document)
    except AlreadyThere:
        if document["kind"] != "Namespace":
            raise


def _served(server: ApiServer) -> bool:
    for item in server.request("GET", _PATHS["CustomResourceDefinition"])["items"]:
        spec = item["spec"]
        server.request("GET", f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}")
    return True
