"""The embedded store under faults: killed writers, locks, a full disk, and many processes at once."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from storedocs import CHILD, NAMESPACE, SECONDS, child, line, manifest, node, peer, watching

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Expired, Store, Unreachable, WrongStore
from flatbgp.store.sqlite.database import WAL_BYTES
from flatbgp.store.sqlite.store import SqliteStore
from flatbgp.store.url import open_store

pytestmark = pytest.mark.contract

KILLS = 12
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small filesystem, which needs root")


@asynccontextmanager
async def opened(path: Path, **options: int) -> AsyncIterator[Store]:
    store = SqliteStore(path, **options)
    yield store
    await store.close()


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


async def test_a_writer_that_is_killed_at_any_moment_leaves_a_whole_store(path: Path) -> None:
    moments = random.Random(4)  # noqa: S311 - repeatable, not secret
    async with opened(path) as store:
        for _ in range(KILLS):
            async with child("write_on", path, "victim") as victim:
                for _ in range(moments.randrange(1, 40)):
                    confirmed = int(await line(victim))
                # A write takes some milliseconds: the kill comes in the middle of one, or between two.
                await asyncio.sleep(moments.uniform(0, 0.004))
                victim.kill()
                rest, _ = await victim.communicate()
            confirmed = int((rest.split() or [confirmed])[-1])

            found = await store.list(NODE)
            numbers = {item.meta.name: int(item.meta.labels["number"]) for item in found.items}
            # Between the two halves of a deletion and its repair, "a" may be missing; never are the two at odds.
            assert len(set(numbers.values())) == 1
            assert confirmed <= numbers["victim-b"] <= confirmed + 1
            assert integrity(path) == "ok"
            # And the next writer goes on, with higher versions.
            made = await store.create(NODE, node("after"))
            assert int(made.meta.resource_version) > int(found.version)
            await store.delete(NODE, "after")


async def test_s67_compare_and_swap_of_many_processes_loses_no_count(path: Path) -> None:
    async with opened(path) as store:
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, CHILD, "count_up", path, "40", stdout=asyncio.subprocess.PIPE
            )
            for _ in range(4)
        ]
        listing = await store.list(BGP_PEER)
        watch = store.watch(BGP_PEER, listing.version)
        seen = [0]
        async with asyncio.timeout(12 * SECONDS):
            async for batch in watch:
                seen += [int(change.resource.meta.annotations["count"]) for change in batch if change.resource]
                if seen[-1] == 160:
                    break
            await watch.aclose()
            assert [(await process.communicate())[0] for process in processes] == [b"done\n"] * 4
        assert seen == sorted(set(seen))
        final = await store.get(BGP_PEER, "router", NAMESPACE)
        assert final is not None
        assert final.meta.annotations["count"] == "160"


async def test_many_processes_that_make_the_store_at_once_share_one(path: Path) -> None:
    names = [f"node-{number}" for number in range(4)]
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, CHILD, "write_once", path, name, stdout=asyncio.subprocess.PIPE
        )
        for name in names
    ]
    async with asyncio.timeout(6 * SECONDS):
        assert [(await process.communicate())[0] for process in processes] == [b"written\n"] * 4
    async with opened(path) as store:
        assert [item.meta.name for item in (await store.list(NODE)).items] == names
    assert list(path.parent.iterdir()) == [path]


async def test_watchers_of_other_processes_are_woken_and_do_not_poll(path: Path) -> None:
    async with opened(path) as store:
        await store.identity()
        async with watching(store.watch(NODE, "0")) as watch, child("write_on", path, "busy") as writer:
            # Far more changes than safety looks fit into the time.
            async with asyncio.timeout(SECONDS):
                for _ in range(30):
                    assert await watch.batch()
            writer.kill()


async def test_a_lock_of_another_process_is_named_and_reads_go_on(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
        async with child("hold_lock", path, "IMMEDIATE") as holder:
            assert await line(holder) == "locked"
            write = asyncio.create_task(store.create(NODE, node("node-02")))
            assert (await store.list(NODE)).items
            with pytest.raises(Unreachable, match=rf"locked by process {holder.pid} \(python"):
                await write
        await store.create(NODE, node("node-02"))


async def test_a_store_that_another_process_keeps_to_itself_is_told_with_its_name(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
    async with opened(path) as store, child("hold_lock", path, "EXCLUSIVE") as holder:
        assert await line(holder) == "locked"
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(refused(call)) for call in (store.list(NODE), store.create(NODE, node("n")))]
        for call in calls:
            assert f"locked by process {holder.pid} (python" in str(call.result())
        holder.kill()
        await holder.wait()
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["node-01"]


async def refused(call: Coroutine[Any, Any, Any]) -> Unreachable:
    with pytest.raises(Unreachable) as refusal:
        await call
    return refusal.value


async def test_a_damaged_store_is_told_and_not_written_to(path: Path) -> None:
    async with opened(path) as store:
        await store.apply([manifest(NODE, node(f"n{number}")) for number in range(300)])
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = b"\xa5" * (len(content) // 2 - 4096)
    path.write_bytes(content)
    async with opened(path) as store:
        with pytest.raises(WrongStore, match=r"is damaged .*restore a copy"):
            await store.list(NODE)
        with pytest.raises(WrongStore, match=r"is damaged .*restore a copy"):
            await store.create(NODE, node())
    assert path.read_bytes() == content


async def test_a_write_that_its_caller_gave_up_is_not_made_later(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
        async with child("hold_lock", path, "IMMEDIATE") as holder:
            assert await line(holder) == "locked"
            # The first waits for the lock, the second for the first.
            writes = [asyncio.create_task(store.create(NODE, node(f"late-{number}"))) for number in range(2)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await asyncio.gather(*writes)
            assert all(write.cancelled() for write in writes)
        await store.create(NODE, node("node-02"))
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["node-01", "node-02"]


@pytest.fixture
def small_disk(directory: Path) -> Iterator[Path]:
    mount = directory / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "flatbgp-test", mount], check=True)
    yield mount
    subprocess.run(["umount", mount], check=True)


@NEEDS_ROOT
async def test_a_full_disk_is_named_loses_nothing_and_heals(small_disk: Path) -> None:
    path = small_disk / "store.db"
    async with opened(path) as store:
        await store.create(NODE, node())
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 1024):
                    pass
            except OSError:
                pass
        big = {"metadata": {"annotations": {"filler": "x" * 20000}}}
        with pytest.raises(Unreachable, match=r"disk of .*small is full.*free some space"):
            await store.patch(NODE, "node-01", "", big)
        found = await store.get(NODE, "node-01")
        assert found is not None
        assert "filler" not in found.meta.annotations
        filler.unlink()
        await store.patch(NODE, "node-01", "", big)
    assert integrity(path) == "ok"


@NEEDS_ROOT
async def test_a_store_on_a_full_disk_cannot_be_made_and_leaves_nothing(small_disk: Path) -> None:
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(b"x" * (2 << 20))
    async with opened(small_disk / "store.db") as store:
        with pytest.raises(Unreachable, match="full"):
            await store.create(NODE, node())
        assert list(small_disk.iterdir()) == [filler]
        filler.unlink()
        await store.create(NODE, node())


async def test_s47_only_what_was_forgotten_has_to_be_listed_again(path: Path) -> None:
    async with opened(path, kept=3) as store:
        start = (await store.list(NODE)).version
        await store.create(BGP_PEER, peer())
        for number in range(6):
            await store.create(NODE, node(f"node-{number}"))
            await store.delete(NODE, f"node-{number}")
        end = (await store.list(NODE)).version

        with pytest.raises(Expired, match="list again"):
            await anext(store.watch(NODE, start))
        recent = store.watch(NODE, str(int(end) - 5))
        told = Counter(change.type.value for change in await anext(recent))
        assert told == {"deleted": 3}
        await recent.aclose()
        # Peers were never deleted: their watchers miss nothing.
        peers = store.watch(BGP_PEER, start)
        assert [change.type.value for change in await anext(peers)] == ["put"]
        await peers.aclose()


async def test_s48_heartbeats_leave_nothing_behind(path: Path) -> None:
    async with opened(path) as store, opened(path) as reader:
        await store.apply([manifest(NODE, node(f"node-{number:03}")) for number in range(100)])
        wal = Path(f"{path}-wal")
        async with watching(reader.watch(NODE, (await reader.list(NODE)).version)) as watch:
            for beat in range(60):
                labels = {"beat": str(beat)}
                await store.apply([manifest(NODE, node(f"node-{n:03}", annotations=labels)) for n in range(100)])
                assert await watch.batch()
        assert wal.stat().st_size <= WAL_BYTES
        assert path.stat().st_size < 1 << 20
        # The first heartbeat can still be resumed from: states are kept, not changes.
        watch_from_start = reader.watch(NODE, "1")
        assert len(await anext(watch_from_start)) == 100
        await watch_from_start.aclose()


async def test_a_url_with_odd_characters_is_a_path_like_any_other(directory: Path) -> None:
    odd = directory / "with blank, ?, # and % ü.db"
    store = open_store(f"sqlite:{odd}")
    await store.create(NODE, node())
    await store.close()
    assert list(directory.iterdir()) == [odd]
