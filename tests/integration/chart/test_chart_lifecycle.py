"""From `helm install` to `helm uninstall`: nothing is left behind, and nothing of a user is touched."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.planning.marks import IN_USE_FINALIZER
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.event import EVENT
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.kinds import ALL
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from support.apirelay import Relay
from support.chartvalues import TWO_CLUSTERS
from support.definitions import collection
from support.helm import CHART, RELEASE, Document, Helm, Refused
from support.kubernetes import NAMESPACE, ApiServer, api_servers
from support.machinery import Machinery
from support.sandbox import Sandbox

SYSTEM: Final = "kube-system"
DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

OURS: Final = "?labelSelector=app.kubernetes.io/part-of=flatbgp"
RELEASED: Final = (
    f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
    f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets",
    f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs",
    f"/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets",
    f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
)

OF_A_USER: Final[tuple[tuple[Kind[Any, Any], Document], ...]] = (
    (
        NETWORK_GATEWAY_GROUP,
        {"metadata": {"name": "default", "namespace": SYSTEM}, "spec": {"floatingIPs": ["10.0.1.100"]}},
    ),
    (
        FLAT_IP_MODE,
        {"metadata": {"name": "default"}, "spec": {"enableBGPIPv4": True, "peerSelector": {"peer": "yes"}}},
    ),
    (
        CLUSTER_CIDR_CONFIG,
        {"metadata": {"name": "all"}, "spec": {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}}},
    ),
    (
        SECRET,
        {
            "metadata": {"name": "router", "namespace": NAMESPACE},
            "type": "kubernetes.io/basic-auth",
            "stringData": {"password": "x"},
        },
    ),
)
HELD: Final = "floatingip-10-0-1-100"


@pytest.fixture
def machinery(sandbox: Sandbox, cluster: ApiServer) -> Iterator[Machinery]:
    """Two machines for controllers, and none for speakers; what a test leaves in the cluster is taken away."""
    relay = Relay(cluster.port)
    control = {name: sandbox.host(name) for name in ("control-1", "control-2")}
    for machine in control.values():
        relay.open(machine.name)
    running = Machinery(cluster, sandbox.directory, nodes={}, control=control)
    yield running
    try:
        running.close()
    finally:
        relay.close()
        empty(cluster)


def empty(cluster: ApiServer) -> None:
    """Take everything away that a release or a test puts into a cluster."""
    cluster.clear([kind for kind in (*ALL, EVENT) if cluster.serves(kind)])
    for path in RELEASED:
        for item in cluster.request("GET", path + OURS)["items"]:
            remove(cluster, path, item)
    for name in definitions(cluster):
        cluster.request("DELETE", f"{DEFINITIONS}/{name}")
    wait_until("no definition to be left", lambda: definitions(cluster), lambda seen: not seen)
    defined = [kind for kind in ALL if kind.group.endswith(".gke.io")]
    wait_until("none to be served", lambda: [kind for kind in defined if cluster.serves(kind)], lambda seen: not seen)


def remove(cluster: ApiServer, path: str, item: Document) -> None:
    plural = path.rpartition("/")[2]
    root = path.partition("/namespaces/")[0].removesuffix(f"/{plural}")
    namespace = item["metadata"].get("namespace")
    scope = f"/namespaces/{namespace}" if namespace else ""
    cluster.request("DELETE", f"{root}{scope}/{plural}/{item['metadata']['name']}")


def of_the_release(cluster: ApiServer) -> set[tuple[str, str]]:
    """Return what a release has in the cluster, but for the definitions: plural and name."""
    return {
        (path.rpartition("/")[2], item["metadata"]["name"])
        for path in RELEASED
        for item in cluster.request("GET", path + OURS)["items"]
    }


def definitions(cluster: ApiServer) -> dict[str, Document]:
    return {item["metadata"]["name"]: item for item in cluster.request("GET", DEFINITIONS)["items"]}


def create(cluster: ApiServer, kind: Kind[Any, Any], document: Document) -> None:
    place = collection(kind, document["metadata"].get("namespace", ""))
    wait_until(
        f"{kind.name} {document['metadata']['name']} to be taken",
        lambda: cluster.request("POST", place, {"apiVersion": kind.api_version, "kind": kind.name, **document}),
    )


def names(cluster: ApiServer, kind: Kind[Any, Any]) -> set[str]:
    return {item["metadata"]["name"] for item in cluster.request("GET", collection(kind))["items"]}


def objects_of_the_user(cluster: ApiServer) -> dict[str, Any]:
    """Return all that a user says in these objects: neither status nor the server's own accounts."""
    found = {}
    for kind, document in OF_A_USER:
        path = f"{collection(kind, document['metadata'].get('namespace', ''))}/{document['metadata']['name']}"
        there = cluster.request("GET", path)
        meta = {name: there["metadata"].get(name) for name in ("uid", "labels", "annotations", "finalizers")}
        found[path] = {**{name: there.get(name) for name in ("spec", "type", "data")}, "metadata": meta}
    return found


