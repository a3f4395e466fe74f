"""Tables that can grow: with ``-w`` each change is one more line, aligned with those before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.resource import Resource
from flatbgp.resources.table import columns, rows


class TableWriter:
    """Writes objects of one kind to stdout, the headers first; columns never get narrower, as in kubectl."""

    def __init__(self, kind: AnyKind, *, wide: bool, namespaces: bool) -> None:
        self._kind = kind
        self._wide = wide
        self._namespaces = namespaces
        self._widths: tuple[int, ...] = ()

    def write(self, resources: Sequence[Resource[Any, Any]], now: datetime) -> None:
        """Write a line for each object; nothing, not even headers, as long as there are none."""
        if not resources:
            return
        head, *body = rows(self._kind, resources, now, wide=self._wide, namespaces=self._namespaces)
        first = not self._widths
        self._widths = tuple(
            max(map(len, cells), default=0) for cells in zip(head, *body, *self._past_rows(), strict=True)
        )
        lines = columns([*self._past_rows(), *([head] if first else []), *body])[1:]
        click.echo("\n".join(lines))

    def _past_rows(self) -> Sequence[Sequence[str]]:
        """Return a row as wide as the widest so far, which stands for all of them."""
        return [["x" * width for width in self._widths]] if self._widths else []
