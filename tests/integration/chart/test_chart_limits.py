"""What RBAC cannot say, the chart's policies refuse: Leases of others, and fields of Nodes that are not podCIDRs."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from flatbgp.lab.waiting import wait_until
from support.helm import CHART, RELEASE, Helm
from support.kubernetes import CONTROLLER, NAMESPACE, SPEAKER, ApiError, ApiServer

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
NODE = "/api/v1/nodes/node-01"
MERGE = "application/merge-patch+json"


def lease(name: str) -> dict[str, Any]:
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}


@pytest.fixture(scope="module")
def released(helm4: Helm, cluster: ApiServer) -> Iterator[ApiServer]:
    """A cluster with a release of the chart, a Node, and a Lease of somebody else."""
    helm = helm4.on(cluster)
    helm.run("install", RELEASE, CHART, "--namespace", NAMESPACE, values={"crds": {"install": False}})
    cluster.request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-01"}})
    cluster.request("POST", LEASES, lease("kube-scheduler"))
    tries = count()
    wait_until("the policy for Nodes", lambda: refused(lambda: annotate(cluster, next(tries))))
    yield cluster
    cluster.request("DELETE", f"{LEASES}/kube-scheduler")
    cluster.request("DELETE", NODE)
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE, "--no-hooks")


def annotate(cluster: ApiServer, number: int) -> None:
    """Change a Node as the controller must not, each time otherwise: what changes nothing is never refused."""
    patch = {"metadata": {"annotations": {"try": str(number)}}}
    cluster.request("PATCH", NODE, patch, user=CONTROLLER, content_type=MERGE)


def refused(call: Any) -> bool:
    """Return whether the policy refuses; a new policy is in force after a moment."""
    try:
        call()
    except ApiError as error:
        return "ValidatingAdmissionPolicy" in str(error)
    return False


def test_s80_a_speaker_writes_the_leases_of_floating_ips_and_no_others(released: ApiServer) -> None:
    def as_speaker(method: str, name: str, body: Any = None) -> Any:
        path = LEASES if method == "POST" else f"{LEASES}/{name}"
        content_type = MERGE if method == "PATCH" else "application/json"
        return released.request(method, path, body, user=SPEAKER, content_type=content_type)

    stolen = {"spec": {"holderIdentity": "me"}}
    wait_until("the policy", lambda: refused(lambda: as_speaker("PATCH", "kube-scheduler", stolen)))
    assert refused(lambda: as_speaker("POST", "kube-controller-manager", lease("kube-controller-manager")))
    assert refused(lambda: as_speaker("DELETE", "kube-scheduler"))

    as_speaker("POST", "floatingip-10-0-1-100", lease("floatingip-10-0-1-100"))
    as_speaker("PATCH", "floatingip-10-0-1-100", stolen)
    as_speaker("DELETE", "floatingip-10-0-1-100")


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        {"metadata": {"annotations": {"a": "b"}}},
        {"metadata": {"finalizers": ["a/b"]}},
        {"spec": {"taints": None}},
        {"spec": {"unschedulable": True}},
        {"spec": {"providerID": "x"}},
        {"spec": {"taints": [], "podCIDR": "222.2.0.0/24", "podCIDRs": ["222.2.0.0/24"]}},
    ],
    ids=str,
)
def test_s80_the_controller_writes_nothing_of_a_node_but_its_pod_cidrs(released: ApiServer, patch: Any) -> None:
    tainted = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    released.request("PATCH", NODE, tainted, content_type=MERGE)

    def as_controller(change: Any) -> Any:
        return released.request("PATCH", NODE, change, user=CONTROLLER, content_type=MERGE)

    assert refused(lambda: as_controller(patch))
    given = {"spec": {"podCIDR": "222.2.0.0/24", "podCIDRs": ["222.2.0.0/24"]}}
    assert as_controller(given)["spec"]["podCIDRs"] == ["222.2.0.0/24"]
