"""Where the objects of a kind are on an API server, and the requests for them. Pure."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from flatbgp.resources.kind import Kind
from flatbgp.store.kubernetes.transport import MERGE_PATCH, Request

AnyKind = Kind[Any, Any]

FIELD_MANAGER: Final = "flatbgp"
PAGE: Final = 250
"""Objects that a list returns at once: 2 MB of Nodes, so that taking them apart keeps the loop from nothing."""

_STRICT: Final = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
_DRY: Final = {"dryRun": "All"}


def collection(kind: AnyKind, namespace: str | None) -> str:
    """Return the path of all objects of a kind, of one namespace or of all."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    if kind.namespaced and namespace is not None:
        root += f"/namespaces/{quote(namespace, safe='')}"
    return f"{root}/{kind.plural}"


def item(kind: AnyKind, namespace: str, name: str, subresource: str = "") -> str:
    """Return the path of one object, or of a part of it."""
    path = f"{collection(kind, namespace)}/{quote(name, safe='')}"
    return f"{path}/{quote(subresource, safe='')}" if subresource else path


def get(kind: AnyKind, namespace: str, name: str) -> Request:
    """Read one object."""
    return Request("GET", item(kind, namespace, name))


def page(kind: AnyKind, namespace: str | None, selector: Mapping[str, str] | None, after: str, size: int) -> Request:
    """Read one page of a list; ``after`` is where the last one ended, ``size`` 0 means all."""
    query = _selected(selector)
    if size:
        query["limit"] = str(size)
    if after:
        query["continue"] = after
    return Request("GET", collection(kind, namespace), query)


def watch(
    kind: AnyKind, namespace: str | None, selector: Mapping[str, str] | None, since: str, seconds: int
) -> Request:
    """Follow the changes after a version for some time."""
    query = _selected(selector) | {
        "watch": "1",
        "resourceVersion": since,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(seconds),
    }
    return Request("GET", collection(kind, namespace), query)


def create(kind: AnyKind, namespace: str, document: Mapping[str, Any], *, dry: bool = False) -> Request:
    """Make an object."""
    return Request("POST", collection(kind, namespace), _STRICT | (_DRY if dry else {}), document)


def patch(
    kind: AnyKind,
    namespace: str,
    name: str,
    change: Mapping[str, Any],
    *,
    version: str | None = None,
    subresource: str = "",
    dry: bool = False,
) -> Request:
    """Change an object by a merge patch, if it still has ``version``."""
    if version is not None:
        change = {**change, "metadata": {**change.get("metadata", {}), "resourceVersion": version}}
    query = _STRICT | (_DRY if dry else {})
    return Request("PATCH", item(kind, namespace, name, subresource), query, change, MERGE_PATCH)


def delete(kind: AnyKind, namespace: str, name: str, version: str | None) -> Request:
    """Delete an object, if it still has ``version``."""
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if version is not None:
        options["preconditions"] = {"resourceVersion": version}
    return Request("DELETE", item(kind, namespace, name), {}, options)


def _selected(selector: Mapping[str, str] | None) -> dict[str, str]:
    if not selector:
        return {}
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in sorted(selector.items()))}
