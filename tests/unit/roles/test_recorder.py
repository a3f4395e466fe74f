"""Events as they are written: counted, limited, and of no consequence to anything else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from roles_rig import eventually
from structlog.testing import capture_logs

from flatbgp.planning.happenings import Happening
from flatbgp.resources.codec import decode
from flatbgp.resources.meta import Meta
from flatbgp.resources.node import NODE
from flatbgp.resources.reasons import Reason
from flatbgp.roles.recorder import BURST, REFILL_SECONDS, Recorder
from flatbgp.roles.runtime import Trouble
from flatbgp.store.protocol import AlreadyExists, NotFound, StoreError, Unreachable


class Events:
    """The part of a store that Events need, as an API server has it: the embedded store keeps none."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.away = False
        self.forbidden = False
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.forbidden:
            raise StoreError("no role allows it")
        if self.away:
            raise Unreachable("cut off by the test")

    async def create(self, kind: Any, document: dict[str, Any]) -> Any:
        self._ask()
        name = document["metadata"]["name"]
        if name in self.kept:
            raise AlreadyExists(name)
        self.kept[name] = document
        return decode(kind, document)

    async def get(self, kind: Any, name: str, _namespace: str) -> Any:
        self._ask()
        return decode(kind, self.kept[name]) if name in self.kept else None

    async def patch(self, kind: Any, name: str, _namespace: str, patch: dict[str, Any]) -> Any:
        self._ask()
        if name not in self.kept:
            raise NotFound(name)
        self.kept[name] = self.kept[name] | patch
        return decode(kind, self.kept[name])


@pytest.fixture
def store() -> Events:
    return Events()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def recorder(store: Events, clock: Clock | None = None, **more: Any) -> Recorder:
    def wall() -> datetime:
        return datetime(2026, 11, 24, 9, 0, tzinfo=UTC)

    log = structlog.stdlib.get_logger()
    return Recorder(store, "flatbgp-controller", "me", clock or Clock(), wall, Trouble(log), **more)


@contextlib.asynccontextmanager
async def writing(subject: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(subject.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def happening(node: str = "node-01", message: str = "full") -> Happening:
    return Happening(NODE, Meta(node, uid=f"uid-{node}"), "pod CIDRs", Reason.CIDR_NOT_AVAILABLE, message, True)


async def counts(store: Events) -> dict[str, int]:
    """Return message -> count of all Events."""
    return {each["message"]: each["count"] for each in store.kept.values()}


async def equal(store: Events, expected: dict[str, int]) -> bool:
    return await counts(store) == expected


async def test_s89_what_happens_again_is_counted_also_by_another_process(store) -> None:
    subject = recorder(store)
    async with writing(subject):
        subject.record([happening(), happening()])
        await eventually(lambda: equal(store, {"full": 2}))
        subject.record([happening()])
        await eventually(lambda: equal(store, {"full": 3}))
    another = recorder(store)
    async with writing(another):
        another.record([happening(), happening(message="other")])
        await eventually(lambda: equal(store, {"full": 4, "other": 1}))


async def test_what_flaps_is_told_a_few_times_and_then_once_a_minute(store) -> None:
    clock = Clock()
    subject = recorder(store, clock)
    async with writing(subject):
        subject.record([happening(message=f"{number}") for number in range(BURST + 5)])
        subject.record([happening("node-02", message="another's")])
        await eventually(lambda: _count(store, BURST + 1))
        clock.now += REFILL_SECONDS
        subject.record([happening(message=f"late {number}") for number in range(5)])
        await eventually(lambda: _count(store, BURST + 2))


async def _count(store: Events, number: int) -> bool:
    return len(await counts(store)) == number


async def test_an_outage_keeps_events_waiting_and_nothing_else(store) -> None:
    subject = recorder(store)
    async with writing(subject):
        store.away = True
        subject.record([happening()])
        await eventually(lambda: _that(store.asked > 1))
        assert store.kept == {}
        store.away = False
        await eventually(lambda: equal(store, {"full": 1}))


async def test_what_may_not_be_written_is_said_once_and_keeps_nothing_waiting(store) -> None:
    subject = recorder(store)
    with capture_logs() as logs:
        async with writing(subject):
            store.forbidden = True
            subject.record([happening(), happening(message="other")])
            await eventually(lambda: _that(len(logs) == 1))
            store.forbidden = False
            subject.record([happening(message="allowed")])
            await eventually(lambda: _that("allowed" in {each["message"] for each in store.kept.values()}))
    assert "Events of Node cannot be written" in logs[0]["event"]


async def _that(true: bool) -> bool:
    return true


async def test_nothing_is_written_where_nobody_looks_at_events(store) -> None:
    subject, elsewhere = recorder(store, enabled=False), recorder(store)
    async with writing(subject), writing(elsewhere):
        subject.record([happening()])
        elsewhere.record([happening(message="by another")])
        await eventually(lambda: equal(store, {"by another": 1}))
    assert store.asked == 1
