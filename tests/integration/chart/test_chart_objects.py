"""What the chart makes, shown to a real API server: every object is one that it would take as it is."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pytest

from flatbgp.lab.waiting import wait_until
from support.chartvalues import MATRIX
from support.helm import Document, Helm
from support.kubernetes import ApiServer

_INTERVAL: Final = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}


def _strict(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _monitor(kind: str, endpoints: str) -> Document:
    """Return the part of the Prometheus operator's definition that the chart fills; what is beside it is refused."""
    plural = f"{kind.lower()}s"
    endpoint = _strict(port={"type": "string"}, path={"type": "string"}, interval=_INTERVAL)
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    spec = _strict(
        jobLabel={"type": "string"},
        selector=_strict(matchLabels=labels),
        **{endpoints: {"type": "array", "items": endpoint}},
    )
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _strict(spec={**spec, "required": ["selector", endpoints]})},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


MONITORS: Final = (_monitor("ServiceMonitor", "endpoints"), _monitor("PodMonitor", "podMetricsEndpoints"))


@pytest.fixture(scope="module")
def taker(cluster: ApiServer) -> Iterator[ApiServer]:
    """A cluster that knows all kinds, and has all namespaces that values name."""
    for name in ("cluster-bm", "passwords", "flatbgp-system-passwords"):
        cluster.create_namespace(name)
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for monitor in MONITORS:
        cluster.request("POST", definitions, monitor)
        collection = f"/apis/monitoring.coreos.com/v1/{monitor['spec']['names']['plural']}"
        wait_until(f"{collection} is served", lambda path=collection: cluster.request("GET", path))
    yield cluster
    for monitor in MONITORS:
        cluster.request("DELETE", f"{definitions}/{monitor['metadata']['name']}")


def path_of(cluster: ApiServer, document: Document) -> str:
    """Return where an object is, by the server's own discovery."""
    version = document["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    (resource,) = (
        each
        for each in cluster.request("GET", root)["resources"]
        if each["kind"] == document["kind"] and "/" not in each["name"]
    )
    assert resource["namespaced"] == ("namespace" in document["metadata"]), document["metadata"]["name"]
    scope = f"/namespaces/{document['metadata']['namespace']}" if resource["namespaced"] else ""
    return f"{root}{scope}/{resource['name']}/{quote(document['metadata']['name'])}"


@pytest.mark.parametrize("name", MATRIX)
def test_s81_the_api_server_takes_every_object_as_it_is(taker: ApiServer, helm4: Helm, name: str) -> None:
    query = "?dryRun=All&fieldManager=test&force=true&fieldValidation=Strict"
    for document in helm4.template(MATRIX[name]):
        path = path_of(taker, document)
        taken = taker.request("PATCH", path + query, document, content_type="application/apply-patch+yaml")
        assert taken["metadata"]["name"] == document["metadata"]["name"]
