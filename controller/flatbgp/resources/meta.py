"""What every object has: its name and its history (Kubernetes ObjectMeta, the part that we read)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple


class Key(NamedTuple):
    """The place of an object among those of its kind; ``namespace`` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Meta:
    """Name, version and marks of an object.

    ``resource_version`` is an opaque token of the store (empty: not stored yet); ``generation`` counts changes of
    the spec; ``deletion_timestamp`` is set while finalizers hold a deleted object.
    """

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return Key(self.namespace, self.name)

    @property
    def deleting(self) -> bool:
        """Whether the object was deleted and only a finalizer still holds it."""
        return self.deletion_timestamp is not None
