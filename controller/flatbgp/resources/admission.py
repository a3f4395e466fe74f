"""What an API server checks of metadata, where a CustomResourceDefinition sees the name only: an admission policy."""

from typing import Any, Final

from flatbgp.resources.crd import DEFINED, PART_OF
from flatbgp.resources.metadata import FINALIZERS_LIMIT

NAME: Final = "objects.flatbgp.io"
"""The name of the policy and of its binding."""


def policy() -> dict[str, Any]:
    """Return the policy for all kinds of ours."""
    groups = sorted({kind.group for kind in DEFINED})
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME, "labels": dict(PART_OF)},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": ["*"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": sorted({kind.plural for kind in DEFINED if kind.group == group}),
                    }
                    for group in groups
                ]
            },
            "validations": list(_validations()),
        },
    }


def binding() -> dict[str, Any]:
    """Return what puts the policy into force."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME, "labels": dict(PART_OF)},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }


def _validations() -> list[dict[str, str]]:
    limit = {
        "expression": f"!has(object.metadata.finalizers) || object.metadata.finalizers.size() <= {FINALIZERS_LIMIT}",
        "message": f"metadata.finalizers: at most {FINALIZERS_LIMIT} are possible",
    }
    homes = [
        {
            "expression": f"object.kind != '{kind.name}' || object.metadata.namespace == '{kind.home}'",
            "message": f"metadata.namespace: must be {kind.home}: a {kind.name} elsewhere is never read",
        }
        for kind in DEFINED
        if kind.home
    ]
    return [limit, *homes]
