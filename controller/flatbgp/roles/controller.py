"""The controller: Nodes get pod CIDRs, pod CIDRs become routes, and objects say how they are.

Several may run and one leads. The others keep their caches warm, so that a new leader acts at once. Two loops share the
caches: one for Nodes and routes, which packets wait for, and one for statuses, which people wait for.
"""

import asyncio
import random
from typing import Final

from flatbgp.host.clock import boottime
from flatbgp.planning.nodes import NodePlan
from flatbgp.roles.controller_caches import ControllerCaches
from flatbgp.roles.controller_nodes import NodesLoop
from flatbgp.roles.controller_status import StatusLoop
from flatbgp.roles.options import ControllerOptions
from flatbgp.roles.recorder import Recorder
from flatbgp.roles.runtime import Runtime, Trouble, Wakeup, lead_again, process_identity, reconcile, run_role, utc_now
from flatbgp.store.cache import CacheSet
from flatbgp.store.election import Elector, Terms
from flatbgp.store.protocol import Store
from flatbgp.store.url import is_supervised, open_store

LEASE_NAME = "flatbgp-controller"

STATUS_PAUSE_SECONDS: Final = 0.1
"""How long statuses let routes go first. Each status that is written wakes everybody who watches, the speakers that are
about to announce the very change among them; people do not see the difference."""


async def control(runtime: Runtime, options: ControllerOptions, store: Store) -> None:
    """Run the role on a store until cancelled, or until it may lead no more."""
    nodes_wakeup, status_wakeup = Wakeup(), Wakeup()
    trouble = Trouble(runtime.log)
    random_number = random.SystemRandom().random
    identity = process_identity()
    terms = Terms(LEASE_NAME, identity, options.lease_duration, options.renew_interval)
    recorder = Recorder(
        store, "flatbgp-controller", identity, boottime, utc_now, trouble, enabled=is_supervised(options.store)
    )
    elector = Elector(store, terms, log=runtime.log, clock=boottime, now=utc_now, random=random_number)

    def warm() -> None:
        """A replica that waits for the lead is as ready as it can be once it knows everything."""
        if cache_set.synced and not elector.leading:
            runtime.ready = True

    async with CacheSet(store, warm, log=runtime.log, clock=boottime, random=random_number) as cache_set:
        caches = ControllerCaches(cache_set, options.secret_namespace, nodes_wakeup.set, status_wakeup.set)
        statuses = StatusLoop(
            store, caches, trouble, runtime.log, boottime, utc_now, options.report_interval, recorder.record
        )
        runtime.samples.append(statuses.samples)

        def planned(plan: NodePlan) -> None:
            runtime.ready = True
            if plan != statuses.nodes:
                statuses.nodes = plan
                status_wakeup.set()

        nodes = NodesLoop(
            store, caches, nodes_wakeup, trouble, runtime.log, planned, boottime, settle_seconds=options.lease_duration
        )

        async def tell() -> float | None:
            await asyncio.sleep(STATUS_PAUSE_SECONDS)
            return await statuses.step()

        async def lead() -> None:
            await caches.wait_synced()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reconcile(nodes_wakeup, nodes.step, trouble, about="Nodes and routes"))
                tasks.create_task(reconcile(status_wakeup, tell, trouble, about="statuses"))
                tasks.create_task(recorder.run())

        await elector.run(lead)


async def _main(runtime: Runtime, options: ControllerOptions) -> None:
    store = open_store(options.store)
    try:
        await lead_again(runtime, lambda: control(runtime, options, store), supervised=is_supervised(options.store))
    finally:
        await store.close()


def run(options: ControllerOptions) -> int:
    """Run the controller in the foreground; return the exit status."""
    return run_role("controller", lambda runtime: _main(runtime, options), options)
