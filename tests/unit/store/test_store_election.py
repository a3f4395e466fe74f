"""Leader election on a clock that jumps: never two leaders, and always one again."""

import asyncio
import itertools
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from storefaults import Fault, FaultyStore
from structlog.testing import capture_logs

from flatbgp.resources.lease import LEASE, NAMESPACE, LeaseSpec
from flatbgp.store.election import Elector, LeadershipLost, Terms
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store

pytestmark = pytest.mark.looptime

NAME = "flatbgp-controller"
DURATION = 5.0


@dataclass
class Candidate:
    """A process that wants to lead: its own store connection, its own clock, and when it led."""

    identity: str
    store: FaultyStore
    terms: Terms
    suspended: float = 0.0
    led: list[tuple[float, float]] = field(default_factory=list)
    leading: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    elector: Elector = field(init=False)

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.elector = Elector(
            self.store,
            self.terms,
            log=structlog.get_logger(),
            clock=lambda: loop.time() + self.suspended,
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=loop.time()),
            random=random.Random(self.identity).random,  # noqa: S311 - repeatable, not secret
        )

    async def role(self) -> None:
        begun = asyncio.get_running_loop().time()
        self.leading.set()
        try:
            await self.stop.wait()
        finally:
            self.leading.clear()
            self.led.append((begun, asyncio.get_running_loop().time()))

    async def run(self) -> None:
        await self.elector.run(self.role)

    async def run_again(self) -> None:
        """Lead again after each loss, as a restarted process would."""
        while True:
            try:
                await self.run()
            except LeadershipLost:
                continue


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    store = open_store("sqlite::memory:")
    yield store
    await store.close()


@pytest.fixture
def candidates(store: Store) -> Iterator[Candidate]:
    return (Candidate(f"c{n}", FaultyStore(store), Terms(NAME, f"c{n}", DURATION, 1.0)) for n in itertools.count(1))


@asynccontextmanager
async def running(*candidates: Candidate) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(candidate.run()) for candidate in candidates]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def lease(store: Store) -> LeaseSpec:
    found = await store.get(LEASE, NAME, NAMESPACE)
    assert found is not None
    assert found.spec is not None
    return found.spec


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_free_lease_is_led_at_once_and_says_who_leads(store: Store, candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    async with running(one):
        await one.leading.wait()
        assert now() < 0.1
        spec = await lease(store)
        assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == ("c1", 5, 0)
        assert spec.acquire_time == spec.renew_time
        assert re.fullmatch(r"2026-01-01T00:00:00\.\d{6}Z", spec.renew_time)
    assert (await lease(store)).holder_identity == ""


async def test_s39_the_next_one_leads_as_soon_as_the_lease_is_freed(
    store: Store, candidates: Iterator[Candidate]
) -> None:
    one, two = next(candidates), next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        async with running(two):
            await asyncio.sleep(60)
            assert not two.leading.is_set()
            first.cancel()
            stopped = now()
            await two.leading.wait()
            assert now() - stopped <= 1.0
            assert (await lease(store)).lease_transitions == 1


async def test_s40_a_second_one_waits_and_says_for_whom_once(candidates: Iterator[Candidate]) -> None:
    one, two = next(candidates), next(candidates)
    with capture_logs() as logs:
        async with running(one, two):
            await asyncio.sleep(30)
    waits = [entry for entry in logs if "waiting" in entry["event"]]
    assert [entry["holder"] for entry in waits] == ["c1"]
    assert two.led == []


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.SILENT, Fault.UNANSWERED])
async def test_a_leader_that_cannot_renew_stops_before_another_begins(
    candidates: Iterator[Candidate], fault: Fault
) -> None:
    one, two = next(candidates), next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        async with running(two):
            await asyncio.sleep(10.3)
            one.store.fault = fault
            cut = now()
            with pytest.raises(LeadershipLost, match=r"could not be renewed in time: "):
                await first
            await two.leading.wait()
            ((_, ended),) = one.led
            assert cut + 2.9 < ended < cut + 4.1
            assert ended < now()
            assert now() < cut + DURATION + 2.1


