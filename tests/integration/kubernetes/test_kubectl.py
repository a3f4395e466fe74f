"""The guide's troubleshooting section, command by command, with the real kubectl on a real API server."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from resource_samples import Document, sample

from flatbgp.resources import kinds
from flatbgp.resources.codec import encode_status
from flatbgp.resources.crd import DEFINED
from flatbgp.resources.kind import Kind
from flatbgp.resources.networkgatewaygroup import (
    NETWORK_GATEWAY_GROUP,
    FloatingIPStatus,
    NetworkGatewayGroupStatus,
    printed,
)
from flatbgp.resources.reasons import Reason
from flatbgp.store.url import open_store
from support.definitions import collection, install
from support.kubectl import Kubectl, table
from support.kubernetes import ApiServer


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    """A cluster that is admin and user cluster in one, with the objects of the guide's sample output."""
    api_server.create_namespace("cluster-bm")
    install(api_server)
    api_server.clear(DEFINED)
    for name in ("cluster", "mode", "user-mode", "config", "user-config", "group", "peer"):
        document = sample(name)
        if name == "group":
            document["status"] = encode_status(NETWORK_GATEWAY_GROUP, _STATUS)
        put(api_server, document)
    for peer, node, local, state in (
        ("10.0.1.254", "node-01", "10.0.1.100", "Established"),
        ("10.0.1.254", "node-02", "10.0.3.100", "NotEstablished"),
        ("10.0.3.254", "node-01", "10.0.1.100", "NotEstablished"),
        ("10.0.3.254", "node-02", "10.0.3.100", "Established"),
    ):
        put(api_server, session(peer, node, local, state))
    for prefix, hop, node in (
        ("222.2.0.0/24", "222.22.208.240", "node-01"),
        ("222.2.1.0/24", "222.22.209.240", "node-02"),
    ):
        document = sample("route")
        document["metadata"]["name"] = f"route-via-{hop.replace('.', '-')}"
        document["spec"] = {"prefix": prefix, "nextHop": hop, "nodeName": node}
        put(api_server, document)
    yield api_server
    api_server.clear(DEFINED)


_FLOATING_IPS = (
    FloatingIPStatus(ip_address("10.0.1.100"), "node-01", reason=Reason.HELD),
    FloatingIPStatus(ip_address("10.0.3.100"), "node-02", reason=Reason.HELD),
)
_STATUS = NetworkGatewayGroupStatus(_FLOATING_IPS, printed(_FLOATING_IPS))


def session(peer: str, node: str, local: str, state: str) -> Document:
    document = sample("session")
    document["metadata"]["name"] = f"{peer}-{node}"
    document["spec"] |= {"localASN": 65500, "peerASN": 65000, "localIP": local, "peerIP": peer, "nodeName": node}
    document["status"] = {"state": state, "lastReport": (datetime.now(UTC) - timedelta(days=2, hours=17)).isoformat()}
    return document


def put(server: ApiServer, document: Document) -> None:
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    place = collection(kind, document["metadata"].get("namespace", ""))
    server.request("POST", f"{place}?fieldValidation=Strict", document)
    if "status" in document:
        patch = {"status": document["status"]}
        path = f"{place}/{document['metadata']['name']}/status"
        server.request("PATCH", path, patch, content_type="application/merge-patch+json")


