"""What may not change in an object that exists."""

from collections.abc import Iterator
from typing import Any

from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.kind import S, T
from flatbgp.resources.resource import Resource
from flatbgp.resources.schema import ObjectShape, Property, shape_of
from flatbgp.resources.writing import writer_of


def changes(old: Resource[S, T], new: Resource[S, T]) -> tuple[Fault, ...]:
    """Return a fault for each field that was fixed when the object was made, and differs now.

    Values are compared as decoded, so that another spelling or a written-out default is no change. A stored object that
    breaks a rule of its kind may be mended in any way.
    """
    if old.spec is None or new.spec is None:
        return ()
    subject = f"{new.kind.name} {new.key}"
    return tuple(
        Fault(problem, path, value, subject)
        for path, value, problem in _differences(shape_of(new.kind.spec_type), old.spec, new.spec, "spec")
    )


def _differences(shape: ObjectShape, old: Any, new: Any, path: str) -> Iterator[tuple[str, str, str]]:
    for known in shape.properties:
        before, after = getattr(old, known.attribute), getattr(new, known.attribute)
        place = f"{path}.{known.name}"
        if known.immutable is not None:
            if before != after and not (known.immutable.once and before in ((), None)):
                problem = f"never changes: it is {_text(known, before)}; make another object for another value"
                yield place, _text(known, after), problem
        elif isinstance(known.shape, ObjectShape) and before is not None and after is not None:
            yield from _differences(known.shape, before, after, place)


def _text(known: Property, value: Any) -> str:
    return "not set" if value is None or value == () else shown(writer_of(known.shape, sparse=True)(value))
