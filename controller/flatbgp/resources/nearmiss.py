"""Fields of a Cluster that look like one of ours and are not: kept, like all others, but pointed out.

A Cluster belongs to another product whose fields we don't know, so a field that we don't read cannot be an error. But
``flatIpv4: true`` that silently means ``false`` would be found out only when nothing is announced.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.faults import Fault, Severity
from flatbgp.resources.reading import nearest, path_name
from flatbgp.resources.schema import ObjectShape, shape_of

_CLOSE = 0.8


def cluster_near_misses(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield a warning for each field, at any depth, that is nearly one of ours or is one in another place."""
    ours = dict(_ours(shape_of(CLUSTER.spec_type), "spec"))
    yield from _search(document.get("spec"), "spec", shape_of(CLUSTER.spec_type), ours)


def _ours(shape: ObjectShape, path: str) -> Iterator[tuple[str, str]]:
    """Yield name and path of the fields that nobody else uses: ``pods``, ``services`` and ``cidrBlocks`` are common."""
    for known in shape.properties:
        place = f"{path}.{known.name}"
        if known.name not in ("pods", "services", "cidrBlocks"):
            yield known.name, place
        if isinstance(known.shape, ObjectShape):
            yield from _ours(known.shape, place)


def _search(value: Any, path: str, shape: ObjectShape | None, ours: Mapping[str, str]) -> Iterator[Fault]:
    waiting: list[tuple[Any, str, ObjectShape | None]] = [(value, path, shape)]
    while waiting:
        current, place, known = waiting.pop()
        if isinstance(current, list):
            waiting.extend((member, f"{place}[{index}]", None) for index, member in enumerate(current))
        elif isinstance(current, dict):
            fields = {} if known is None else {field.name: field.shape for field in known.properties}
            for name, member in current.items():
                inner = fields.get(name)
                here = f"{place}.{path_name(name)}"
                if name not in fields:
                    absent = [field for field in fields if field not in current]
                    yield from _near(name, here, place, absent, ours)
                waiting.append((member, here, inner if isinstance(inner, ObjectShape) else None))


def _near(name: str, here: str, place: str, absent: list[str], ours: Mapping[str, str]) -> Iterator[Fault]:
    close = nearest(name, absent, _CLOSE)
    if close is not None:
        right = f"{place}.{close}"
    else:
        elsewhere = nearest(name, list(ours), _CLOSE)
        if elsewhere is None:
            return
        right = ours[elsewhere]
    yield Fault(f"is not read; did you mean {right}?", here, severity=Severity.WARNING)
