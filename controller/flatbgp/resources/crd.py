"""The kinds as CustomResourceDefinitions, so that an API server serves, checks, prints and explains them."""

from typing import Any, Final

from flatbgp.resources import kinds
from flatbgp.resources.codec import read_spec
from flatbgp.resources.crdschema import Schema, immutable_rules, spec_schema, status_schema
from flatbgp.resources.faults import Fault, errors
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.reading import Unknown
from flatbgp.resources.schema import shape_of

MINIMUM_KUBERNETES: Final = "1.31"
"""The first version whose CEL knows IP addresses and ranges (``isIP``, ``cidr``)."""

PART_OF: Final = {"app.kubernetes.io/part-of": "flatbgp"}
"""The label by which a definition is known as ours."""

ADMIN_GROUP: Final = "baremetal.cluster.gke.io"
"""The group of the kinds that an admin cluster has besides those of a user cluster."""

DEFINED: Final[tuple[AnyKind, ...]] = tuple(kind for kind in kinds.ALL if kind.group.endswith(".gke.io"))
"""The kinds that Kubernetes does not bring along."""


def definition(kind: Kind[Any, Any]) -> dict[str, Any]:
    """Return the CustomResourceDefinition of a kind."""
    names: dict[str, Any] = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.singular,
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    version = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_printed(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _root(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.full_name, "labels": dict(PART_OF)},
        "spec": {
            "group": kind.group,
            "names": names,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


def _printed(column: Column) -> dict[str, Any]:
    printed: dict[str, Any] = {"name": column.header, "type": column.type, "jsonPath": column.printed or column.path}
    if column.wide:
        printed["priority"] = 1  # shown with -o wide only
    return printed


def _root(kind: Kind[Any, Any]) -> Schema:
    spec, status = shape_of(kind.spec_type), shape_of(kind.status_type)
    schema: Schema = {
        "description": kind.doc,
        "type": "object",
        "properties": {
            "spec": spec_schema(spec, kind.cel_rules, keep_unknown=not kind.strict),
            "status": status_schema(status, keep_unknown=not kind.strict),
        },
    }
    faults: list[Fault] = []
    read_spec(kind, {"spec": {}}, faults, Unknown.REFUSE)
    if errors(faults):  # an empty spec is refused, so an absent one is
        schema["required"] = ["spec"]
    if not kind.strict:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    rules = list(immutable_rules(spec))
    if kind.fixed_name is not None:
        rules.insert(
            0,
            {
                "rule": f"self.metadata.name == '{kind.fixed_name}'",
                "message": f"metadata.name must be {kind.fixed_name}: there is one {kind.name} for a cluster",
            },
        )
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema
