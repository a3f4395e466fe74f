"""JSON merge patches (RFC 7396): the difference of two objects, and its application.

``null`` removes a field, objects are merged, everything else (a list too) is replaced whole.
"""

from collections.abc import Mapping
from typing import Any


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest patch that turns ``old`` into ``new``; empty if they are equal.

    A ``null`` inside ``new`` cannot be expressed (it would remove) and is treated as an absent field.
    """
    patch: dict[str, Any] = {name: None for name in old if new.get(name) is None}
    for name, value in new.items():
        before = old.get(name)
        if value is None or (before == value and type(before) is type(value)):
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            if inner := difference(before, value):
                patch[name] = inner
        else:
            patch[name] = value
    return patch


def merged(target: Any, patch: Any) -> Any:
    """Return ``target`` with ``patch`` applied; neither is changed (RFC 7396 section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
