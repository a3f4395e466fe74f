"""The embedded store's file: how it comes to be, who may use it, and what happens when it is not what it was."""

import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from storedocs import NAMESPACE, child, line, manifest, node, peer, watching

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.store.protocol import Store, StoreError, Unreachable, WrongStore
from flatbgp.store.sqlite import file
from flatbgp.store.url import open_store

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changes users, which needs root")


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:{path}")
    yield store
    await store.close()


def modes(path: Path) -> set[int]:
    files = [path, *(Path(f"{path}{suffix}") for suffix in file.SIDECARS)]
    return {stat.S_IMODE(each.stat().st_mode) for each in files}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_the_group_may_use_all_files_and_others_none(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with opened(path) as store:
            await store.create(NODE, node())
            assert modes(path) == {0o660}
    finally:
        os.umask(before)


@NEEDS_ROOT
async def test_users_of_one_group_share_a_store(path: Path) -> None:
    group = 54321
    path.parent.chmod(0o2770)
    os.chown(path.parent, 50001, group)
    async with child("write_as", path, 50001, group, "first") as first:
        assert await line(first) == "written"
        async with child("write_as", path, 50002, group, "second") as second:
            assert await line(second) == "written"
    async with child("write_as", path, 50003, group, "third") as third:
        assert await line(third) == "written"
    async with opened(path) as store:
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["first", "second", "third"]


@NEEDS_ROOT
async def test_a_user_of_another_group_is_told_so(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
    path.parent.chmod(0o755)
    async with child("write_as", path, 50001, 50001, "third") as stranger:
        said = await line(stranger)
    assert said.startswith("Unreachable")
    assert str(path) in said
    assert "group" in said


async def test_reading_what_does_not_exist_finds_nothing_and_makes_nothing(path: Path) -> None:
    async with opened(path) as store:
        listing = await store.list(NODE)
        assert (listing.items, listing.version) == ((), "0")
        assert await store.get(NODE, "node-01") is None
        assert list(path.parent.iterdir()) == []
        await store.create(NODE, node())
        assert (await store.list(NODE)).items


async def test_asking_for_the_identity_makes_the_store_and_keeps_it(path: Path) -> None:
    async with opened(path) as store:
        identity = await store.identity()
    async with opened(path) as store:
        assert await store.identity() == identity
    async with opened(path.with_name("other.db")) as store:
        assert await store.identity() != identity


async def test_nothing_but_the_file_is_left_when_all_have_closed(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
    assert list(path.parent.iterdir()) == [path]


async def test_a_watch_begins_before_the_store_exists(path: Path) -> None:
    async with opened(path) as reader, opened(path) as writer, watching(reader.watch(NODE, "0")) as watch:
        await writer.create(NODE, node())
        assert await watch.until("node-01") == [("put", "node-01")]


async def test_an_empty_file_is_a_place_for_a_store(path: Path) -> None:
    path.touch()
    async with opened(path) as store:
        assert (await store.list(NODE)).items == ()
        await store.create(NODE, node())
        assert modes(path) == {0o660}


async def test_what_a_deleted_store_left_does_not_get_into_a_new_one(path: Path) -> None:
    old = open_store(f"sqlite:{path}")
    await old.create(NODE, node("old"))
    path.unlink()
    assert Path(f"{path}-wal").exists()
    async with opened(path) as store:
        assert (await store.list(NODE)).items == ()
        await store.create(NODE, node("new"))
        await old.close()
        await store.create(NODE, node("newer"))
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["new", "newer"]
    async with opened(path) as store:
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["new", "newer"]


@pytest.mark.parametrize("content", [b"apiVersion: v1\nkind: Node\n", b"\0" * 100])
async def test_a_file_that_is_no_database_is_named_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    async with opened(path) as store:
        with pytest.raises(WrongStore, match="no flatbgp store"):
            await store.list(NODE)
        with pytest.raises(WrongStore, match="no flatbgp store"):
            await store.create(NODE, node())
    assert path.read_bytes() == content


async def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE objects (a)")
    connection.close()
    before = path.read_bytes()
    async with opened(path) as store:
        with pytest.raises(WrongStore, match="another database"):
            await store.create(NODE, node())
    assert path.read_bytes() == before


async def test_a_store_of_a_newer_version_says_so(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    async with opened(path) as store:
        with pytest.raises(WrongStore, match=r"format 99.*newer flatbgp"):
            await store.list(NODE)


async def test_a_missing_directory_and_a_directory_in_place_of_the_file_are_named(directory: Path) -> None:
    async with opened(directory / "none" / "store.db") as store:
        assert (await store.list(NODE)).items == ()
        with pytest.raises(Unreachable, match=r"there is no directory .*none"):
            await store.create(NODE, node())
    async with opened(directory) as store:
        with pytest.raises(StoreError, match="is no file"):
            await store.list(NODE)


async def test_a_deleted_store_is_noticed_and_never_made_anew_under_its_users(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
        async with watching(store.watch(NODE, (await store.list(NODE)).version)) as watch:
            path.unlink()
            with pytest.raises(WrongStore, match="deleted"):
                await watch.batch()
        with pytest.raises(WrongStore, match=r"deleted.*restart"):
            await store.list(NODE)
        with pytest.raises(WrongStore, match="deleted"):
            await store.create(NODE, node("node-02"))
        assert not path.exists()


async def test_a_store_that_comes_back_is_used_again(path: Path) -> None:
    away = path.with_name("away")
    async with opened(path) as store:
        await store.create(NODE, node())
        for suffix in ("", *file.SIDECARS):
            Path(f"{path}{suffix}").rename(f"{away}{suffix}")
        with pytest.raises(WrongStore):
            await store.get(NODE, "node-01")
        for suffix in ("", *file.SIDECARS):
            if Path(f"{away}{suffix}").exists():
                Path(f"{away}{suffix}").rename(f"{path}{suffix}")
        assert await store.get(NODE, "node-01") is not None
        await store.create(NODE, node("node-02"))


async def test_another_store_in_its_place_is_not_touched(path: Path) -> None:
    other = path.with_name("other.db")
    async with opened(other) as store:
        await store.create(BGP_PEER, peer("foreign"))
    before = other.read_bytes()
    async with opened(path) as store:
        await store.create(NODE, node())
        mine = await store.identity()
        kept = path.with_name("kept.db")
        os.link(path, kept)
        unlinked = kept.read_bytes()
        other.rename(path)

        told = f"replaced.*{mine}.*restart"
        with pytest.raises(WrongStore, match=told):
            await store.list(BGP_PEER)
        with pytest.raises(WrongStore, match=told):
            await store.create(NODE, node("node-02"))
        with pytest.raises(WrongStore, match=told):
            await store.identity()
    assert path.read_bytes() == before
    assert kept.read_bytes() == unlinked


async def test_a_copy_of_the_store_is_another_file_until_a_restart(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
        identity = await store.identity()
    shutil.copy(path, path.with_name("copy.db"))
    async with opened(path) as store:
        await store.create(NODE, node("later"))
        async with watching(store.watch(NODE, (await store.list(NODE)).version)) as watch:
            path.with_name("copy.db").rename(path)
            with pytest.raises(WrongStore, match="replaced"):
                await watch.batch()
    for suffix in file.SIDECARS:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    async with opened(path) as store:
        assert await store.identity() == identity
        assert [item.meta.name for item in (await store.list(NODE)).items] == ["node-01"]


async def test_a_store_that_nobody_may_read_is_unreachable_until_somebody_may(path: Path) -> None:
    async with opened(path) as store:
        await store.create(NODE, node())
        path.chmod(0o000)
        with pytest.raises(Unreachable, match="chmod"):
            await store.list(NODE)
        path.chmod(0o440)
        assert (await store.list(NODE)).items
        with pytest.raises(Unreachable, match="chmod"):
            await store.create(NODE, node("node-02"))
        path.chmod(0o660)
        await store.create(NODE, node("node-02"))


def test_the_filesystem_is_that_of_the_innermost_mount(directory: Path) -> None:
    mounts = directory / "mountinfo"
    mounts.write_text(
        "22 1 254:0 / / rw - ext4 /dev/vda rw\n"
        f"40 22 0:40 / {directory} rw,relatime shared:1 - nfs4 server:/export rw,vers=4.2\n"
        "41 22 0:41 / /nowhere rw - tmpfs none rw\n"
    )
    assert file.filesystem_of(directory / "below", mounts) == "nfs4"
    assert file.filesystem_of(Path("/etc"), mounts) == "ext4"
    assert file.filesystem_of(directory, directory / "missing") == ""
    mounts.write_text("22 1 254:0 / / rw - ext4 /dev/vda rw\n40 22 0:40 / /with\\040blank rw - nfs server:/x rw\n")
    assert file.filesystem_of(Path("/with blank/x"), mounts) == "nfs"


async def test_a_network_filesystem_is_refused_with_the_reason(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one thing here that cannot be had for real on any machine: a network mount.
    monkeypatch.setattr(file, "filesystem_of", lambda _: "nfs4")
    async with opened(path) as store:
        with pytest.raises(Unreachable, match=r"network filesystem \(nfs4\).*local disk"):
            await store.create(NODE, node())
    assert not path.exists()
    monkeypatch.undo()
    async with opened(path) as store:
        await store.create(NODE, node())
    monkeypatch.setattr(file, "filesystem_of", lambda _: "cifs")
    async with opened(path) as store:
        with pytest.raises(Unreachable, match=r"network filesystem \(cifs\)"):
            await store.list(NODE)


async def test_s42_a_bad_object_in_the_store_reads_with_its_faults(path: Path) -> None:
    async with opened(path) as store:
        await store.create(BGP_PEER, peer())
        connection = sqlite3.connect(path)
        connection.execute("UPDATE objects SET document = replace(document, '10.0.1.254', '127.0.0.1')")
        connection.commit()
        connection.close()
        found = await store.get(BGP_PEER, "router", NAMESPACE)
        assert found is not None
        assert found.spec is None
        assert "127.0.0.1" in str(found.faults[0])
        # It still gets a status that says so, and can be mended.
        status = {"status": {"conditions": []}}
        await store.patch(BGP_PEER, "router", NAMESPACE, status, subresource="status")
        await store.apply([manifest(BGP_PEER, peer())])
        mended = await store.get(BGP_PEER, "router", NAMESPACE)
        assert mended is not None
        assert mended.spec is not None
