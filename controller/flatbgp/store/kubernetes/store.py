"""The Store protocol on a Kubernetes API server."""

import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.kinds import by_full_name
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.mergepatch import merged
from flatbgp.resources.meta import Key
from flatbgp.resources.resource import Resource
from flatbgp.store import documents, rules
from flatbgp.store.kubernetes import applying, errors, objects, paths, watching
from flatbgp.store.kubernetes.access import Location
from flatbgp.store.kubernetes.errors import About
from flatbgp.store.kubernetes.listing import read_all
from flatbgp.store.kubernetes.transport import Request, Transport
from flatbgp.store.protocol import Applied, Change, Expired, Listing, NotFound, Refused, StoreError


class KubernetesStore:
    """Objects on an API server. ``silence`` and ``unheard`` are how long a watch may say nothing, in seconds."""

    def __init__(
        self,
        place: Location,
        *,
        silence: float = watching.SILENCE_SECONDS,
        unheard: float = watching.UNHEARD_SECONDS,
    ) -> None:
        self._transport = Transport(place)
        self._silence = silence
        self._unheard = unheard

    async def identity(self) -> str:
        """Return the uid of the namespace kube-system."""
        return await self._transport.identity()

    async def get(self, kind: Kind[S, T], name: str, namespace: str = "") -> Resource[S, T] | None:
        """Return one object, or ``None``."""
        namespace = kind.scope(namespace) or ""
        try:
            body = await self._send(paths.get(kind, namespace, name), About("get", kind, namespace, name))
        except NotFound:
            return None
        return objects.resource(kind, body)

    async def list(
        self, kind: Kind[S, T], namespace: str | None = None, selector: Mapping[str, str] | None = None
    ) -> Listing[S, T]:
        """Return the objects of a kind at one moment, page by page."""
        return await read_all(self._transport, kind, kind.scope(namespace), selector)

    async def watch(
        self,
        kind: Kind[S, T],
        since: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Sequence[Change[S, T]], None]:
        """Yield what changed after ``since``, as soon as it does; go on where the server ends a watch in order."""
        if not since.isdecimal():
            raise Expired(f"{since[:40]!r} is no version of {kind.full_name} here; list again")
        what = watching.Watched(kind, kind.scope(namespace), selector, self._silence, self._unheard)
        cursor, begun = since, False
        while True:
            seconds = random.randint(watching.LEAST_SECONDS, watching.MOST_SECONDS)  # noqa: S311 - no secret
            async with aclosing(watching.follow(self._transport, what, cursor, seconds)) as following:
                async for batch in following:
                    cursor = batch[-1].version if batch else cursor
                    if batch or not begun:
                        begun = True
                        yield batch

    async def apply(self, manifests: Sequence[Manifest]) -> Sequence[Applied]:
        """Create or update the objects: all are tried before the first is written."""
        return await applying.apply(self._send, manifests)

    async def preview(self, manifests: Sequence[Manifest]) -> Sequence[Resource[Any, Any]]:
        """Return the objects as ``apply`` would leave them, by the server's own dry run."""
        found = await applying.preview(self._send, manifests)
        return [objects.of_document(each.kind, shown) for each, shown in zip(manifests, found, strict=True)]

    async def create(self, kind: Kind[S, T], document: Mapping[str, Any]) -> Resource[S, T]:
        """Create one object."""
        key, made = documents.key_of(kind, document), objects.new(kind, document)
        try:
            body = await self._send(
                paths.create(kind, key.namespace, made), About("create", kind, key.namespace, key.name)
            )
        except Refused:
            if by_full_name(kind.full_name) is kind:
                rules.refuse(rules.faults_of_new(made))  # the same in our words
            raise
        return objects.listed(kind, body)

    async def patch(
        self,
        kind: Kind[S, T],
        name: str,
        namespace: str,
        patch: Mapping[str, Any],
        *,
        version: str | None = None,
        subresource: str = "",
    ) -> Resource[S, T]:
        """Change one object by a merge patch."""
        namespace = kind.scope(namespace) or ""
        request = paths.patch(kind, namespace, name, patch, version=version, subresource=subresource)
        try:
            body = await self._send(request, About("patch", kind, namespace, name, subresource))
        except Refused:
            if not subresource:
                await self._explain(kind, Key(namespace, name), patch)
            raise
        return objects.listed(kind, body)

    async def delete(self, kind: Kind[S, T], name: str, namespace: str = "", *, version: str | None = None) -> bool:
        """Delete one object; ``False`` while finalizers hold it."""
        namespace = kind.scope(namespace) or ""
        request = paths.delete(kind, namespace, name, version)
        body = await self._send(request, About("delete", kind, namespace, name))
        # The answer is a Status when the object is gone, and the object when it is held.
        return not documents.finalizers_of(msgspec.json.decode(body))

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def _send(self, request: Request, about: About) -> bytes:
        answer = await self._transport.call(request)
        errors.check(answer, about, self._transport.where)
        return answer.body

    async def _explain(self, kind: Kind[Any, Any], key: Key, patch: Mapping[str, Any]) -> None:
        """Raise a refusal in our words, if our rules have a word for it: with the value that stands there."""
        request, about = paths.get(kind, key.namespace, key.name), About("get", kind, key.namespace, key.name)
        try:
            old = objects.document(kind, await self._send(request, about))
        except StoreError:
            return  # the server's words must do
        rules.refuse(rules.faults_of_change(kind, key, old, merged(old, patch)))
