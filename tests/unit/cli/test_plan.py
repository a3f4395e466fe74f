"""``plan``: sentences with costs, and nothing else happens."""

import json

import pytest

from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.lease import LEASE

USER_CLUSTER = """\
apiVersion: networking.gke.io/v1alpha1
kind: FlatIPMode
metadata: {name: default}
spec: {enableBGPIPv4: true, peerSelector: {flatip-peer: "true"}}
---
apiVersion: networking.gke.io/v1
kind: NetworkGatewayGroup
metadata: {name: default, namespace: kube-system}
spec: {floatingIPs: [10.0.1.100]}
---
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: router, namespace: kube-system, labels: {flatip-peer: "true"}}
spec: {localASN: 65001, peerASN: 65000, peerIP: 10.0.1.254}
---
apiVersion: v1
kind: Node
metadata: {name: node-01}
spec: {podCIDRs: [222.2.0.0/24]}
status: {addresses: [{type: InternalIP, address: 10.0.1.11}]}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata:
  name: floatingip-10-0-1-100
  namespace: kube-system
  annotations: {flatbgp.io/address: 10.0.1.100, flatbgp.io/subnet: 10.0.1.0/24}
spec: {holderIdentity: node-01, leaseDurationSeconds: 5}
"""


@pytest.fixture
def settled(run, on_store) -> str:
    """A user cluster on which everything has been done."""
    assert run("apply", "-f", "-", stdin=USER_CLUSTER).exit_code == 0

    async def finish(store):
        route = {"prefix": "222.2.0.0/24", "nextHop": "10.0.1.11", "nodeName": "node-01"}
        name = "route-via-10-0-1-11"
        await store.create(
            BGP_ADVERTISED_ROUTE, {"metadata": {"name": name, "namespace": "kube-system"}, "spec": route}
        )
        session = {
            "localASN": 65001,
            "peerASN": 65000,
            "localIP": "10.0.1.100",
            "peerIP": "10.0.1.254",
            "nodeName": "node-01",
            "peer": "router",
        }
        name = "10.0.1.254-node-01"
        await store.create(BGP_SESSION, {"metadata": {"name": name, "namespace": "kube-system"}, "spec": session})
        status = {"status": {"state": "Established"}}
        await store.patch(BGP_SESSION, name, "kube-system", status, subresource="status")

    on_store(finish)
    return USER_CLUSTER


def costs(run, text: str) -> dict[str, str]:
    planned = run("plan", "-f", "-", "-o", "json", stdin=text)
    assert planned.exit_code == 0, planned.stderr
    return {action["about"]: action["cost"] for action in json.loads(planned.stdout)["actions"]}


def test_where_all_is_done_nothing_would_change(run, settled):
    assert run("plan").stdout == "Nothing would change.\n"
    assert run("plan", "-f", "-", stdin=settled).stdout == "Nothing would change.\n"
    assert json.loads(run("plan", "-o", "json").stdout) == {"actions": [], "cost": "none", "notes": []}


def test_each_action_is_a_sentence_with_its_cost(run, settled):
    planned = run("plan", "-f", "-", stdin=settled.replace("peerASN: 65000", "peerASN: 65009"))
    assert (planned.exit_code, planned.stderr) == (0, "")
    session = "the session with 10.0.1.254 from 10.0.1.100 on node-01"
    assert planned.stdout.splitlines() == [
        "Change spec.peerASN of BGPPeer kube-system/router. [none]",
        f"Change peer ASN of {session}, by a session reset. [session reset]",
    ]


def test_what_costs_what(run, settled):
    assert costs(run, settled.replace("65000,", "65000, med: 5,"))["session"] == "route update"
    assert costs(run, settled.replace("65000,", "65000, prefixLimit: 5,"))["session"] == "none"
    assert costs(run, settled.replace("localASN: 65001", "localASN: 65002"))["session"] == "session reset"
    assert costs(run, settled.replace("enableBGPIPv4: true", "enableBGPIPv4: false"))["route"] == "route update"
    assert costs(run, settled.replace('{flatip-peer: "true"}}\nspec', "{}}\nspec"))["session"] == "session reset"


def test_the_whole_costs_what_its_dearest_action_costs(run, settled):
    text = settled.replace("peerASN: 65000", "peerASN: 65009, med: 5")
    assert json.loads(run("plan", "-f", "-", "-o", "json", stdin=text).stdout)["cost"] == "session reset"


def test_the_guides_manifests_on_an_empty_store(run, guide, examples):
    planned = run("plan", "-f", guide, "-f", str(examples / "nodes.yaml"))
    assert planned.exit_code == 0
    lines = planned.stdout.splitlines()
    assert "Create BGPPeer cluster-bm/bgppeer1. [none]" in lines
    assert "Give Node node-01 222.2.0.0/24 of ClusterCIDRConfig cluster-wide-1. [none]" in lines
    assert "Announce 222.2.0.0/24 via 10.0.1.11 (node-01) on every session. [route update]" in lines
    assert sum(line.startswith("Open a session with ") for line in lines) == 4


def test_nothing_is_changed_and_no_store_is_made(run, on_store, settled, guide, tmp_path):
    before = on_store(lambda store: store.list(LEASE)).version
    run("plan", "-f", "-", stdin=settled.replace("65000", "65009"))
    assert on_store(lambda store: store.list(LEASE)).version == before
    run("plan", "-f", guide, store=f"sqlite:{tmp_path / 'other.db'}")
    assert not (tmp_path / "other.db").exists()


def test_a_bad_file_is_refused_as_by_apply(run, settled):
    text = settled.replace("localASN: 65001", "localASN: 0")
    planned, applied = run("plan", "-f", "-", stdin=text), run("apply", "-f", "-", stdin=text)
    assert (planned.exit_code, planned.stdout) == (1, "")
    assert planned.stderr == applied.stderr


def test_a_label_that_a_manifest_no_longer_has_goes_in_the_plan_too(run, settled):
    """As with apply: the router loses the label that selects it, and so its session."""
    text = settled.replace(', labels: {flatip-peer: "true"}', "")
    assert costs(run, text) == {"object": "none", "session": "session reset"}


def test_s41_a_manifest_of_the_admin_cluster_is_checked_beside_what_the_copies_tell_of_it(run, settled):
    copies = settled.replace("metadata: {name: default}", "metadata: {name: default, labels: {MARK}}")
    copies = copies.replace("labels: {flatip", "labels: {MARK, flatip").replace("MARK", "flatbgp.io/mirrored-from: bm")
    assert run("apply", "-f", "-", stdin=copies).exit_code == 0
    manifest = """\
apiVersion: baremetal.cluster.gke.io/v1alpha1
kind: FlatIPMode
metadata: {name: default, namespace: bm}
spec: {enableBGPIPv4: true, peerSelector: {flatip-peer: "SELECTED"}}
"""
    assert run("plan", "-f", "-", stdin=manifest.replace("SELECTED", "true")).stderr == ""
    assert "matches no BGPPeer (1 without these labels)" in run("plan", "-f", "-", stdin=manifest).stderr
