"""From typed values to JSON ones, along a shape."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from flatbgp.resources.parsing import format_time
from flatbgp.resources.schema import ListShape, MapShape, ObjectShape, Scalar, ScalarShape, Shape

Writer = Callable[[Any], Any]


@cache
def writer_of(shape: Shape, *, sparse: bool) -> Writer:
    """Return the function that writes a value of this shape as JSON.

    ``sparse`` leaves out every optional field that has its default value (a spec says only what a person chose);
    otherwise optional fields are left out only when they are empty (a status shows its zeros).
    """
    match shape:
        case ScalarShape():
            return _SCALARS[shape.scalar]
        case ListShape():
            write_item = writer_of(shape.item, sparse=sparse)
            return lambda items: [write_item(item) for item in items]
        case MapShape():
            return _write_map
        case ObjectShape():
            return _object_writer(shape, sparse=sparse)


def _write_map(pairs: Mapping[str, str]) -> dict[str, str]:
    return dict(pairs)


def _plain(value: Any) -> Any:
    return value


_SCALARS: Mapping[Scalar, Writer] = {
    Scalar.STRING: str,  # a StrEnum member becomes its word
    Scalar.INTEGER: _plain,
    Scalar.BOOLEAN: _plain,
    Scalar.TIME: format_time,
    Scalar.ADDRESS: str,
    Scalar.NETWORK: str,
    Scalar.SECRET: str,  # "***": a password leaves the program only where it is asked for by name
}


def _object_writer(shape: ObjectShape, *, sparse: bool) -> Writer:
    plan = [(p.name, p.attribute, writer_of(p.shape, sparse=sparse), p) for p in shape.properties]

    def write(value: Any) -> dict[str, Any]:
        document = {}
        for name, attribute, write_field, known in plan:
            field = getattr(value, attribute)
            if not known.required:
                if field is None or (sparse and field == known.default):
                    continue
                if not sparse and not isinstance(field, bool | int) and field in ("", (), {}):
                    continue
            document[name] = write_field(field)
        return document

    return write
