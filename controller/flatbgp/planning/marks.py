"""The marks that the mirror leaves on its copies, and what follows from them."""

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from flatbgp.resources.meta import Meta
from flatbgp.resources.parsing import Malformed, parse_time
from flatbgp.resources.resource import Resource

MIRRORED_FROM: Final = "flatbgp.io/mirrored-from"
"""Label of a copy: the namespace on the admin cluster that its source is in."""

SOURCE_CREATED: Final = "flatbgp.io/source-created"
"""Annotation of a copy: the source's creationTimestamp, so that "oldest" means the same on both clusters."""

FLAT_IPV4: Final = "flatbgp.io/flat-ipv4"
"""Annotation of a FlatIPMode's copy: the Cluster's flatIPv4 ("true" or "false"); the user cluster has no Cluster."""

SERVICES: Final = "flatbgp.io/services"
"""Annotation of a ClusterCIDRConfig's copy: the Cluster's Service ranges, comma-separated."""

IN_USE_FINALIZER: Final = "flatbgp.io/in-use"
"""Finalizer of a ClusterCIDRConfig on the user cluster, while a node has, or is about to get, a block of it."""

_FIRST = datetime.min.replace(tzinfo=UTC)


def is_copy(meta: Meta) -> bool:
    """Return whether the mirror made the object."""
    return MIRRORED_FROM in meta.labels


def mirror_is_active(resources: Iterable[Resource[Any, Any]]) -> bool:
    """Return whether a mirror writes this cluster's configuration: one marked object is enough.

    The marks say so, and not the mirror's Lease, because it must hold while the mirror restarts, or is down.
    """
    return any(is_copy(resource.meta) for resource in resources)


def age_key(meta: Meta) -> tuple[datetime, str]:
    """Return the sort key of "oldest": the source's creation (the object's own without a source), then the name."""
    created = meta.creation_timestamp
    source = meta.annotations.get(SOURCE_CREATED)
    if source is not None:
        # If somebody wrote into our annotation, the copy's own age is the next best.
        with contextlib.suppress(Malformed):
            created = parse_time(source)
    return created or _FIRST, meta.name
