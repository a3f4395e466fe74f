"""The README's section "Install into a cluster", command by command, by somebody who has a cluster and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.cluster import example
from support.helm import Helm
from support.kubectl import Kubectl, table
from support.kubernetes import ApiServer, api_servers
from support.releasedcluster import FLOATING, ReleasedCluster
from support.sandbox import Sandbox

CHECKOUT = Path(__file__).parents[3]
EXAMPLE = CHECKOUT / "examples" / "single-stack-ipv4.yaml"
NAMESPACE = "flatbgp-system"


class FirstCluster(ReleasedCluster):
    """Its user applies the guide's manifests with kubectl; its kubelets register what they run on."""

    kubectl: Kubectl

    def apply_manifests(self) -> None:
        self.kubectl("apply", "-f", EXAMPLE)
        for node in self.topology.nodes:
            self.join(node.name, [str(each.ip) for each in node.addresses])


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with api_servers() as (server,):
        yield server


def rows(text: str) -> list[list[str]]:
    """Return a table's rows without the time that has passed, which is the last column of some."""
    head, *body = table(text)
    return [row[:-1] if head[-1] in {"AGE", "LAST REPORT"} else row for row in body]


@pytest.mark.timeout(400)
def test_the_readmes_way_into_a_cluster_and_out_again(
    helm4: Helm, server: ApiServer, sandbox: Sandbox, tmp_path: Path
) -> None:
    kubectl, helm = Kubectl(server, tmp_path), helm4.on(server)
    cluster = FirstCluster(sandbox, example("single-stack-ipv4"), server, server)
    cluster.kubectl = kubectl

    kubectl("create", "namespace", NAMESPACE)
    kubectl("label", "namespace", NAMESPACE, "pod-security.kubernetes.io/enforce=privileged")
    kubectl("create", "namespace", "cluster-bm")
    chosen = ("--set", "admin.enabled=true", "--set", "admin.clusterNamespace=cluster-bm")
    image = ("--set", "image.repository=images.example.com/flatbgp")
    helm.run("install", "flatbgp", CHECKOUT / "charts" / "flatbgp", "-n", NAMESPACE, *image, *chosen)
    cluster.start(deadline=90)
    cluster.await_sessions(deadline=90)
    cluster.await_routes(Family.IPV4, deadline=30)

    assert rows(kubectl("get", "flatipmodes", "-A")) == [["cluster-bm", "default"]]
    assert rows(kubectl("get", "flatipmodes.networking.gke.io")) == [["default"]]
    sessions = wait_until(
        "all sessions to be said to be Established",
        lambda: rows(kubectl("get", "bgpsessions", "-A")),
        lambda seen: [row[-1] for row in seen] == ["Established"] * 4,
        deadline=30,
        interval=0.5,
    )
    assert {tuple(row[2:]) for row in sessions} == {
        ("65001", "65002", local, peer, "Established") for local in FLOATING for peer in ("10.0.1.254", "10.0.3.254")
    }
    assert rows(kubectl("get", "bgpadvertisedroutes", "-A")) == [
        ["kube-system", "route-via-10-0-1-11", "222.2.0.0/24", ""],
        ["kube-system", "route-via-10-0-1-13", "222.2.2.0/24", ""],
        ["kube-system", "route-via-10-0-3-12", "222.2.1.0/24", ""],
    ]

    asn = ("get", "bgppeers", "bgppeer1", "-n", "kube-system", "-o", "jsonpath={.spec.peerASN}")
    was = kubectl(*asn)
    kubectl("patch", "bgppeers", "bgppeer1", "-n", "kube-system", "--type=merge", "-p", '{"spec":{"peerASN":65999}}')
    wait_until("the edit to be put back", lambda: kubectl(*asn), lambda seen: seen == was, deadline=20)
    cluster.await_sessions(deadline=60)

    written = kubectl("get", "clusters,bgppeers,networkgatewaygroups", "-n", "cluster-bm", "-o", "name")
    helm.run("uninstall", "flatbgp", "-n", NAMESPACE)
    assert set.union(*cluster.floating().values()) == set()
    assert cluster.machinery.pods == {}
    left = kubectl("get", "bgpsessions,bgpadvertisedroutes,leases", "-A", "-o", "name").split()
    assert [name for name in left if not name.startswith("lease.coordination.k8s.io/apiserver-")] == []
    kinds = "clusterroles,clusterrolebindings,validatingadmissionpolicies,deployments,daemonsets,jobs,pods"
    assert kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/part-of=flatbgp", "-o", "name") == ""
    assert kubectl("get", "clusters,bgppeers,networkgatewaygroups", "-n", "cluster-bm", "-o", "name") == written
