"""The admin role: mirrors the cluster namespace of the admin cluster to the user cluster.

It leads by a Lease on the user cluster, where it writes. Both clusters may be one.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import structlog

from flatbgp.host.clock import boottime
from flatbgp.planning.happenings import Happening
from flatbgp.planning.marks import IN_USE_FINALIZER
from flatbgp.planning.mirror import (
    SOURCES,
    TARGETS,
    Action,
    Create,
    Delete,
    MirrorPlan,
    Objects,
    Place,
    Places,
    Recreate,
    Update,
    plan_mirror,
)
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET
from flatbgp.roles.options import AdminOptions
from flatbgp.roles.recorder import Recorder
from flatbgp.roles.runtime import (
    RoleFailed,
    Runtime,
    Trouble,
    Wakeup,
    lead_again,
    patiently,
    process_identity,
    reconcile,
    run_role,
    utc_now,
)
from flatbgp.roles.runtime_writes import REFUSED_RETRY_SECONDS, Write, Writer
from flatbgp.store.cache import Cache, CacheSet
from flatbgp.store.election import Elector, Terms
from flatbgp.store.protocol import Store
from flatbgp.store.url import is_supervised, open_store

LEASE_NAME = "flatbgp-admin"

SOURCE_ANNOTATION = "flatbgp.io/admin-cluster"
"""Annotation of that Lease: the identity of the admin cluster's store."""


@dataclass(slots=True)
class Mirror:
    """The loop: sources and copies as the caches have them, the difference, the writes.

    ``record`` takes what is worth a line in a copy's history: that somebody's edit of it did not last.
    """

    admin: CacheSet
    user: CacheSet
    store: Store
    places: Places
    trouble: Trouble
    log: structlog.stdlib.BoundLogger
    record: Callable[[Iterable[Happening]], None]
    _settled: dict[Place, str] = field(default_factory=dict)
    _sources: Mapping[str, Cache[Any, Any]] = field(init=False)
    _copies: Mapping[str, Cache[Any, Any]] = field(init=False)
    _writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self._writer = Writer(self.trouble, self.log)
        self._sources = {kind.full_name: self.admin.start(kind, self.places.source) for kind in SOURCES}
        self._copies = {
            kind.full_name: self.user.start(kind, self._namespace(kind.full_name) if kind.namespaced else None)
            for _, kind in TARGETS
        }

    def _namespace(self, kind: str) -> str:
        return self.places.secrets if kind == SECRET.full_name else USER_NAMESPACE

    async def wait_synced(self) -> None:
        """Return when everything has been listed once: a list that is not there yet is not an empty one."""
        await self.admin.wait_synced()
        await self.user.wait_synced()

    async def step(self) -> float | None:
        """Bring the copies to where they should be."""
        plan = plan_mirror(_objects(self._sources), _objects(self._copies), self.places)
        for subject, problem in plan.problems.items():
            self.trouble.report(f"source: {subject}", f"{subject} {problem}")
        self.trouble.keep_only("source: ", [f"source: {subject}" for subject in plan.problems])
        self._settle(plan)
        self._writer.begin()
        phases = groupby(plan.actions, key=lambda action: (type(action) is Delete, action.kind.full_name))
        await self._writer.run(*([self._write(action) for action in actions] for _, actions in phases))
        self._writer.end()
        return REFUSED_RETRY_SECONDS if self._writer.refused else None

    def _settle(self, plan: MirrorPlan) -> None:
        """Take note of which copies are as their sources: what differs later without a new source was edited."""
        open_ = {(action.kind.full_name, action.key) for action in plan.actions}
        kept = {place: version for place, version in self._settled.items() if place in plan.sources}
        self._settled = kept | {place: version for place, version in plan.sources.items() if place not in open_}

    def _write(self, action: Action) -> Write:
        return Write(str(action), lambda: self._carry_out(action))

    async def _carry_out(self, action: Action) -> None:
        kind, key = action.kind, action.key
        match action:
            case Create():
                self._brought(action, await self.store.create(kind, action.document))
            case Update():
                version = action.version
                written = await self.store.patch(kind, key.name, key.namespace, action.patch, version=version)
                self._brought(action, written)
            case Delete():
                await self.store.delete(kind, key.name, key.namespace, version=action.version)
            case Recreate():
                finalizers = [each for each in action.finalizers if each != IN_USE_FINALIZER]
                patch = {"metadata": {"finalizers": finalizers or None}}
                await self.store.patch(kind, key.name, key.namespace, patch, version=action.version)
                self._brought(action, await self.store.create(kind, action.document))

    def _brought(self, action: Create | Update | Recreate, copy: Resource[Any, Any]) -> None:
        """Tell people whose edit of a copy did not last."""
        place = action.kind.full_name, action.key
        if self._settled.get(place) == action.source:
            what = "changed" if isinstance(action, Update) else "deleted"
            told = (
                f"It was {what} here, and its source in namespace {self.places.source} of the admin cluster was not: "
                "it is as its source again."
            )
            self.record([Happening(action.kind, copy.meta, "mirror", Reason.OVERWRITTEN, told, warning=True)])
        self._settled[place] = action.source


