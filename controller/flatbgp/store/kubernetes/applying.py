"""``apply`` on an API server: what manifests say and nothing of what others wrote, tried as a whole before it is done.

There are no transactions here. So every object is first sent as a dry run, which passes the schema, the policies and
the permissions; only then is the first one written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from flatbgp.resources.faults import Fault
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.mergepatch import difference
from flatbgp.resources.node import NODE
from flatbgp.store import documents, rules
from flatbgp.store.documents import Document, Marks
from flatbgp.store.kubernetes import errors, objects, paths
from flatbgp.store.kubernetes.transport import Request
from flatbgp.store.protocol import AlreadyExists, Applied, Conflict, NotFound, Refused, StoreError, Unreachable, Verb

APPLIED_ANNOTATION: Final = "flatbgp.io/applied"
"""Names the labels and annotations that the last ``apply`` set, so that those a manifest no longer has can go."""

AT_ONCE: Final = 8
"""Dry runs under way at one time. The writes themselves go one by one, in the order of the manifests."""

ATTEMPTS: Final = 4
"""How often something is tried when the object changes meanwhile, or the server asks to wait."""

LONGEST_REST_SECONDS: Final = 10.0
"""The longest wait that the server is granted before the next try."""

Send = Callable[[Request, errors.About], Awaitable[bytes]]
"""Sends a request and returns the object in the answer, or raises what it says."""


A = TypeVar("A")
R = TypeVar("R")


class _Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of the annotation."""

    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What one manifest does: the object as it is (``None``: not there) and as it is to be."""

    manifest: Manifest
    old: Document | None
    new: Document
    faults: tuple[Fault, ...] = ()

    @property
    def patch(self) -> dict[str, Any]:
        """What is to be changed; empty if nothing is."""
        return difference(self.old, self.new) if self.old is not None else {}

    @property
    def writes(self) -> bool:
        """Whether anything is to be written."""
        return self.old is None or bool(self.patch)

    @property
    def verb(self) -> Verb:
        """What it does to the object; the note of what was applied counts for nothing."""
        if self.old is None:
            return Verb.CREATED
        same = _noted(dict(self.old), Marks()) == _noted(dict(self.new), Marks())
        return Verb.UNCHANGED if same else Verb.CONFIGURED

    @property
    def about(self) -> errors.About:
        """The same for messages."""
        kind, key = self.manifest.kind, self.manifest.key
        return errors.About("create" if self.old is None else "patch", kind, key.namespace, key.name)

    def request(self, *, dry: bool) -> Request:
        """Return the request that does it, or tries it out."""
        kind, key = self.manifest.kind, self.manifest.key
        if self.old is None:
            return paths.create(kind, key.namespace, objects.new(kind, self.new), dry=dry)
        version = self.old["metadata"]["resourceVersion"]
        return paths.patch(kind, key.namespace, key.name, self.patch, version=version, dry=dry)


async def apply(send: Send, manifests: Sequence[Manifest]) -> Sequence[Applied]:
    """Write what the manifests say. Raises :class:`Refused` with all that is wrong before anything is written."""
    send = _patient(send)
    steps = await _together(partial(_planned, send), manifests)
    rules.refuse(rules.placed(fault, step.manifest) for step in steps for fault in step.faults)
    found = await _together(partial(_tried, send), [step for step in steps if step.writes])
    rules.refuse(fault for faults in found for fault in faults)
    done: list[Applied] = []
    for step in steps:
        try:
            done.append(Applied(step.manifest, await _written(send, step)))
        except StoreError as error:
            if all(applied.verb is Verb.UNCHANGED for applied in done):
                raise
            raise _halfway(error, done, manifests[len(done) :]) from error
    return done


async def preview(send: Send, manifests: Sequence[Manifest]) -> list[dict[str, Any]]:
    """Return the objects as :func:`apply` would leave them, by the server's own dry run."""
    return await _together(partial(_shown, _patient(send)), manifests)


def _patient(send: Send) -> Send:
    """Return the same that waits and tries again when the server asks for it: nothing was done then."""

    async def patient(request: Request, about: errors.About) -> bytes:
        for _ in range(ATTEMPTS - 1):
            try:
                return await send(request, about)
            except Unreachable as error:
                if not error.retry_after:
                    raise
                await asyncio.sleep(min(error.retry_after, LONGEST_REST_SECONDS))
        return await send(request, about)

    return patient


