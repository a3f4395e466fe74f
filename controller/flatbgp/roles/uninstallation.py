"""The orderly end of flatbgp in a cluster, for the chart to run before Helm removes the rest.

    the pods end -> no Lease is held -> finalizers and what the roles wrote go

The pods end first: whoever still runs would write again what was just deleted. A speaker takes its addresses off when
it ends, so a Lease that nobody holds means an address that no host has.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from flatbgp.planning.uninstallation import (
    ROLES,
    LeaseSight,
    is_ours,
    look,
    still_held,
    still_running,
    without_our_finalizer,
)
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.kind import Kind
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.resource import Resource
from flatbgp.resources.workload import (
    COMPONENT_LABEL,
    DAEMON_SET,
    DEPLOYMENT,
    INSTANCE_LABEL,
    NAME_LABEL,
    POD,
)
from flatbgp.store.protocol import Conflict, NotFound, NotServed, Store, Unreachable

LOOK_SECONDS: Final = 0.5
"""How often pods and Leases are read while waiting."""

AT_ONCE: Final = 16
"""Requests under way at one time."""

_SHOWN: Final = 5


class UninstallFailed(Exception):
    """It could not be done in time; the text says what was waited for, and how to go on."""


@dataclass(slots=True)
class Uninstallation:
    """One uninstallation: of the Helm release ``instance`` in ``namespace``.

    It may take ``patience`` seconds of ``clock``. ``say`` is called with what happens. Running it again does what is
    left to do.
    """

    store: Store
    namespace: str
    instance: str
    patience: float
    say: Callable[[str], None]
    clock: Callable[[], float]
    _deadline: float = 0.0
    _sights: Mapping[Key, LeaseSight] = field(default_factory=dict)

    async def run(self) -> None:
        """Do all of it; raise :class:`UninstallFailed` when it takes too long."""
        self._deadline = self.clock() + self.patience
        await self._until(self._end_pods)
        await self._until(self._pods_running)
        await self._until(self._leases_held)
        await self._until(self._remains)
        self.say("flatbgp has left: no node holds a floating IP, and nothing that its roles wrote is left")

    async def _until(self, step: Callable[[], Awaitable[str]]) -> None:
        """Repeat a step until it returns nothing that is still to be waited for."""
        told = ""
        while True:
            try:
                waiting = await step()
            except Unreachable as error:
                waiting = str(error)
            if not waiting:
                return
            if waiting != told:
                told = waiting
                self.say(f"waiting for {waiting}")
            if self.clock() >= self._deadline:
                raise UninstallFailed(
                    f"after {self.patience:g} s still waiting for {waiting}. A node whose kubelet is down keeps its "
                    "pods: repair it, or delete its Node. Then uninstall again; or bring flatbgp back with 'helm "
                    f"rollback {self.instance} REVISION' (see 'helm history'): all is there but its pods"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def _end_pods(self) -> str:
        """Delete what makes pods. Deleted, not scaled: a replica count of ours would stay in the way of an upgrade."""
        for kind in (DEPLOYMENT, DAEMON_SET):
            for item in (await self.store.list(kind, self.namespace, self._labels())).items:
                if item.meta.labels.get(COMPONENT_LABEL) in ROLES and not item.meta.deleting:
                    await self._delete(item)
                    self.say(f"ended {kind.name} {item.meta.name}")
        return ""

    async def _pods_running(self) -> str:
        pods = still_running((await self.store.list(POD, self.namespace, self._labels())).items)
        names = [f"{pod.meta.name} on {(pod.spec and pod.spec.node_name) or 'no node'}" for pod in pods]
        return _sentence("pods to end", names)

    async def _leases_held(self) -> str:
        leases, now = (await self.store.list(LEASE, NAMESPACE)).items, self.clock()
        self._sights = look(leases, self._sights, now)
        held = still_held(leases, self._sights, now)
        names = [f"{lease.meta.name} by {lease.spec.holder_identity}" for lease in held if lease.spec is not None]
        return _sentence("Leases to be free", names)

    async def _remains(self) -> str:
        """Take away what is left of the roles; return what there was, so that it is looked for once more."""
        configs = [
            (item, others)
            for item in await self._list(CLUSTER_CIDR_CONFIG, None)
            if (others := without_our_finalizer(item.meta)) is not None
        ]
        found = [item for item in await self._list(LEASE, NAMESPACE) if is_ours(item)]
        found += await self._list(BGP_SESSION, USER_NAMESPACE)
        found += await self._list(BGP_ADVERTISED_ROUTE, USER_NAMESPACE)
        found = [item for item in found if not item.meta.deleting]  # what is, somebody else's finalizer holds
        await _all([self._release(item, others) for item, others in configs])
        await _all([self._delete(item) for item in found])
        if configs or found:
            self.say(f"took flatbgp's finalizer off {len(configs)} objects, and deleted {len(found)}")
        gone = [item.meta.name for item, _ in configs] + [item.meta.name for item in found]
        return _sentence("these to be gone", gone)

    async def _list(self, kind: Kind[Any, Any], namespace: str | None) -> list[Resource[Any, Any]]:
        try:
            return list((await self.store.list(kind, namespace)).items)
        except NotServed:
            return []  # the definition was removed, and took its objects along

    async def _release(self, item: Resource[Any, Any], others: Sequence[str]) -> None:
        meta = item.meta
        patch = {"metadata": {"finalizers": list(others) or None}}
        with suppress(NotFound, Conflict):  # it is looked at again
            await self.store.patch(item.kind, meta.name, meta.namespace, patch, version=meta.resource_version)

    async def _delete(self, item: Resource[Any, Any]) -> None:
        with suppress(NotFound):
            await self.store.delete(item.kind, item.meta.name, item.meta.namespace)

    def _labels(self) -> Mapping[str, str]:
        return {NAME_LABEL: "flatbgp", INSTANCE_LABEL: self.instance}


async def _all(calls: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Await all calls, some at a time; raise the first error when the calls under way are over."""
    for start in range(0, len(calls), AT_ONCE):
        outcomes = await asyncio.gather(*calls[start : start + AT_ONCE], return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                for call in calls[start + AT_ONCE :]:
                    call.close()
                raise outcome


def _sentence(what: str, names: Sequence[str]) -> str:
    """Return "N what: names", cut where there are many, or nothing if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{what}: {', '.join(sorted(names)[:_SHOWN])}{more}"