def _objects(caches: Mapping[str, Cache[Any, Any]]) -> Objects:
    return {name: tuple(cache.items.values()) for name, cache in caches.items()}


async def find_namespace(admin: Store, given: str | None, trouble: Trouble) -> str:
    """Return the cluster namespace: the given one, else that of the only Cluster; waits for a store that is away."""
    if given == USER_NAMESPACE:
        raise RoleFailed(f"{USER_NAMESPACE} is where copies go and cannot be the cluster namespace", status=2)
    if given is not None:
        return given
    clusters = await patiently(lambda: admin.list(CLUSTER), trouble)
    names = [cluster.key for cluster in clusters.items if cluster.meta.namespace != USER_NAMESPACE]
    if len(names) == 1:
        return names[0].namespace
    found = "there are " + ", ".join(str(key) for key in names) if names else "there is none"
    raise RoleFailed(
        f"--cluster-namespace may be left out only when the admin cluster has exactly one Cluster; {found}", status=2
    )


async def check_source(user: Store, identity: str) -> None:
    """Make sure that the admin cluster is the one that was mirrored so far; the leader's Lease keeps which that is.

    A cluster that was lost and made anew is empty: to follow it would take every session of the user cluster down.
    """
    lease = await user.get(LEASE, LEASE_NAME, NAMESPACE)
    known = lease.meta.annotations.get(SOURCE_ANNOTATION, "") if lease is not None else ""
    if not known:
        patch = {"metadata": {"annotations": {SOURCE_ANNOTATION: identity}}}
        await user.patch(LEASE, LEASE_NAME, NAMESPACE, patch)
    elif known != identity:
        raise RoleFailed(
            f"the admin cluster is {identity}, and the copies are from {known}: was it made anew? "
            f"Nothing is mirrored. To mirror it from now on, delete the Lease {LEASE_NAME} in {NAMESPACE} of the user "
            "cluster"
        )


async def mirror(runtime: Runtime, options: AdminOptions, admin: Store, user: Store) -> None:
    """Run the role on two stores (or twice the same one) until cancelled, or until it may lead no more."""
    trouble, wakeup = Trouble(runtime.log), Wakeup()
    namespace = await find_namespace(admin, options.cluster_namespace, trouble)
    source = await patiently(admin.identity, trouble)
    same = source == await patiently(user.identity, trouble)
    places = Places(namespace, options.secret_namespace, same_store=same)
    chance = random.SystemRandom().random
    identity = process_identity()
    terms = Terms(LEASE_NAME, identity, options.lease_duration, options.renew_interval)
    recorder = Recorder(
        user, "flatbgp-admin", identity, boottime, utc_now, trouble, enabled=is_supervised(options.store)
    )
    elector = Elector(user, terms, log=runtime.log, clock=boottime, now=utc_now, random=chance)

    def changed() -> None:
        """Wake the loop; a replica that waits for the lead is as ready as it can be once it knows everything."""
        wakeup.set()
        if sources.synced and copies.synced and not elector.leading:
            runtime.ready = True

    async with (
        CacheSet(admin, changed, log=runtime.log, clock=boottime, random=chance) as sources,
        CacheSet(user, changed, log=runtime.log, clock=boottime, random=chance) as copies,
    ):
        loop = Mirror(sources, copies, user, places, trouble, runtime.log, recorder.record)

        async def step() -> float | None:
            pause = await loop.step()
            runtime.ready = True
            return pause

        async def lead() -> None:
            await patiently(lambda: check_source(user, source), trouble)
            await loop.wait_synced()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reconcile(wakeup, step, trouble, about="mirror"))
                tasks.create_task(recorder.run())

        await elector.run(lead)


async def _main(runtime: Runtime, options: AdminOptions) -> None:
    admin, user = open_store(options.admin_store), open_store(options.store)
    try:
        await lead_again(
            runtime, lambda: mirror(runtime, options, admin, user), supervised=is_supervised(options.store)
        )
    finally:
        await admin.close()
        await user.close()


def run(options: AdminOptions) -> int:
    """Run the admin role in the foreground; return the exit status."""
    return run_role("admin", lambda runtime: _main(runtime, options), options)
