"""Event (core v1): a line in the history of an object, which kubectl shows below the object's description.

The older of the two forms, since ``kubectl describe`` reads that one, and since its ``count`` can be patched.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flatbgp.resources.faults import Fault
from flatbgp.resources.kind import Kind
from flatbgp.resources.schema import Doc

CLUSTER_SCOPED_NAMESPACE = "default"
"""Where Events of cluster-scoped objects are: an API server takes them in no other namespace."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """An Event has no ``spec``: this is the part of its top level that is read again."""

    count: Annotated[int, Doc("How often it happened.")] = 1


@dataclass(frozen=True, slots=True)
class EventStatus:
    """An Event has none."""


def _read(document: Mapping[str, Any], _: list[Fault]) -> EventSpec:
    count = document.get("count")
    return EventSpec(count if type(count) is int else 1)


EVENT = Kind(
    name="Event",
    group="",
    version="v1",
    plural="events",
    singular="event",
    namespaced=True,
    spec_type=EventSpec,
    status_type=EventStatus,
    strict=False,
    read_spec=_read,
)
"""Not in the registry of kinds: nobody applies or reads Events by way of flatbgp."""
