"""An object's JSON form as it is kept beside the decoded object."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class StoredDocument(Mapping[str, Any]):
    """An object's JSON form, kept as bytes and decoded when it is looked into.

    Few objects ever are, and for thousands of them the bytes take a fifth of the memory and nothing of the garbage
    collector's time. Take ``dict(document)`` to look more than once.
    """

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> Any:
        return msgspec.json.decode(self._raw)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(msgspec.json.decode(self._raw))

    def __len__(self) -> int:
        return len(msgspec.json.decode(self._raw))

    def items(self) -> Any:
        """Return the pairs, decoded once for all of them."""
        return msgspec.json.decode(self._raw).items()

    def __repr__(self) -> str:
        return "StoredDocument(...)"  # it may be a Secret
