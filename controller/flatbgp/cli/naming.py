"""Which object a person means by KIND, NAME and a namespace, and how objects are named back to them."""

from typing import Any

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.resources import kinds
from flatbgp.resources.kind import Kind
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import NotServed, Store


class KindType(click.ParamType[tuple[AnyKind, ...]]):
    """A KIND in any of kubectl's spellings; of several groups that have it, all, the admin cluster's first."""

    name = "kind"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[AnyKind, ...]:
        """Return the kinds that the word may mean; none is wrong usage."""
        if isinstance(value, tuple):
            return value
        found = kinds.find(value)
        if not found:
            near = kinds.suggestion(value)
            every = ", ".join(dict.fromkeys(kind.plural for kind in kinds.ALL))
            self.fail(f"no kind {value!r}: {f'did you mean {near}?' if near else f'there are {every}'}", param, ctx)
        return found


async def chosen(store: Store, candidates: tuple[AnyKind, ...]) -> AnyKind:
    """Return the one kind that is meant in this store: the first that has objects there, else the first it knows."""
    if len(candidates) == 1:
        return candidates[0]
    known = []
    for kind in candidates:
        try:
            if (await store.list(kind)).items:
                return kind
        except NotServed:
            continue
        known.append(kind)
    return (known or candidates)[0]


async def found(store: Store, kind: AnyKind, name: str, namespace: str) -> Resource[Any, Any]:
    """Return one object; :class:`CommandFailed` says that it is missing, and where one of its name is."""
    resource = await store.get(kind, name, namespace if kind.namespaced else "")
    if resource is None:
        raise CommandFailed(await missing(store, kind, name, namespace))
    return resource


async def missing(store: Store, kind: AnyKind, name: str, namespace: str) -> str:
    """Return what to say of an object that is not there."""
    if not kind.namespaced:
        return f'error: {kind.full_name} "{name}" not found'
    others = [item.meta.namespace for item in (await store.list(kind)).items if item.meta.name == name]
    hint = f" (there is one in {', '.join(others)}: add -n {others[0]})" if others else ""
    return f'error: {kind.full_name} "{name}" not found in namespace {namespace}{hint}'


def identity(kind: Kind[Any, Any], name: str) -> str:
    """Return ``kind.group/name``, as kubectl reports what it did."""
    return f"{kind.singular}.{kind.group}/{name}" if kind.group else f"{kind.singular}/{name}"


def quoted(kind: Kind[Any, Any], name: str) -> str:
    """Return ``kind.group "name"``, as kubectl reports what it deleted."""
    return f'{kind.singular}.{kind.group} "{name}"' if kind.group else f'{kind.singular} "{name}"'
