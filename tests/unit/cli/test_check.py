"""``flatbgp check`` on the embedded store (a cluster and a machine: tests/integration)."""

import json


def findings(done):
    return [(each["level"], each["subject"]) for each in json.loads(done.stdout)["findings"]]


def test_an_empty_store_lacks_configuration_and_has_no_problem(run):
    done = run("check", "-o", "json")
    assert done.exit_code == 0
    assert findings(done) == [("warning", "configuration"), ("warning", "nodes")]


def test_the_manifests_of_an_admin_cluster_are_for_another_store(run, guide):
    assert run("apply", "-f", guide).exit_code == 0
    done = run("check")
    assert done.exit_code == 0
    assert "Cluster cluster-bm/bm are for the user cluster" in done.stdout


def test_a_problem_is_a_line_with_its_cure_and_exit_status_1(run):
    mode = {
        "apiVersion": "networking.gke.io/v1alpha1",
        "kind": "FlatIPMode",
        "metadata": {"name": "default"},
        "spec": {"enableBGPIPv4": True, "peerSelector": {"a": "b"}},
    }
    router = {
        "apiVersion": "networking.gke.io/v1",
        "kind": "BGPPeer",
        "metadata": {"name": "router", "namespace": "kube-system"},
        "spec": {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254"},
    }
    group = {
        "apiVersion": "networking.gke.io/v1",
        "kind": "NetworkGatewayGroup",
        "metadata": {"name": "default", "namespace": "kube-system"},
        "spec": {"floatingIPs": ["10.0.1.100"]},
    }
    assert run("apply", "-f", "-", stdin="\n---\n".join(map(json.dumps, (mode, router, group)))).exit_code == 0
    done = run("check")
    assert done.exit_code == 1
    assert (
        "problem  FlatIPMode default: its peerSelector selects no BGPPeer; give those to use its labels\n"
        in done.stdout
    )


def test_wrong_usage(program):
    assert program("check", "--role", "king").returncode == 2
    assert program("check", "-o", "yaml").returncode == 2
    assert program("check", "--gobgp", "nonsense").returncode == 2
