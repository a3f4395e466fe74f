"""What the chart makes of values, without a cluster: shapes that the design asks for, and values that are refused."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from flatbgp.cli.main import cli
from support.chartvalues import MATRIX, ONE_CLUSTER, TWO_CLUSTERS
from support.helm import CHART, Document, Helm, Refused, containers, documents, is_hook, named, of_kind, pod_specs


@pytest.fixture(scope="module", params=MATRIX)
def objects(request: pytest.FixtureRequest, helm4: Helm) -> list[Document]:
    """What the chart makes of each set of values; to be read only."""
    return helm4.template(MATRIX[request.param])


def test_s81_helm_finds_nothing_wrong(helm: Helm) -> None:
    for values in MATRIX.values():
        printed = helm.run("lint", CHART, "--strict", values=values)
        assert "WARNING" not in printed
        assert "ERROR" not in printed


@pytest.mark.parametrize("name", MATRIX)
def test_both_helms_make_the_same_objects(name: str, helm4: Helm) -> None:
    assert Helm("3", helm4.home).template(MATRIX[name]) == helm4.template(MATRIX[name])


def test_every_object_has_a_place_and_a_mark(objects: list[Document]) -> None:
    places = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
    assert len(places) == len(set(places))
    for each in objects:
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "flatbgp"
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == "flatbgp"


# --- pods


def test_pods_need_no_pod_network(objects: list[Document]) -> None:
    for name, pod in pod_specs(objects).items():
        assert (pod["hostNetwork"], pod["dnsPolicy"], pod["enableServiceLinks"]) == (True, "Default", False), name
        if name.endswith("-speaker"):
            assert pod["tolerations"] == [{"operator": "Exists"}]
            assert pod["priorityClassName"] == "system-node-critical"
        else:
            tolerated = {each["key"] for each in pod["tolerations"] if each["operator"] == "Exists"}
            assert tolerated >= {
                "node.kubernetes.io/not-ready",
                "node.kubernetes.io/network-unavailable",
                "node.cloudprovider.kubernetes.io/uninitialized",
            }
            assert pod["priorityClassName"] == "system-cluster-critical"


def test_s84_containers_have_no_power_but_the_speakers_two_capabilities(objects: list[Document]) -> None:
    for pod in pod_specs(objects).values():
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            context = {**pod["securityContext"], **container["securityContext"]}
            assert context["readOnlyRootFilesystem"]
            assert not context["allowPrivilegeEscalation"]
            assert not context.get("privileged")
            assert context["capabilities"]["drop"] == ["ALL"]
            added = context["capabilities"].get("add", [])
            if container["name"] == "speaker":
                assert added == ["NET_ADMIN", "NET_RAW"]
            else:
                assert added == []
                assert context["runAsNonRoot"]
                assert context["runAsUser"] > 0


def test_containers_say_what_they_need(objects: list[Document]) -> None:
    for pod in pod_specs(objects).values():
        for container in containers(pod):
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys()
            assert "memory" in resources["limits"]
            assert "cpu" not in resources["limits"], "a throttled role renews too late"


def test_long_lived_containers_are_asked_for_their_health(objects: list[Document]) -> None:
    for name, pod in pod_specs(objects).items():
        for container in containers(pod):
            if name.endswith("-uninstall"):
                continue
            assert "livenessProbe" in container
            assert "startupProbe" in container
            assert "preStop" not in container.get("lifecycle", {})
            if container["name"] == "gobgpd":
                command = container["livenessProbe"]["exec"]["command"]
                assert command[:3] == ["gobgp", "--target", "unix:///run/flatbgp/gobgpd.sock"]
            else:
                (health,) = (port for port in container["ports"] if port["name"] == "health")
                probe = container["readinessProbe"]["httpGet"]
                assert probe == {"host": "127.0.0.1", "port": health["containerPort"], "path": "/readyz"}
                assert f"--health-bind=127.0.0.1:{health['containerPort']}" in container["args"]
                assert health["hostIP"] == "127.0.0.1"


def test_s77_gobgpd_is_a_sidecar_that_ends_last_and_listens_on_a_socket_of_the_pod(helm4: Helm) -> None:
    pod = named(helm4.template(), "DaemonSet", "flatbgp-speaker")["spec"]["template"]["spec"]
    (gobgpd,) = pod["initContainers"]
    (speaker,) = pod["containers"]
    assert gobgpd["restartPolicy"] == "Always"
    assert gobgpd["command"] + gobgpd["args"] == ["flatbgp", "gobgpd", "--gobgp=unix:///run/flatbgp/gobgpd.sock"]
    assert "ports" not in gobgpd
    assert "--gobgp=unix:///run/flatbgp/gobgpd.sock" in speaker["args"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounted = {each["name"]: {mount["name"] for mount in each["volumeMounts"]} for each in (gobgpd, speaker)}
    assert mounted == {"gobgpd": {"gobgp"}, "speaker": {"gobgp", "state", "machine-id"}}
    assert volumes["gobgp"]["emptyDir"] == {}
    assert volumes["state"]["hostPath"]["path"] == "/var/lib/flatbgp"


def test_only_metrics_open_a_port_to_others(helm4: Helm) -> None:
    for values, expected in (({}, set()), ({"metrics": {"enabled": True}}, {9471, 9472})):
        opened = {
            port["containerPort"]
            for pod in pod_specs(helm4.template(values)).values()
            for container in containers(pod)
            for port in container.get("ports", ())
            if port.get("hostIP") != "127.0.0.1"
        }
        assert opened == expected


def test_the_api_servers_address_reaches_every_pod(helm4: Helm) -> None:
    values = {**ONE_CLUSTER, "apiServer": {"host": "2001:db8::1", "port": 443}}
    for name, pod in pod_specs(helm4.template(values)).items():
        environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
        assert environment["KUBERNETES_SERVICE_HOST"] == "2001:db8::1", name
        assert environment["KUBERNETES_SERVICE_PORT"] == "443"


def test_gateways_are_chosen_by_their_labels(helm4: Helm) -> None:
    def selector(values: Any) -> Any:
        return named(helm4.template(values), "DaemonSet", "flatbgp-speaker")["spec"]["template"]["spec"]["nodeSelector"]

    assert selector({}) == {"kubernetes.io/os": "linux"}
    labelled = {"gateways": {"nodeSelector": {"gateway": "yes"}}}
    assert selector(labelled) == {"kubernetes.io/os": "linux", "gateway": "yes"}


def test_every_option_is_one_that_the_program_has(objects: list[Document]) -> None:
    for pod in pod_specs(objects).values():
        for container in containers(pod):
            program, command = container["command"]
            assert program == "flatbgp"
            shown = CliRunner().invoke(cli, [command, "--help"]).output
            for argument in container["args"]:
                option = argument.partition("=")[0]
                assert re.search(rf"{option}\b", shown), f"{command} has no {option}"


def test_the_commands_of_the_operations_page_work(helm4: Helm) -> None:
    page = (CHART.parents[1] / "docs" / "operations.md").read_text().replace("\\\n", " ")
    commands = re.findall(r"(?m)^helm (install|upgrade) flatbgp charts/flatbgp (.*)$", page)
    assert len(commands) == 5
    for _, options in commands:
        settings = re.findall(r"--set ([^ ]+)", options.replace("REGISTRY", "images.example.com"))
        values = [part for setting in settings for part in ("--set", setting)]
        assert helm4.template({}, *values)


# --- what an upgrade must not change


SELECTORS = {
    "flatbgp-controller": "controller",
    "flatbgp-speaker": "speaker",
    "flatbgp-admin": "admin",
}


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "1.0.0-rc.1+build"])
def test_selectors_are_what_they_always_were(version: str, tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / "flatbgp")
    manifest = chart / "Chart.yaml"
    manifest.write_text(re.sub(r"(?m)^(version|appVersion): .*", rf"\1: {version}", manifest.read_text()))
    helm = Helm("4", tmp_path)
    printed = helm.run("template", "flatbgp", chart, "--namespace", "other", values=ONE_CLUSTER)
    made = documents(printed)
    for name, component in SELECTORS.items():
        (maker,) = (each for each in of_kind(made, "Deployment", "DaemonSet") if each["metadata"]["name"] == name)
        labels = {
            "app.kubernetes.io/name": "flatbgp",
            "app.kubernetes.io/instance": "flatbgp",
            "app.kubernetes.io/component": component,
        }
        assert maker["spec"]["selector"] == {"matchLabels": labels}
        assert maker["spec"]["template"]["metadata"]["labels"] == labels


# --- definitions


def test_definitions_are_kept_and_else_as_they_were_made(helm4: Helm) -> None:
    made = {each["metadata"]["name"]: each for each in of_kind(helm4.template(ONE_CLUSTER), "CustomResourceDefinition")}
    files = {path.stem: yaml.safe_load(path.read_text()) for path in CHART.glob("files/crds/*/*.yaml")}
    assert made.keys() == files.keys()
    for name, document in made.items():
        assert document["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert document["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
        assert document["spec"] == files[name]["spec"]


@pytest.mark.parametrize(
    ("values", "groups"),
    [
        ({}, {"networking.gke.io"}),
        (ONE_CLUSTER, {"networking.gke.io", "baremetal.cluster.gke.io"}),
        (TWO_CLUSTERS, {"networking.gke.io"}),
        ({**ONE_CLUSTER, "crds": {"admin": False}}, {"networking.gke.io"}),
        ({"crds": {"admin": True}}, {"networking.gke.io", "baremetal.cluster.gke.io"}),
        ({"crds": {"install": False, "admin": True}}, set()),
    ],
)
def test_definitions_of_the_admin_cluster_come_only_where_it_is(helm4: Helm, values: Any, groups: set[str]) -> None:
    made = of_kind(helm4.template(values), "CustomResourceDefinition")
    assert {each["spec"]["group"] for each in made} == groups


# --- rights


def rules(objects: list[Document]) -> Iterator[tuple[Document, Document]]:
    for role in of_kind(objects, "Role", "ClusterRole"):
        for rule in role["rules"]:
            yield role, rule


def test_s80_no_right_is_for_everything(objects: list[Document]) -> None:
    for role, rule in rules(objects):
        for part in ("apiGroups", "resources", "verbs"):
            assert rule[part], role["metadata"]["name"]
            assert "*" not in rule[part], role["metadata"]["name"]
        assert "nonResourceURLs" not in rule
        assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


@pytest.mark.parametrize("name", MATRIX)
def test_s80_secrets_are_readable_in_one_namespace_and_no_kubeconfig_lies_there(helm4: Helm, name: str) -> None:
    made = helm4.template(MATRIX[name])
    readable = {
        (subject["name"], role["metadata"].get("namespace"))
        for role, rule in rules(made)
        if "secrets" in rule["resources"]
        for binding in of_kind(made, f"{role['kind']}Binding")
        if binding["roleRef"]["name"] == role["metadata"]["name"]
        and binding["metadata"].get("namespace") == role["metadata"].get("namespace")
        for subject in binding["subjects"]
    }
    expected = {
        "default": {("flatbgp-controller", "flatbgp-system"), ("flatbgp-speaker", "flatbgp-system")},
        "one cluster": {
            ("flatbgp-controller", "flatbgp-system"),
            ("flatbgp-speaker", "flatbgp-system"),
            ("flatbgp-admin", "flatbgp-system"),
            ("flatbgp-admin", "cluster-bm"),
        },
        "two clusters": {
            ("flatbgp-controller", "flatbgp-system-passwords"),
            ("flatbgp-speaker", "flatbgp-system-passwords"),
            ("flatbgp-admin", "flatbgp-system-passwords"),
        },
        "admin cluster": {("flatbgp-admin-reader", "cluster-bm")},
        "everything": {("net-controller", "passwords"), ("net-speaker", "passwords"), ("net-admin", "passwords")},
        "least": {("flatbgp-controller", "flatbgp-system"), ("flatbgp-speaker", "flatbgp-system")},
    }
    assert readable == expected[name]


def test_every_role_is_bound_to_one_account_of_the_release(objects: list[Document]) -> None:
    accounts = {each["metadata"]["name"] for each in of_kind(objects, "ServiceAccount")}
    bound = set()
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        kind, reference = binding["kind"].removesuffix("Binding"), binding["roleRef"]
        assert reference["kind"] == kind
        named(objects, kind, reference["name"], binding["metadata"].get("namespace"))
        (subject,) = binding["subjects"]
        assert subject["name"] in accounts
        assert subject["namespace"] == "flatbgp-system"
        bound.add((kind, reference["name"], binding["metadata"].get("namespace")))
    aggregated = {role["metadata"]["name"] for role in of_kind(objects, "ClusterRole") if "aggregate-to" in str(role)}
    for role in of_kind(objects, "Role", "ClusterRole"):
        if role["metadata"]["name"] not in aggregated:
            assert (role["kind"], role["metadata"]["name"], role["metadata"].get("namespace")) in bound


def test_only_an_uninstallation_may_end_pods(objects: list[Document]) -> None:
    for role, rule in rules(objects):
        if {"deployments", "daemonsets", "pods"} & set(rule["resources"]):
            assert is_hook(role)


# --- values


BAD_VALUES: dict[str, tuple[Any, str]] = {
    "a name that is not there": ({"replicas": 2}, "replicas"),
    "a typo below": ({"controller": {"replcas": 2}}, "replcas"),
    "a typo far below": ({"speaker": {"resources": {"limits": {"memroy": "1Gi"}}}}, "memroy"),
    "a typo in a toleration": ({"gateways": {"tolerations": [{"opertor": "Exists"}]}}, "opertor"),
    "a number as text": ({"controller": {"replicas": "2"}}, "replicas"),
    "a switch as text": ({"admin": {"enabled": "true"}}, "enabled"),
    "no replica": ({"controller": {"replicas": 0}}, "replicas"),
    "a URL": ({"apiServer": {"host": "https://10.0.0.1"}}, "host"),
    "a port that needs power": ({"speaker": {"healthPort": 80}}, "healthPort"),
    "no unit": ({"lease": {"renewInterval": "1"}}, "renewInterval"),
    "a part of a second": ({"lease": {"duration": "2.5s"}}, "duration"),
    "nothing": ({"reportInterval": "0s"}, "reportInterval"),
    "a level of another program": ({"log": {"level": "trace"}}, "level"),
    "an interface that cannot be": ({"speaker": {"interface": "a-very-long-interface"}}, "interface"),
    "a relative path": ({"speaker": {"stateDir": "var/lib"}}, "stateDir"),
    "a path out": ({"speaker": {"stateDir": "/var/../etc"}}, "stateDir"),
    "where copies go": ({"admin": {"enabled": True, "clusterNamespace": "kube-system"}}, "clusterNamespace"),
    "a namespace that cannot be": ({"secretNamespace": "Upper"}, "secretNamespace"),
    "no digest": ({"image": {"digest": "latest"}}, "digest"),
    "a quantity with a blank": ({"gobgpd": {"resources": {"limits": {"memory": "1 Gi"}}}}, "memory"),
    "both clusters in one, without its namespace": ({"admin": {"enabled": True}}, "admin.clusterNamespace"),
    "a reader of nothing": ({"adminReader": {"enabled": True}}, "adminReader.clusterNamespace"),
    "a monitor of nothing": ({"metrics": {"podMonitor": {"enabled": True}}}, "metrics.enabled"),
    "two roles on one port": ({"controller": {"healthPort": 9462}}, "healthPort"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_s81_values_that_cannot_be_meant_are_refused_by_name(helm: Helm, name: str) -> None:
    values, mentioned = BAD_VALUES[name]
    with pytest.raises(Refused, match=mentioned):
        helm.template(values)


def test_the_schema_knows_every_value_and_no_other() -> None:
    def names(value: Any, path: str = "") -> Iterator[str]:
        for name, inner in value.items():
            yield f"{path}{name}"
            if isinstance(inner, dict) and name not in OPEN:
                yield from names(inner, f"{path}{name}.")

    def known(schema: Any, path: str = "") -> Iterator[str]:
        assert schema["additionalProperties"] is False, path
        for name, inner in schema["properties"].items():
            if path or name != "global":
                yield f"{path}{name}"
            if "properties" in inner and name not in OPEN:
                yield from known(inner, f"{path}{name}.")

    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(names(yaml.safe_load((CHART / "values.yaml").read_text()))) == set(known(schema))


OPEN = {"resources", "nodeSelector", "affinity", "labels"}
"""Values that Kubernetes, and not the chart, gives their shape."""


def test_every_value_has_its_comment() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    depths: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        found = re.match(r"( *)([A-Za-z]\w*):(.*)", line)
        if found is None or any(name in OPEN | {"tolerations"} for _, name in depths if len(found[1]) > _):
            continue
        depths = [(depth, name) for depth, name in depths if depth < len(found[1])] + [(len(found[1]), found[2])]
        if not found[3].strip() and found[2] not in OPEN | {"tolerations"}:
            continue  # a group: its values have theirs
        above = number - 1
        while lines[above].lstrip().startswith("#") and not lines[above].lstrip().startswith("# --"):
            above -= 1
        assert lines[above].lstrip().startswith("# --"), f"values.yaml:{number + 1}: {found[2]} says nothing of itself"