def add_node(cluster: ApiServer, name: str, address: str) -> None:
    create(cluster, NODE, {"metadata": {"name": name}})
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    path = f"/api/v1/nodes/{name}/status"
    cluster.request("PATCH", path, {"status": status}, content_type="application/merge-patch+json")


def lease(cluster: ApiServer, holder: str) -> None:
    """Let a node hold a floating IP."""
    annotations = {"flatbgp.io/address": "10.0.1.100"}
    metadata = {"name": HELD, "namespace": SYSTEM, "annotations": annotations}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600}
    create(cluster, LEASE, {"metadata": metadata, "spec": spec})


def free(cluster: ApiServer) -> None:
    path = f"{collection(LEASE, SYSTEM)}/{HELD}"
    cluster.request("PATCH", path, {"spec": {"holderIdentity": ""}}, content_type="application/merge-patch+json")


def await_route(cluster: ApiServer, node: str) -> None:
    """Wait until a leader gave a node its pod CIDR, and the CIDR its route."""
    wait_until(
        f"a route to {node}",
        lambda: {
            item["spec"]["nodeName"] for item in cluster.request("GET", collection(BGP_ADVERTISED_ROUTE))["items"]
        },
        lambda seen: node in seen,
        deadline=60,
    )


def await_pods(machinery: Machinery, *, other_than: set[str], count: int) -> set[str]:
    """Wait until all Pods are new ones and ready; return their names."""
    wait_until(
        f"{count} new Pods to be ready",
        lambda: {pod.name for pod in list(machinery.pods.values()) if pod.ready},
        lambda seen: len(seen - other_than) == len(machinery.pods) == count,
        deadline=60,
        interval=0.3,
    )
    return set(machinery.pods)


def install(helm: Helm, *more: str, values: Any = None) -> str:
    return helm.run("install", RELEASE, CHART, "--namespace", NAMESPACE, *more, values=values or {})


def upgrade(helm: Helm, values: Any) -> str:
    return helm.run("upgrade", RELEASE, CHART, "--namespace", NAMESPACE, values=values)


@pytest.mark.timeout(300)
def test_s82_from_install_to_uninstall_nothing_is_left_and_nothing_of_a_user_is_touched(
    helm: Helm, cluster: ApiServer, machinery: Machinery
) -> None:
    helm = helm.on(cluster)
    before = of_the_release(cluster)
    printed = install(helm)
    for command in ("flatipmodes -A", "flatipmodes.networking.gke.io", "bgpsessions -A", "bgpadvertisedroutes -A"):
        assert f"kubectl get {command}\n" in printed
    first = await_pods(machinery, other_than=set(), count=2)
    for kind, document in OF_A_USER:
        create(cluster, kind, document)
    add_node(cluster, "node-01", "10.0.1.11")
    await_route(cluster, "node-01")

    upgrade(helm, {"log": {"level": "debug"}})
    second = await_pods(machinery, other_than=first, count=2)
    add_node(cluster, "node-02", "10.0.1.12")
    await_route(cluster, "node-02")

    helm.run("rollback", RELEASE, "1", "--namespace", NAMESPACE)
    await_pods(machinery, other_than=second, count=2)
    add_node(cluster, "node-03", "10.0.1.13")
    await_route(cluster, "node-03")

    said = objects_of_the_user(cluster)
    finalizers = [each["metadata"]["finalizers"] for each in said.values() if each["metadata"]["finalizers"]]
    assert finalizers == [[IN_USE_FINALIZER]]
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)

    assert machinery.pods == {}
    assert of_the_release(cluster) == before == set()
    assert cluster.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"] == []
    assert names(cluster, BGP_ADVERTISED_ROUTE) == names(cluster, BGP_SESSION) == set()
    assert not {name for name in names(cluster, LEASE) if name.startswith(("floatingip-", "flatbgp-"))}
    for each in said.values():
        each["metadata"]["finalizers"] = None
    assert objects_of_the_user(cluster) == said
    assert len(definitions(cluster)) == 6, "a user's object dies with its definition"
    nodes = cluster.request("GET", "/api/v1/nodes")["items"]
    assert {node["spec"]["podCIDR"] for node in nodes} == {"222.2.0.0/24", "222.2.1.0/24", "222.2.2.0/24"}


