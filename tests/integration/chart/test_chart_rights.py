"""Who may do what, said once more and compared with the chart: a right that is added by mistake fails here.

That no right is missing shows where the roles run with these rights (the tests on Kubernetes, and the chart's life
cycle).
"""

from collections.abc import Iterator
from typing import Final

import pytest

from support.chartvalues import ADMIN_CLUSTER, ONE_CLUSTER, TWO_CLUSTERS
from support.helm import Document, Helm, of_kind

READ: Final = "list watch"
WRITE: Final = "get list watch create patch delete"
EVENTS: Final = "create get patch"

CONTROLLER: Final = f"""
cluster  nodes                                       get list watch patch
cluster  namespaces:kube-system                      get
cluster  clusters.baremetal.cluster.gke.io           {READ}
cluster  flatipmodes.networking.gke.io               {READ}
cluster  flatipmodes/status.networking.gke.io        patch
cluster  clustercidrconfigs.networking.gke.io        get list watch patch
cluster  clustercidrconfigs/status.networking.gke.io patch
kube-system  networkgatewaygroups.networking.gke.io        {READ}
kube-system  networkgatewaygroups/status.networking.gke.io patch
kube-system  bgppeers.networking.gke.io                    {READ}
kube-system  bgppeers/status.networking.gke.io             patch
kube-system  bgpadvertisedroutes.networking.gke.io         {WRITE}
kube-system  bgpsessions.networking.gke.io                 list watch delete
kube-system  bgpsessions/status.networking.gke.io          patch
kube-system  leases.coordination.k8s.io                    list watch create
kube-system  leases:flatbgp-controller.coordination.k8s.io get patch
kube-system  events                                        {EVENTS}
default      events                                        {EVENTS}
PASSWORDS    secrets                                       {READ}
"""
SPEAKER: Final = f"""
cluster  nodes                         get list watch
cluster  namespaces:kube-system        get
cluster  flatipmodes.networking.gke.io {READ}
kube-system  networkgatewaygroups.networking.gke.io {READ}
kube-system  bgppeers.networking.gke.io             {READ}
kube-system  bgpadvertisedroutes.networking.gke.io  {READ}
kube-system  bgpsessions.networking.gke.io          get list watch create patch
kube-system  bgpsessions/status.networking.gke.io   patch
kube-system  leases.coordination.k8s.io             {WRITE}
kube-system  events                                 {EVENTS}
PASSWORDS    secrets                                {READ}
"""
ADMIN: Final = f"""
cluster  namespaces:kube-system               get
cluster  flatipmodes.networking.gke.io        {WRITE}
cluster  clustercidrconfigs.networking.gke.io {WRITE}
kube-system  networkgatewaygroups.networking.gke.io   {WRITE}
kube-system  bgppeers.networking.gke.io               {WRITE}
kube-system  leases.coordination.k8s.io               create
kube-system  leases:flatbgp-admin.coordination.k8s.io get patch
kube-system  events                                   {EVENTS}
default      events                                   {EVENTS}
PASSWORDS    events                                   {EVENTS}
PASSWORDS    secrets                                  {WRITE}
"""
SOURCES: Final = f"""
cluster-bm  clusters.baremetal.cluster.gke.io           {READ}
cluster-bm  flatipmodes.baremetal.cluster.gke.io        {READ}
cluster-bm  clustercidrconfigs.baremetal.cluster.gke.io {READ}
cluster-bm  networkgatewaygroups.networking.gke.io      {READ}
cluster-bm  bgppeers.networking.gke.io                  {READ}
cluster-bm  secrets                                     {READ}
"""
UNINSTALL: Final = """
cluster  namespaces:kube-system               get
cluster  clustercidrconfigs.networking.gke.io get list patch
kube-system  leases.coordination.k8s.io            list delete
kube-system  bgpsessions.networking.gke.io         list delete
kube-system  bgpadvertisedroutes.networking.gke.io list delete
flatbgp-system  deployments.apps                    list
flatbgp-system  deployments:flatbgp-controller.apps delete
flatbgp-system  deployments:flatbgp-admin.apps      delete
flatbgp-system  daemonsets.apps                     list
flatbgp-system  daemonsets:flatbgp-speaker.apps     delete
flatbgp-system  pods                                list
"""
READER: Final = "cluster  namespaces:kube-system get" + SOURCES

Right = tuple[str, str, str]
"""Where ("cluster" for everywhere), what (``plural/part:name.group``), and the verb."""


def expected(table: str, passwords: str) -> set[Right]:
    rows = (line.split() for line in table.replace("PASSWORDS", passwords).splitlines() if line)
    return {(where, what, verb) for where, what, *verbs in rows for verb in verbs}


def granted(objects: list[Document], account: str) -> set[Right]:
    """Return the rights of an account: RBAC only adds."""
    rights: set[Right] = set()
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        if account not in {subject["name"] for subject in binding["subjects"]}:
            continue
        namespace, reference = binding["metadata"].get("namespace"), binding["roleRef"]
        for role in of_kind(objects, reference["kind"]):
            if (role["metadata"]["name"], role["metadata"].get("namespace")) == (reference["name"], namespace):
                rights |= {(namespace or "cluster", what, verb) for what, verb in said(role)}
    return rights


def said(role: Document) -> Iterator[tuple[str, str]]:
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                for name in rule.get("resourceNames", [""]):
                    what = resource + (f":{name}" if name else "") + (f".{group}" if group else "")
                    yield from ((what, verb) for verb in rule["verbs"])


@pytest.mark.parametrize(
    ("values", "passwords", "tables"),
    [
        ({}, "flatbgp-system", {"controller": CONTROLLER, "speaker": SPEAKER, "uninstall": UNINSTALL}),
        (ONE_CLUSTER, "flatbgp-system", {"controller": CONTROLLER, "speaker": SPEAKER, "admin": ADMIN + SOURCES}),
        (
            TWO_CLUSTERS,
            "flatbgp-system-passwords",
            {"controller": CONTROLLER, "speaker": SPEAKER, "admin": ADMIN, "uninstall": UNINSTALL},
        ),
        (ADMIN_CLUSTER, "", {"admin-reader": READER, "controller": "", "speaker": "", "admin": ""}),
    ],
    ids=["one cluster alone", "one cluster as both", "two clusters", "the admin cluster of two"],
)
def test_s80_each_account_has_these_rights_and_no_other(
    helm4: Helm, values: Document, passwords: str, tables: dict[str, str]
) -> None:
    objects = helm4.template(values)
    for component, table in tables.items():
        assert granted(objects, f"flatbgp-{component}") == expected(table, passwords), component
