"""What an administrator may do to a user of an API server: grant a right, or let little of theirs through."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from support.kubernetes import ApiServer, User

_RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
_FLOW: Final = "/apis/flowcontrol.apiserver.k8s.io/v1"


@contextmanager
def granted(server: ApiServer, user: User, rules: Sequence[dict[str, Any]]) -> Iterator[None]:
    """Let a user do something in the whole cluster, for the length of the block."""
    meta = {"name": f"test-{user.name.rpartition(':')[2]}"}
    api_version = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": api_version, "kind": "ClusterRole", "metadata": meta, "rules": list(rules)}
    binding = {
        "apiVersion": api_version,
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": meta["name"]},
    }
    server.request("POST", f"{_RBAC}/clusterroles", role)
    server.request("POST", f"{_RBAC}/clusterrolebindings", binding)
    try:
        yield
    finally:
        server.request("DELETE", f"{_RBAC}/clusterrolebindings/{meta['name']}")
        server.request("DELETE", f"{_RBAC}/clusterroles/{meta['name']}")


@contextmanager
def throttled(server: ApiServer, user: User) -> Iterator[None]:
    """Answer what a user asks more than once at a time with 429 and Retry-After, for the length of the block."""
    api_version, name = "flowcontrol.apiserver.k8s.io/v1", "test-one-at-a-time"
    level = {
        "apiVersion": api_version,
        "kind": "PriorityLevelConfiguration",
        "metadata": {"name": name},
        "spec": {
            "type": "Limited",
            "limited": {"nominalConcurrencyShares": 0, "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}},
        },
    }
    rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    schema = {
        "apiVersion": api_version,
        "kind": "FlowSchema",
        "metadata": {"name": name},
        "spec": {
            "matchingPrecedence": 2,  # before all but what is exempt
            "priorityLevelConfiguration": {"name": name},
            "rules": [{"subjects": [{"kind": "User", "user": {"name": user.name}}], "resourceRules": [rule]}],
        },
    }
    server.request("POST", f"{_FLOW}/prioritylevelconfigurations", level)
    server.request("POST", f"{_FLOW}/flowschemas", schema)
    try:
        yield
    finally:
        server.request("DELETE", f"{_FLOW}/flowschemas/{name}")
        server.request("DELETE", f"{_FLOW}/prioritylevelconfigurations/{name}")
