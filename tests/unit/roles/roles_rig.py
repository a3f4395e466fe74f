"""Roles in this process over a real embedded store in memory, driven as a person and other roles would."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog

from flatbgp.resources.kind import Kind
from flatbgp.resources.node import NODE
from flatbgp.roles.options import AdminOptions, ControllerOptions, LogFormat
from flatbgp.roles.runtime import Runtime
from flatbgp.store.protocol import NotFound, Store

DEADLINE = 10.0

COMMON: dict[str, Any] = {
    "store": "sqlite::memory:",
    "state_dir": Path("/nonexistent"),
    "metrics_bind": None,
    "health_bind": None,
    "lease_duration": 5.0,
    "renew_interval": 1.0,
    "secret_namespace": "kube-system",
    "log_format": LogFormat.JSON,
    "log_level": "info",
}


def controller_options(**changes: Any) -> ControllerOptions:
    return ControllerOptions(**(COMMON | {"report_interval": 10.0} | changes))


def admin_options(**changes: Any) -> AdminOptions:
    return AdminOptions(**(COMMON | {"admin_store": "sqlite::memory:", "cluster_namespace": None} | changes))


def runtime() -> Runtime:
    return Runtime(structlog.stdlib.get_logger())


@contextlib.asynccontextmanager
async def running(role: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run a role while the block lasts; what it fails with is raised at the end."""
    task = asyncio.create_task(role)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def eventually(check: Callable[[], Awaitable[Any]], what: str = "") -> Any:
    """Return the first true answer; fail with the last one at the deadline."""
    answer: Any = None
    try:
        async with asyncio.timeout(DEADLINE):
            while not (answer := await check()):  # noqa: ASYNC110 - what is waited for is in the store, not an event
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"{what or check}: still {answer!r} after {DEADLINE:g} s") from None
    return answer


async def put(store: Store, kind: Kind[Any, Any], name: str, spec: Any = None, **more: Any) -> None:
    """Create an object, or change it to what is given; ``more`` are metadata and ``status``."""
    status = more.pop("status", None)
    namespace = more.pop("namespace", "kube-system" if kind.namespaced else "")
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **more}
    document: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    if spec is not None:
        document["spec"] = spec
    try:
        await store.patch(kind, name, namespace, {k: v for k, v in document.items() if k in ("spec", "metadata")})
    except NotFound:
        await store.create(kind, document)
    if status is not None:
        await store.patch(kind, name, namespace, {"status": status}, subresource="status")


async def put_node(store: Store, name: str, *addresses: str, **more: Any) -> None:
    status = {"addresses": [{"type": "InternalIP", "address": address} for address in addresses]}
    await put(store, NODE, name, status=status, **more)


async def names(store: Store, kind: Kind[Any, Any]) -> list[str]:
    return [item.meta.name for item in (await store.list(kind)).items]


async def conditions(store: Store, kind: Kind[Any, Any], name: str, namespace: str = "") -> dict[str, tuple[str, str]]:
    """Return type -> (status, reason) of an object's conditions."""
    found = await store.get(kind, name, namespace)
    if found is None or found.status is None:
        return {}
    return {condition.type: (condition.status, str(condition.reason)) for condition in found.status.conditions}