@pytest.mark.timeout(300)
def test_s82_an_uninstallation_waits_for_the_last_address_and_a_failed_one_can_be_taken_back(
    helm: Helm, cluster: ApiServer, machinery: Machinery
) -> None:
    helm = helm.on(cluster)
    install(helm, values={"uninstall": {"timeout": "15s"}})
    await_pods(machinery, other_than=set(), count=2)
    lease(cluster, "node-01")

    with pytest.raises(Refused, match=r"flatbgp-uninstall"):
        helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert f"still waiting for Leases to be free: {HELD} by node-01" in machinery.log("flatbgp-uninstall")
    assert HELD in names(cluster, LEASE)
    assert machinery.pods == {}

    helm.run("rollback", RELEASE, "1", "--namespace", NAMESPACE)
    await_pods(machinery, other_than=set(), count=2)
    assert ("daemonsets", "flatbgp-speaker") in of_the_release(cluster)
    free(cluster)
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert of_the_release(cluster) == set()
    assert HELD not in names(cluster, LEASE)


@pytest.mark.usefixtures("machinery")
def test_definitions_are_upgraded_with_the_chart_and_adopted_by_a_new_installation(
    helm: Helm, cluster: ApiServer
) -> None:
    helm = helm.on(cluster)
    install(helm, values={"crds": {"admin": False}})
    assert len(definitions(cluster)) == 6
    upgrade(helm, {"crds": {"admin": True}})
    assert len(definitions(cluster)) == 9
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    kept = {name: each["metadata"]["uid"] for name, each in definitions(cluster).items()}
    assert len(kept) == 9
    install(helm)
    assert {name: each["metadata"]["uid"] for name, each in definitions(cluster).items()} == kept


@pytest.mark.usefixtures("machinery")
def test_an_uninstallation_does_not_need_the_definitions(helm4: Helm, cluster: ApiServer) -> None:
    helm = helm4.on(cluster)
    install(helm)
    for name in definitions(cluster):
        cluster.request("DELETE", f"{DEFINITIONS}/{name}")
    wait_until("no definition to be left", lambda: definitions(cluster), lambda seen: not seen)
    helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert of_the_release(cluster) == set()


@pytest.mark.usefixtures("machinery")
def test_definitions_of_somebody_else_are_not_touched(helm: Helm, cluster: ApiServer) -> None:
    helm = helm.on(cluster)
    theirs = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "bgppeers.networking.gke.io", "labels": {"app.kubernetes.io/managed-by": "gke"}},
        "spec": {
            "group": "networking.gke.io",
            "names": {"kind": "BGPPeer", "plural": "bgppeers", "singular": "bgppeer", "listKind": "BGPPeerList"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    made = cluster.request("POST", DEFINITIONS, theirs)
    with pytest.raises(Refused, match=r"bgppeers\.networking\.gke\.io: managed by gke\n[^$]*crds\.install=false"):
        install(helm)
    assert of_the_release(cluster) == set()
    assert definitions(cluster).keys() == {"bgppeers.networking.gke.io"}

    install(helm, values={"crds": {"install": False}})
    assert definitions(cluster)["bgppeers.networking.gke.io"]["spec"] == made["spec"]
    assert definitions(cluster)["bgppeers.networking.gke.io"]["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.usefixtures("machinery")
def test_a_second_release_is_told_who_owns_the_definitions(helm: Helm, cluster: ApiServer) -> None:
    helm = helm.on(cluster)
    install(helm)
    with pytest.raises(Refused, match=f"owned by the Helm release {RELEASE} in namespace {NAMESPACE}"):
        helm.run("install", "another", CHART, "--namespace", NAMESPACE)


@pytest.mark.usefixtures("machinery")
def test_a_namespace_that_is_not_there_is_named_before_anything_is_written(helm: Helm, cluster: ApiServer) -> None:
    helm = helm.on(cluster)
    for values in (
        {"admin": {"enabled": True, "clusterNamespace": "nowhere"}},
        {"adminReader": {"enabled": True, "clusterNamespace": "nowhere"}},
        {"secretNamespace": "nowhere"},
    ):
        with pytest.raises(Refused, match="namespace nowhere does not exist"):
            install(helm, values=values)
    with suppress(Refused):
        helm.run("uninstall", RELEASE, "--namespace", NAMESPACE)
    assert of_the_release(cluster) == set()
    assert definitions(cluster) == {}


def test_a_namespace_for_passwords_is_made_where_a_kubeconfig_lies_in_the_releases_own(helm: Helm) -> None:
    with api_servers() as (server,):
        server.create_namespace()
        helm = helm.on(server)
        install(helm, values=TWO_CLUSTERS)
        made = server.request("GET", f"/api/v1/namespaces/{NAMESPACE}-passwords")
        assert made["metadata"]["annotations"]["meta.helm.sh/release-name"] == RELEASE
        roles = server.request("GET", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}-passwords/roles")
        assert {role["metadata"]["name"] for role in roles["items"]} == {
            "flatbgp-controller-passwords",
            "flatbgp-speaker-passwords",
            "flatbgp-admin-passwords",
        }
