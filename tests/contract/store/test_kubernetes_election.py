"""Leader election on a real API server: one leader, and none at all when nobody can know."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
import structlog
from storedocs import opened

from flatbgp.resources.lease import LEASE, NAMESPACE, LeaseSpec
from flatbgp.store.election import Elector, LeadershipLost, Terms
from flatbgp.store.protocol import Store
from support.kubernetes import ApiServer

pytestmark = pytest.mark.contract

NAME = "flatbgp-controller"
MICROTIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@dataclass
class Candidate:
    """A replica with a client of its own, and when it began and ceased to lead."""

    identity: str
    store: Store
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    led: list[tuple[float, float]] = field(default_factory=list)

    async def run(self) -> None:
        terms = Terms(NAME, self.identity)
        elector = Elector(
            self.store,
            terms,
            log=structlog.get_logger(),
            clock=time.monotonic,
            now=lambda: datetime.now(UTC),
            random=random.Random(self.identity).random,  # noqa: S311 - repeatable, not secret
        )
        await elector.run(self._role)

    async def _role(self) -> None:
        begun = time.monotonic()
        self.leading.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.leading.clear()
            self.led.append((begun, time.monotonic()))


@asynccontextmanager
async def candidate(server: ApiServer, identity: str) -> AsyncIterator[tuple[Candidate, asyncio.Task[None]]]:
    async with opened(server.url()) as store:
        one = Candidate(identity, store)
        task = asyncio.create_task(one.run())
        try:
            yield one, task
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def lease(store: Store) -> LeaseSpec:
    found = await store.get(LEASE, NAME, NAMESPACE)
    assert found is not None
    assert found.spec is not None
    return found.spec


async def renewed(store: Store, holder: str) -> None:
    """Return after the next renewal by this holder."""
    found = await store.list(LEASE, NAMESPACE)
    async with aclosing(store.watch(LEASE, found.version, NAMESPACE)) as watch:
        async for batch in watch:
            for change in batch:
                if change.resource is not None and change.resource.spec.holder_identity == holder:
                    return


async def test_s39_the_lead_goes_to_the_next_at_once_when_it_is_freed(server: ApiServer, direct: Store) -> None:
    async with candidate(server, "one") as (one, first), asyncio.timeout(30):
        await one.leading.wait()
        held = await lease(direct)
        assert (held.holder_identity, held.lease_duration_seconds, held.lease_transitions) == ("one", 5, 0)
        assert re.fullmatch(MICROTIME, held.renew_time)
        assert re.fullmatch(MICROTIME, held.acquire_time)
        async with candidate(server, "two") as (two, _):
            await renewed(direct, "one")
            assert not two.leading.is_set()
            first.cancel()
            await two.leading.wait()
            taken = await lease(direct)
            assert (taken.holder_identity, taken.lease_transitions) == ("two", 1)
            assert one.led[0][1] <= time.monotonic()
    assert (await lease(direct)).holder_identity == ""


async def test_s39_a_leader_whose_server_stands_still_ends_before_its_lease_does(
    server: ApiServer, direct: Store
) -> None:
    async with candidate(server, "one") as (one, first), asyncio.timeout(60):
        await one.leading.wait()
        async with candidate(server, "two") as (two, _):
            await renewed(direct, "one")
            server.pause()
            paused = time.monotonic()
            with pytest.raises(LeadershipLost, match="could not be renewed in time"):
                await first
            ended = one.led[0][1]
            assert ended - paused < Terms(NAME, "one").duration
            server.resume()
            await two.leading.wait()
            assert time.monotonic() > ended
    assert (await lease(direct)).lease_transitions == 1
