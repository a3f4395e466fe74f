"""Objects as JSON and YAML, the way kubectl prints them, and without any secret."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET

HIDDEN: Final = "***"
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's copy of what was applied: for a Secret, its data once more."""

_ANY_WIDTH: Final = 10**6
_NUMBER: Final = re.compile(r"([-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|0o[0-7]+)$")


def shown(resource: Resource[Any, Any]) -> dict[str, Any]:
    """Return the document of an object as it may be printed."""
    document = dict(resource.document)
    if resource.kind is not SECRET:
        return document
    for field in ("data", "stringData"):
        if values := document.get(field):
            document[field] = dict.fromkeys(values, HIDDEN) if isinstance(values, Mapping) else HIDDEN
    if _LAST_APPLIED in resource.meta.annotations:
        annotations = {**resource.meta.annotations, _LAST_APPLIED: HIDDEN}
        document["metadata"] = {**document["metadata"], "annotations": annotations}
    return document


def list_document(resources: Iterable[Resource[Any, Any]]) -> dict[str, Any]:
    """Return a ``v1`` List of objects."""
    return {
        "apiVersion": "v1",
        "items": [shown(resource) for resource in resources],
        "kind": "List",
        "metadata": {"resourceVersion": ""},
    }


def as_json(document: Mapping[str, Any]) -> str:
    """Return JSON with sorted keys, indented by four as kubectl's, with a line end."""
    return json.dumps(document, indent=4, sort_keys=True, ensure_ascii=False) + "\n"


def as_yaml(document: Mapping[str, Any] | list[Any]) -> str:
    """Return YAML with sorted keys and in block style."""
    import yaml  # noqa: PLC0415 - a table does without

    text: str = yaml.dump(
        document, Dumper=_dumper(yaml), default_flow_style=False, allow_unicode=True, width=_ANY_WIDTH
    )
    return text


@cache
def _dumper(yaml: Any) -> Any:
    """Return a dumper that quotes what only YAML 1.2 (and so kubectl) reads as a number too, and uses no anchors."""

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # PyYAML's C half is optional
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
            return True

    Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _NUMBER, list("-+.0123456789"))
    return Dumper


def one_line(text: str) -> str:
    """Return a text on one line and without control characters, which a router's message may carry to a terminal."""
    flat = " ".join(text.split())
    return flat if flat.isprintable() else "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in flat)
