"""``delete``: at once, by name or by file."""

import pytest

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG


def test_by_kind_and_name(run, guide):
    run("apply", "-f", guide)
    deleted = run("delete", "bgppeer", "bgppeer1", "-n", "cluster-bm")
    assert (deleted.exit_code, deleted.stderr) == (0, "")
    assert deleted.stdout == 'bgppeer.networking.gke.io "bgppeer1" deleted from cluster-bm namespace\n'
    again = run("delete", "bgppeer", "bgppeer1", "-n", "cluster-bm")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == 'error: bgppeers.networking.gke.io "bgppeer1" not found in namespace cluster-bm\n'


def test_of_a_kind_without_namespaces(run, examples):
    run("apply", "-f", str(examples / "nodes.yaml"))
    assert run("delete", "node", "node-01").stdout == 'node "node-01" deleted\n'


def test_by_file_deletes_the_rest_when_one_is_missing(run, on_store, guide):
    run("apply", "-f", guide)
    run("delete", "bgppeer", "bgppeer1", "-n", "cluster-bm")
    deleted = run("delete", "-f", guide)
    assert deleted.exit_code == 1
    assert len(deleted.stdout.splitlines()) == 5
    assert deleted.stderr == 'error: bgppeers.networking.gke.io "bgppeer1" not found in namespace cluster-bm\n'
    assert on_store(lambda store: store.list(BGP_PEER)).items == ()


def test_a_file_that_passes_the_checks_no_longer_can_still_be_deleted(run, on_store, examples):
    text = (examples / "single-stack-ipv4.yaml").read_text()
    run("apply", "-f", "-", stdin=text)
    assert run("delete", "-f", "-", stdin=text.replace("65001", "frob")).exit_code == 0
    assert on_store(lambda store: store.list(BGP_PEER)).items == ()


def test_what_a_finalizer_holds_is_terminating(run, on_store):
    config = {
        "metadata": {"name": "used", "finalizers": ["flatbgp.io/in-use"]},
        "spec": {"ipv4": {"cidr": "10.2.0.0/16", "perNodeMaskSize": 24}},
    }
    on_store(lambda store: store.create(CLUSTER_CIDR_CONFIG, config))
    for _ in range(2):
        deleted = run("delete", "ccc", "used")
        assert deleted.exit_code == 0
        assert deleted.stdout == ('clustercidrconfig.networking.gke.io "used" terminating, held by flatbgp.io/in-use\n')
    assert "terminating, held by flatbgp.io/in-use" in run("describe", "ccc", "used").stdout


@pytest.mark.parametrize(
    "arguments",
    [[], ["bgppeers"], ["bgppeers", "x", "-f", "y"], ["-f", "y", "bgppeers"], ["frob", "x"]],
)
def test_anything_else_is_wrong_usage(run, arguments):
    refused = run("delete", *arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""


def test_a_document_without_a_name_deletes_nothing(run, on_store, examples):
    text = (examples / "single-stack-ipv4.yaml").read_text()
    run("apply", "-f", "-", stdin=text)
    nameless = "---\napiVersion: networking.gke.io/v1\nkind: BGPPeer\n"
    refused = run("delete", "-f", "-", stdin=text + nameless)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "-: document 7: BGPPeer has no metadata.name\n"
    assert len(on_store(lambda store: store.list(BGP_PEER)).items) == 2