async def _planned(send: Send, manifest: Manifest) -> Step:
    kind, key = manifest.kind, manifest.key
    note = documents.marks_of(manifest.document)
    try:
        raw = await send(paths.get(kind, key.namespace, key.name), errors.About("get", kind, key.namespace, key.name))
    except NotFound:
        return Step(manifest, None, _noted(dict(manifest.document), note))
    old = objects.document(kind, raw)
    if documents.is_terminating(old):
        return Step(manifest, old, old, (rules.held_fault(kind, key, old),))
    new = documents.applied(kind, old, manifest.document, _marks(old))
    new["metadata"] = {**new["metadata"], "generation": old["metadata"].get("generation")}  # the server counts itself
    if kind is NODE:
        # The kubelet's status and what others put into the spec (taints, the provider's name) are theirs.
        new |= {"spec": {**old.get("spec", {}), **new.get("spec", {})}, "status": old.get("status")}
    new = _noted(new, note)
    return Step(manifest, old, new, rules.faults_of_change(kind, key, old, new))


async def _tried(send: Send, step: Step) -> tuple[Fault, ...]:
    """Return what the server has against it."""
    try:
        await send(step.request(dry=True), step.about)
    except Refused as refusal:
        return tuple(rules.placed(fault, step.manifest) for fault in refusal.faults)
    return ()


async def _shown(send: Send, manifest: Manifest) -> dict[str, Any]:
    step = await _planned(send, manifest)
    if step.old is not None and not step.writes:
        return dict(step.old)
    return objects.document(manifest.kind, await send(step.request(dry=True), step.about))


async def _written(send: Send, step: Step) -> Verb:
    for attempt in range(ATTEMPTS):
        last = attempt == ATTEMPTS - 1
        try:
            if step.writes:
                await send(step.request(dry=False), step.about)
        except (Conflict, AlreadyExists):  # somebody else wrote it meanwhile: from there
            if last:
                raise
            step = await _planned(send, step.manifest)
            rules.refuse(rules.placed(fault, step.manifest) for fault in step.faults)
        else:
            break
    return step.verb


def _halfway(error: StoreError, done: Sequence[Applied], left: Sequence[Manifest]) -> StoreError:
    """Return the error of an ``apply`` that could not be finished, with what was written and what was not."""
    written = [f"{_named(applied.manifest)} {applied.verb}" for applied in done]
    lines = [
        f"{error}",
        f"{len(written)} of {len(written) + len(left)} objects are as the manifests say; apply them again to go on",
        *(f"  written: {line}" for line in written),
        *(f"  not written: {_named(manifest)}" for manifest in left),
    ]
    return StoreError("\n".join(lines))


def _named(manifest: Manifest) -> str:
    return f"{manifest.kind.name} {manifest.key}"


def _marks(old: Document) -> Marks:
    """Return what the last ``apply`` set, as its note says; a note that somebody spoiled says nothing."""
    text = (old["metadata"].get("annotations") or {}).get(APPLIED_ANNOTATION, "")
    try:
        note = msgspec.json.decode(text, type=_Note)
    except msgspec.DecodeError:
        return Marks()
    return Marks(frozenset(note.labels), frozenset(note.annotations))


def _noted(document: dict[str, Any], marks: Marks) -> dict[str, Any]:
    """Return the object with the note of what is applied now; without one when that is nothing."""
    meta = dict(document["metadata"])
    annotations = dict(meta.get("annotations") or {})
    annotations.pop(APPLIED_ANNOTATION, None)
    if marks.labels or marks.annotations:
        note = _Note(tuple(sorted(marks.labels)), tuple(sorted(marks.annotations)))
        annotations[APPLIED_ANNOTATION] = msgspec.json.encode(note).decode()
    meta.pop("annotations", None)
    if annotations:
        meta["annotations"] = annotations
    return {**document, "metadata": meta}


async def _together(function: Callable[[A], Awaitable[R]], items: Sequence[A]) -> list[R]:
    """Do the same with many, some at a time; the first failure ends all."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: A) -> R:
        async with gate:
            return await function(item)

    tasks = [asyncio.create_task(one(item)) for item in items]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