async def test_a_short_outage_changes_nothing(candidates: Iterator[Candidate]) -> None:
    one, two = next(candidates), next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        async with running(two):
            for fault in (Fault.REFUSED, Fault.SILENT, Fault.UNANSWERED) * 3:
                one.store.fault = fault
                await asyncio.sleep(1.2)
                one.store.fault = Fault.NONE
                await asyncio.sleep(7)
            assert not first.done()
            assert two.led == []


async def test_a_leader_that_was_suspended_stops_when_it_wakes(candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        await asyncio.sleep(3.1)
        one.suspended += 3600
        assert not one.elector.leading
        woke = now()
        with pytest.raises(LeadershipLost, match="stopped for too long"):
            await first
        assert now() - woke <= 0.25


async def test_what_others_write_beside_it_does_not_end_a_lead(store: Store, candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        for number in range(20):
            note = {"metadata": {"annotations": {"note": str(number)}}}
            await store.patch(LEASE, NAME, NAMESPACE, note)
            await asyncio.sleep(0.9)
        assert not first.done()


async def test_an_annotation_is_no_renewal(store: Store, candidates: Iterator[Candidate]) -> None:
    held = {
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"holderIdentity": "dead", "leaseDurationSeconds": 5, "renewTime": "2099-01-01T00:00:00.000000Z"},
    }
    await store.create(LEASE, held)
    one = next(candidates)
    async with running(one):
        for number in range(5):
            await asyncio.sleep(0.95)
            assert not one.leading.is_set()
            await store.patch(LEASE, NAME, NAMESPACE, {"metadata": {"annotations": {"note": str(number)}}})
        await one.leading.wait()
        assert 5 <= now() <= 6.1


async def test_a_lease_that_another_took_ends_the_lead_and_is_not_freed(
    store: Store, candidates: Iterator[Candidate]
) -> None:
    one = next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        await store.patch(LEASE, NAME, NAMESPACE, {"spec": {"holderIdentity": "thief"}})
        with pytest.raises(LeadershipLost, match="held by thief"):
            await first
        assert now() < 1.5
    assert (await lease(store)).holder_identity == "thief"


async def test_a_deleted_lease_ends_the_lead(store: Store, candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    async with running(one) as (first,):
        await one.leading.wait()
        await store.delete(LEASE, NAME, NAMESPACE)
        with pytest.raises(LeadershipLost, match="held by nobody"):
            await first


async def test_a_role_that_fails_or_ends_frees_the_lease(store: Store, candidates: Iterator[Candidate]) -> None:
    one = next(candidates)

    async def fails() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await one.elector.run(fails)
    assert (await lease(store)).holder_identity == ""
    one.stop.set()
    await one.run()
    assert (await lease(store)).holder_identity == ""


async def test_the_role_ends_before_the_lease_is_free(store: Store, candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    at_the_end: list[str] = []

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1.0)
            at_the_end.append((await lease(store)).holder_identity)

    task = asyncio.create_task(one.elector.run(slow_to_end))
    await asyncio.sleep(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert at_the_end == ["c1"]
    assert (await lease(store)).holder_identity == ""


async def test_an_unreachable_store_is_tried_again_and_told_once(candidates: Iterator[Candidate]) -> None:
    one = next(candidates)
    one.store.fault = Fault.REFUSED
    with capture_logs() as logs:
        async with running(one):
            await asyncio.sleep(20)
            one.store.fault = Fault.NONE
            await one.leading.wait()
            assert now() < 21.1
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1


@pytest.mark.parametrize("seed", range(40))
async def test_two_never_lead_at_once_whatever_the_store_does(store: Store, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable, not secret
    terms = [Terms(NAME, f"s{seed}c{number}", *rng.choice([(5.0, 1.0), (2.0, 0.5)])) for number in range(3)]
    trio = [Candidate(each.identity, FaultyStore(store), each) for each in terms]
    tasks = [asyncio.create_task(candidate.run_again()) for candidate in trio]
    for _ in range(40):
        victim = rng.choice(trio)
        victim.store.fault = rng.choice(list(Fault))
        if rng.random() < 0.1:
            victim.suspended += rng.uniform(0, 10)
        await asyncio.sleep(rng.uniform(0, 4))
    for candidate in trio:
        candidate.store.fault = Fault.NONE
    await asyncio.sleep(12)
    assert [candidate.leading.is_set() for candidate in trio].count(True) == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    led = sorted(span for candidate in trio for span in candidate.led)
    assert led
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(led))
