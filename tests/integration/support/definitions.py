"""The chart's CustomResourceDefinitions and admission policy, put into a test's API server as they lie in the chart."""

from pathlib import Path
from typing import Any, Final

import yaml

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.kind import Kind
from support.kubernetes import ApiError, ApiServer

FILES: Final = Path(__file__).parents[3] / "charts" / "flatbgp" / "files"

DEADLINE_SECONDS: Final = 60.0

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_POLICIES: Final = "/apis/admissionregistration.k8s.io/v1"


def install(server: ApiServer, *, admin: bool = True) -> None:
    """Put them in, and return when they are served and in force; ``admin`` adds the group of admin clusters."""
    for path in sorted(FILES.glob("crds/user/*.yaml")) + (sorted(FILES.glob("crds/admin/*.yaml")) if admin else []):
        for document in yaml.safe_load_all(path.read_text()):
            apply(server, _DEFINITIONS, document)
            wait_until(
                f"{path.name} is served", lambda name=path.stem: _established(server, name), deadline=DEADLINE_SECONDS
            )
    for path in sorted(FILES.glob("policies/*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            plural = {"ValidatingAdmissionPolicy": "policies", "ValidatingAdmissionPolicyBinding": "policybindings"}
            apply(server, f"{_POLICIES}/validatingadmission{plural[document['kind']]}", document)
    wait_until("the admission policy is in force", lambda: _in_force(server), deadline=DEADLINE_SECONDS)


def apply(server: ApiServer, collection: str, document: dict[str, Any]) -> Any:
    """Create or replace one object."""
    path = f"{collection}/{document['metadata']['name']}?fieldManager=test&force=true"
    return server.request("PATCH", path, document, content_type="application/apply-patch+yaml")


def collection(kind: Kind[Any, Any], namespace: str = "") -> str:
    """Return the path of the objects of a kind, of one namespace or all."""
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{prefix}/namespaces/{namespace}/{kind.plural}" if namespace else f"{prefix}/{kind.plural}"


def _established(server: ApiServer, name: str) -> bool:
    status = server.request("GET", f"{_DEFINITIONS}/{name}").get("status", {})
    conditions = status.get("conditions") or ()  # null at first
    holds = {condition["type"] for condition in conditions if condition["status"] == "True"}
    if not {"Established", "NamesAccepted"} <= holds:
        return False
    plural, _, group = name.partition(".")
    version = status["storedVersions"][0]
    server.request("GET", f"/apis/{group}/{version}/{plural}?limit=1")
    return True


def _in_force(server: ApiServer) -> bool:
    elsewhere = {
        "apiVersion": BGP_SESSION.api_version,
        "kind": BGP_SESSION.name,
        "metadata": {"name": "elsewhere"},
        "spec": {
            "localASN": 1,
            "peerASN": 2,
            "localIP": "192.0.2.1",
            "peerIP": "192.0.2.2",
            "nodeName": "a",
            "peer": "b",
        },
    }
    try:
        server.request("POST", f"{collection(BGP_SESSION, 'default')}?dryRun=All", elsewhere)
    except ApiError as error:
        return "must be kube-system" in str(error)
    return False