@pytest.fixture(scope="module")
def kubectl(server: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(server, tmp_path_factory.mktemp("home"))


def test_step_1_the_mode_on_the_admin_cluster(kubectl: Kubectl) -> None:
    head, row = table(kubectl("get", "flatipmodes", "-A"))
    assert head == ["NAMESPACE", "NAME", "AGE"]
    assert row[:2] == ["cluster-bm", "default"]


def test_step_2_the_mode_on_the_user_cluster(kubectl: Kubectl) -> None:
    head, row = table(kubectl("get", "flatipmodes.networking.gke.io"))
    assert head == ["NAME", "AGE"]
    assert row[0] == "default"


def test_step_3_the_sessions(kubectl: Kubectl) -> None:
    assert table(kubectl("get", "bgpsessions", "-A")) == [
        ["NAMESPACE", "NAME", "LOCAL ASN", "PEER ASN", "LOCAL IP", "PEER IP", "STATE", "LAST REPORT"],
        ["kube-system", "10.0.1.254-node-01", "65500", "65000", "10.0.1.100", "10.0.1.254", "Established", "2d17h"],
        ["kube-system", "10.0.1.254-node-02", "65500", "65000", "10.0.3.100", "10.0.1.254", "NotEstablished", "2d17h"],
        ["kube-system", "10.0.3.254-node-01", "65500", "65000", "10.0.1.100", "10.0.3.254", "NotEstablished", "2d17h"],
        ["kube-system", "10.0.3.254-node-02", "65500", "65000", "10.0.3.100", "10.0.3.254", "Established", "2d17h"],
    ]


def test_step_4_the_routes(kubectl: Kubectl) -> None:
    assert table(kubectl("get", "bgpadvertisedroutes", "-A")) == [
        ["NAMESPACE", "NAME", "PREFIX", "METRIC"],
        ["kube-system", "route-via-222-22-208-240", "222.2.0.0/24", ""],
        ["kube-system", "route-via-222-22-209-240", "222.2.1.0/24", ""],
    ]


def test_the_short_name_of_a_clustercidrconfig(kubectl: Kubectl) -> None:
    head, row = table(kubectl("get", "ccc"))
    assert (head, row[0]) == (["NAME", "AGE"], "cluster-wide-1")


@pytest.mark.parametrize("kind", [kind.full_name for kind in DEFINED])
@pytest.mark.parametrize("form", [[], ["-o", "wide"]], ids=["plain", "wide"])
def test_kubectl_prints_what_flatbgp_prints(kubectl: Kubectl, kind: str, form: list[str]) -> None:
    ours, theirs = (table(kubectl(*words, "get", kind, "-A", *form)) for words in (["flatbgp"], []))
    # Ages may differ by the time between the two.
    ages = {index for index, header in enumerate(ours[0]) if header == "AGE"}
    assert [_without(row, ages) for row in ours] == [_without(row, ages) for row in theirs]


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_flatbgp_prints_the_same_of_the_embedded_store(
    kubectl: Kubectl, server: ApiServer, tmp_path: Path, kind: Kind[Any, Any]
) -> None:
    url = f"sqlite:{tmp_path / 'store.db'}"
    asyncio.run(_copied(url, kind, server.request("GET", collection(kind))["items"]))
    for form in ([], ["-o", "wide"]):
        there, here = (
            table(kubectl("flatbgp", "get", kind.full_name, "-A", *form, *store)) for store in ([], ["--store", url])
        )
        ages = {index for index, header in enumerate(there[0]) if header == "AGE"}
        assert [_without(row, ages) for row in here] == [_without(row, ages) for row in there]


async def _copied(url: str, kind: Kind[Any, Any], items: list[Document]) -> None:
    assert items
    store = open_store(url)
    try:
        for item in items:
            meta = item["metadata"]
            kept = {name: meta[name] for name in ("name", "namespace", "labels") if name in meta}
            document = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": kept, "spec": item["spec"]}
            await store.create(kind, document)
            if "status" in item:
                status = {"status": item["status"]}
                await store.patch(kind, meta["name"], meta.get("namespace", ""), status, subresource="status")
    finally:
        await store.close()


def _without(row: list[str], columns: set[int]) -> list[str]:
    return ["" if index in columns else cell for index, cell in enumerate(row)]


def test_explain_reads_like_documentation(kubectl: Kubectl) -> None:
    text = " ".join(kubectl("explain", "bgppeer.spec").split())
    assert "DESCRIPTION: A router: its address and AS number" in text
    assert "peerIP <string> -required- The router's address, IPv4 or IPv6." in text
    assert "sessions <integer> From how many floating IPs sessions are opened" in text
    assert "Default: 1." in text
    timers = " ".join(kubectl("explain", "bgppeer.spec.timers").split())
    assert "holdTimeSeconds <integer> Silence of the router after which the session ends." in timers


@pytest.mark.parametrize("kind", [f"{kind.plural}.{kind.version}.{kind.group}" for kind in DEFINED])
def test_every_kind_is_explained(kubectl: Kubectl, kind: str) -> None:
    name, _, api_version = kind.partition(".")
    version, _, group = api_version.partition(".")
    text = kubectl("explain", f"{name}.spec", f"--api-version={group}/{version}")
    assert "DESCRIPTION:" in text
    assert "<empty>" not in text


def test_the_guides_manifests_are_applied_by_kubectl(kubectl: Kubectl, server: ApiServer) -> None:
    server.clear(DEFINED)
    example = Path(__file__).parents[3] / "examples" / "dual-stack-flat.yaml"
    kubectl("apply", "-f", str(example))
    assert "unchanged" in kubectl("apply", "-f", str(example))
    assert "bgppeer2" in kubectl("flatbgp", "get", "bgppeers", "-A")


def test_the_plugin_is_called_as_kubectl_calls_it(kubectl: Kubectl) -> None:
    assert kubectl("flatbgp", "get", "--help").startswith("Usage: kubectl flatbgp get ")
