"""What an API server tells of itself: its version, the definitions it has, what we may do, who else is there."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from flatbgp.planning.check.cluster import Definition
from flatbgp.planning.check.permissions import Access
from flatbgp.resources.crd import PART_OF, definition
from flatbgp.resources.kinds import AnyKind
from flatbgp.store.kubernetes.access import Location
from flatbgp.store.kubernetes.transport import Request, Transport
from flatbgp.store.protocol import StoreError

T = TypeVar("T")

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_MANAGERS: Final = "/api/v1/namespaces/kube-system/pods"
_ALLOCATES: Final = "--allocate-node-cidrs"
_AT_ONCE: Final = 8
"""Questions on the way at the same time."""


class Inspection:
    """Questions to the API server at ``place``, each with a deadline; :class:`StoreError` when it does not answer."""

    def __init__(self, place: Location) -> None:
        self._transport = Transport(place)
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    @property
    def where(self) -> str:
        """The server, and as whom it is asked."""
        return self._transport.where

    async def version(self) -> str:
        """Return the server's version, as in "1.37"."""
        found = await self._get("/version") or {}
        return f"{found.get('major', '0')}.{str(found.get('minor', '0')).rstrip('+')}"

    async def definitions(self, kinds: Iterable[AnyKind]) -> Mapping[str, Definition]:
        """Return the definitions that are there, by ``plural.group``."""
        wanted = list(kinds)
        found = await _all(self._definition(kind) for kind in wanted)
        return {kind.full_name: each for kind, each in zip(wanted, found, strict=True) if each is not None}

    async def refused(self, needs: Sequence[Access]) -> tuple[Access, ...]:
        """Return those of the accesses that we may not have."""
        allowed = await _all(self._may(access) for access in needs)
        return tuple(access for access, may in zip(needs, allowed, strict=True) if not may)

    async def allocators(self) -> tuple[str, ...] | None:
        """Return the kube-controller-managers that give pod CIDRs to Nodes; ``None`` when pods may not be listed."""
        pods = await self._get(_MANAGERS, {"labelSelector": "component=kube-controller-manager"})
        if pods is None:
            return None
        return tuple(f"pod {pod['metadata']['name']}" for pod in pods.get("items") or () if _allocates(pod))

    async def _definition(self, kind: AnyKind) -> Definition | None:
        answer = await self._ask(Request("GET", f"{_DEFINITIONS}/{quote(kind.full_name)}"))
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if answer.status == HTTPStatus.FORBIDDEN:  # those of a role may not: whether it is served, all may see
            served = await self._get(f"/apis/{kind.group}/{kind.version}")
            names = {resource["name"] for resource in (served or {}).get("resources") or ()}
            return Definition(frozenset((kind.version,)), None) if kind.plural in names else None
        found = self._read(answer)
        versions = {version["name"]: version for version in found["spec"]["versions"] if version["served"]}
        own = definition(kind)["spec"]["versions"][0]
        same = all(versions.get(kind.version, {}).get(part) == own[part] for part in _COMPARED)
        return Definition(frozenset(versions), _owner(found["metadata"]), same)

    async def _may(self, access: Access) -> bool:
        resource, _, subresource = access.resource.partition("/")
        asked = {"verb": access.verb, "group": access.group, "resource": resource, "namespace": access.namespace}
        asked |= {"subresource": subresource, "name": access.name}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {name: value for name, value in asked.items() if value}},
        }
        answer = await self._ask(Request("POST", _REVIEWS, body=review))
        return bool(self._read(answer)["status"]["allowed"])

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any] | None:
        """Return an object; ``None`` when it is not there or may not be seen."""
        answer = await self._ask(Request("GET", path, query or {}))
        absent = (HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)
        return None if answer.status in absent else self._read(answer)

    async def _ask(self, request: Request) -> Any:
        async with self._turn:
            return await self._transport.call(request)

    def _read(self, answer: Any) -> dict[str, Any]:
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            text = answer.body[:300].decode(errors="replace")
            raise StoreError(f"{self.where} does not tell about itself: {answer.status} {text}")
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found


_COMPARED: Final = ("schema", "additionalPrinterColumns")


async def _all(questions: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the answers to all; when one fails the others are called off, so that none is left behind."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def _owner(meta: Mapping[str, Any]) -> str:
    """Return who installed a definition, empty for us."""
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    if labels.items() >= PART_OF.items():
        return ""
    release = annotations.get("meta.helm.sh/release-name")
    if release:
        return f"the Helm release {annotations.get('meta.helm.sh/release-namespace', '')}/{release}"
    managed = labels.get("app.kubernetes.io/managed-by") or labels.get("app.kubernetes.io/part-of")
    managers = [entry.get("manager") for entry in meta.get("managedFields") or ()]
    return str(managed or next(filter(None, managers), None) or "somebody else")


def _allocates(pod: Mapping[str, Any]) -> bool:
    words = [
        word
        for container in pod["spec"].get("containers") or ()
        for part in ("command", "args")
        for word in container.get(part) or ()
    ]
    flags = [word for word in words if word.partition("=")[0] == _ALLOCATES]
    return bool(flags) and flags[-1].partition("=")[2].lower() in ("", "true", "t", "1")
