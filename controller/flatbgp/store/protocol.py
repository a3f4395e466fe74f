"""Where resources live: the boundary between the roles and a store.

Resource versions, generation, finalizers, label selectors and optimistic concurrency mean what they mean in Kubernetes.
Every call has a deadline of its own and raises one of the errors below; none retries.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, Protocol

from flatbgp.resources.faults import Fault
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.resource import Resource


class StoreError(Exception):
    """Something the store could not do; the text says what, on what, why, and what to do."""


class Unreachable(StoreError):
    """The store does not answer: whether a write took place is unknown.

    ``retry_after`` is for how many seconds the store asks to be left alone (Retry-After of HTTP 429 and 503).
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WrongStore(Unreachable):
    """What answers is not the store that was meant: its identity changed, or it is no flatbgp store at all.

    A role treats it as an outage (nothing of a foreign or emptied store is acted on); the text says how a person
    accepts the new one.
    """


class NotFound(StoreError):
    """There is no such object."""


class AlreadyExists(StoreError):
    """An object of that name is there."""


class Conflict(StoreError):
    """The object is not at the version that was named: read again."""


class Refused(StoreError):
    """The object breaks a rule of its kind: ``faults`` say which, where the store knows them one by one."""

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class NotServed(StoreError):
    """The store has no such kind of object: its CustomResourceDefinition is not installed there."""


class Expired(StoreError):
    """The version to watch from is too old: list again (HTTP 410)."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[S, T]):
    """All objects of a kind at one moment, sorted by key, and the version to watch from."""

    items: tuple[Resource[S, T], ...]
    version: str


class ChangeType(StrEnum):
    """What a change is; a bookmark only moves the version to resume from."""

    PUT = "put"
    DELETED = "deleted"
    BOOKMARK = "bookmark"


@dataclass(frozen=True, slots=True)
class Change(Generic[S, T]):
    """One change. ``resource`` is the object after it (for DELETED: the last state), ``None`` for a bookmark."""

    type: ChangeType
    version: str
    resource: Resource[S, T] | None


class Verb(StrEnum):
    """What ``apply`` did to an object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome for one manifest."""

    manifest: Manifest
    verb: Verb


class Store(Protocol):
    """Objects of all kinds. ``namespace`` is "" for cluster-scoped kinds."""

    async def identity(self) -> str:
        """Return what tells this store from any other (a file's own uuid, the uid of kube-system).

        A store that does not exist yet is created, so that there is something to remember. From the first answer of
        any call on, the store holds on to its identity: every call raises :class:`WrongStore` when it is another's.
        """

    async def get(self, kind: Kind[S, T], name: str, namespace: str = "") -> Resource[S, T] | None:
        """Return one object, or ``None``."""

    async def list(
        self, kind: Kind[S, T], namespace: str | None = None, selector: Mapping[str, str] | None = None
    ) -> Listing[S, T]:
        """Return the objects of a kind; ``namespace`` ``None`` means all; ``selector`` pairs must all be labels."""

    def watch(
        self,
        kind: Kind[S, T],
        since: str,
        namespace: str | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Sequence[Change[S, T]], None]:
        """Yield changes after ``since`` in order, those that are there at once in one batch.

        The first batch comes at once, and is empty when nothing has changed: the store has answered. States of an
        object between two batches may be left out; its last state and its deletion never are. An object
        that ceases to match the selector is ``DELETED`` for this watch. Raises :class:`Expired` when ``since`` is
        older than what is kept, and :class:`Unreachable` when the store is lost; it never ends by itself.
        """

    async def apply(self, manifests: Sequence[Manifest]) -> Sequence[Applied]:
        """Create or update what the manifests say, all or nothing where the store can.

        The spec of our kinds is replaced as a whole; status, finalizers, a Node's podCIDRs and the labels and
        annotations of others stay. An unchanged object is not written.
        """

    async def preview(self, manifests: Sequence[Manifest]) -> Sequence[Resource[Any, Any]]:
        """Return the objects as ``apply`` would leave them, in the order of the manifests; write nothing."""

    async def create(self, kind: Kind[S, T], document: Mapping[str, Any]) -> Resource[S, T]:
        """Create one object from its JSON form; :class:`AlreadyExists` when it is there."""

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
        """Change one object by a JSON merge patch (RFC 7396): ``null`` removes, lists are replaced whole.

        With ``version`` it is a compare-and-swap (:class:`Conflict`). Without subresource the status is left alone,
        with ``subresource="status"`` all else. A patch that changes nothing writes nothing.
        """

    async def delete(self, kind: Kind[S, T], name: str, namespace: str = "", *, version: str | None = None) -> bool:
        """Delete an object; ``False`` when finalizers hold it. :class:`NotFound` if missing."""

    async def close(self) -> None:
        """Release what the store holds open."""
