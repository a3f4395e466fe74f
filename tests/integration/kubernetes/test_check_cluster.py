"""``flatbgp check`` of a cluster: a real API server, and each role with its own identity."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from flatbgp.cli.main import cli
from flatbgp.resources.crd import DEFINED
from support.charted import ONE_CLUSTER, PASSWORDS, Chart
from support.definitions import FILES, apply
from support.kubernetes import ADMIN, CONTROLLER, MIRROR, NAMESPACE, NOBODY, SPEAKER, ApiServer, User, api_servers

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_PODS = "/api/v1/namespaces/kube-system/pods"

Findings = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def bare() -> Iterator[ApiServer]:
    """A cluster in which flatbgp never was."""
    with api_servers() as (server,):
        yield server


@pytest.fixture(scope="module")
def server(bare: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> ApiServer:
    """The same once the chart is installed, with the controller, the speaker and the mirror in one cluster."""
    found = check(bare)
    for kind in DEFINED:
        subject = f"CustomResourceDefinition {kind.full_name}"
        if kind.group == "networking.gke.io":
            assert found[subject][0] == "problem"
            assert "crds.install=true" in found[subject][1]
        else:
            assert subject not in found
    Chart(tmp_path_factory.mktemp("helm")).install(bare, ONE_CLUSTER)
    return bare


def check(server: ApiServer, *options: str, user: User = ADMIN) -> Findings:
    arguments = ("check", "--store", server.url(user), "-o", "json", *options)
    done = CliRunner().invoke(cli, arguments, env={"FLATBGP_STORE": None}, catch_exceptions=False)
    listed: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    found = {each["subject"]: (each["level"], each["message"]) for each in listed}
    assert done.exit_code == int(any(each["level"] == "problem" for each in listed))
    return found


def test_an_installed_chart_leaves_nothing_to_be_said(server: ApiServer) -> None:
    found = check(server)
    assert found["Kubernetes"] == ("ok", f"version {_version(server)}")
    assert found["CustomResourceDefinitions"][0] == "ok"
    assert found["CustomResourceDefinitions"][1].count(",") == len(DEFINED) - 1
    assert found["permissions of the person"][0] == "ok"
    assert found["other allocators of pod CIDRs"][0] == "ok"
    assert {level for level, _ in found.values()} == {"ok", "warning"}


def _version(server: ApiServer) -> str:
    version = server.request("GET", "/version")
    return f"{version['major']}.{version['minor']}"


@pytest.mark.parametrize(
    ("role", "user"),
    [("controller", CONTROLLER), ("speaker", SPEAKER), ("admin", MIRROR)],
    ids=lambda value: str(value)[:8],
)
def test_s80_the_charts_roles_allow_all_that_each_role_needs(server: ApiServer, role: str, user: User) -> None:
    found = check(server, "--role", role, "--secret-namespace", _passwords(server), user=user)
    assert found[f"permissions of the {role}"][0] == "ok", found
    assert {level for level, _ in found.values()} == {"ok", "warning"}


def _passwords(server: ApiServer) -> str:
    """Return the namespace in which the chart lets the roles read Secrets."""
    roles = server.request("GET", "/apis/rbac.authorization.k8s.io/v1/roles")["items"]
    spaces = {
        role["metadata"]["namespace"]
        for role in roles
        if role["metadata"]["name"].endswith("-passwords") and role["metadata"]["name"].startswith("flatbgp")
    }
    assert spaces <= {NAMESPACE, PASSWORDS}
    return spaces.pop()


def test_s80_a_role_without_permissions_is_told_what_it_lacks(server: ApiServer) -> None:
    # Whoever may not even read the namespace kube-system cannot tell one cluster from another.
    found = check(server, "--role", "speaker", user=NOBODY)
    level, message = found["Kubernetes"]
    assert level == "problem"
    assert "kube-system" in message
    level, message = check(server, "--role", "controller", user=SPEAKER)["permissions of the controller"]
    assert level == "problem"
    assert "patch nodes" in message


def test_definitions_of_somebody_else_and_of_another_version_are_told(server: ApiServer) -> None:
    name = "bgppeers.networking.gke.io"
    subject = f"CustomResourceDefinition {name}"
    before = server.request("GET", f"{_DEFINITIONS}/{name}")
    labels = before["metadata"]["labels"]
    merge = "application/merge-patch+json"
    try:
        patch: dict[str, Any] = {"spec": {"names": {"shortNames": None}}, "metadata": {"labels": {"x": "y"}}}
        patch["spec"] = {"versions": [before["spec"]["versions"][0] | {"additionalPrinterColumns": []}]}
        server.request("PATCH", f"{_DEFINITIONS}/{name}", patch, content_type=merge)
        level, message = check(server)[subject]
        assert (level, "another version of flatbgp" in message) == ("warning", True)

        patch = {
            "metadata": {
                "labels": dict.fromkeys(labels),
                "annotations": {"meta.helm.sh/release-name": "theirs"},
            }
        }
        server.request("PATCH", f"{_DEFINITIONS}/{name}", patch, content_type=merge)
        level, message = check(server)[subject]
        assert (level, "theirs" in message, "crds.install=false" in message) == ("warning", True, True)
    finally:
        patch = {"metadata": {"labels": labels, "annotations": {"meta.helm.sh/release-name": None}}}
        patch["spec"] = {"versions": before["spec"]["versions"]}
        server.request("PATCH", f"{_DEFINITIONS}/{name}", patch, content_type=merge)
    assert subject not in check(server)


@pytest.mark.parametrize(("flag", "level"), [("true", "warning"), ("false", "ok")])
def test_a_controller_manager_that_gives_pod_cidrs_is_seen(server: ApiServer, flag: str, level: str) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kube-controller-manager-a", "labels": {"component": "kube-controller-manager"}},
        "spec": {
            "containers": [
                {
                    "name": "kube-controller-manager",
                    "image": "kube-controller-manager",
                    "command": ["kube-controller-manager", f"--allocate-node-cidrs={flag}", "--leader-elect=true"],
                }
            ]
        },
    }
    server.request("POST", _PODS, pod)
    try:
        assert check(server)["other allocators of pod CIDRs"][0] == level
    finally:
        server.request("DELETE", f"{_PODS}/kube-controller-manager-a?gracePeriodSeconds=0")


def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    place = tmp_path / "kubeconfig"
    place.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:9"}}],
                "users": [{"name": "a", "user": {}}],
                "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
                "current-context": "a",
            }
        )
    )
    done = CliRunner().invoke(cli, ("check", "--kubeconfig", str(place)), catch_exceptions=False)
    assert done.exit_code == 1
    assert done.stdout.count("problem") == 2
    assert "cannot be reached" in done.stdout


def test_the_charts_files_are_what_is_compared_with(server: ApiServer) -> None:
    import yaml

    for path in sorted(FILES.glob("crds/*/*.yaml")):
        apply(server, _DEFINITIONS, yaml.safe_load(path.read_text()))
    assert check(server)["CustomResourceDefinitions"][1].count(",") == len(DEFINED) - 1
