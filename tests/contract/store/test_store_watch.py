"""Watches: every change, in order, from any version that is remembered, in any store."""

import asyncio

import pytest
from storedocs import NAMESPACE, SECONDS, manifest, node, peer, secret, watching

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import ChangeType, Expired, Store

pytestmark = pytest.mark.contract


async def test_a_watch_goes_on_where_a_list_ended(store: Store, other: Store) -> None:
    await store.create(BGP_PEER, peer("before"))
    listing = await store.list(BGP_PEER)
    async with watching(other.watch(BGP_PEER, listing.version)) as watch:
        made = await store.create(BGP_PEER, peer("after"))
        (change,) = await watch.batch()
        assert change.type is ChangeType.PUT
        assert change.resource == made
        assert change.version == made.meta.resource_version

        patched = await store.patch(BGP_PEER, "before", NAMESPACE, {"spec": {"med": 1}})
        (change,) = await watch.batch()
        assert change.resource == patched


async def test_a_deletion_is_told_with_the_last_state(store: Store, other: Store) -> None:
    made = await store.create(BGP_PEER, peer(labels={"rack": "1"}))
    async with watching(other.watch(BGP_PEER, made.meta.resource_version)) as watch:
        await store.delete(BGP_PEER, "router", NAMESPACE)
        (change,) = await watch.batch()
        assert change.type is ChangeType.DELETED
        assert change.resource is not None
        assert change.resource.meta.uid == made.meta.uid
        assert change.resource.spec == made.spec
        assert int(change.version) > int(made.meta.resource_version)


async def test_a_held_deletion_is_a_change_and_its_end_a_deletion(store: Store, other: Store) -> None:
    made = await store.create(BGP_PEER, peer(finalizers=["flatbgp.io/in-use"]))
    async with watching(other.watch(BGP_PEER, made.meta.resource_version)) as watch:
        await store.delete(BGP_PEER, "router", NAMESPACE)
        (change,) = await watch.batch()
        assert change.type is ChangeType.PUT
        assert change.resource is not None
        assert change.resource.meta.deleting
        await store.patch(BGP_PEER, "router", NAMESPACE, {"metadata": {"finalizers": []}})
        (change,) = await watch.batch()
        assert change.type is ChangeType.DELETED


async def test_s47_a_watch_resumes_without_missing_anything(store: Store, other: Store) -> None:
    listing = await store.list(BGP_PEER)
    async with watching(other.watch(BGP_PEER, listing.version)) as watch:
        await store.create(BGP_PEER, peer("a"))
        await watch.until("a")
        version = watch.version
    await store.create(BGP_PEER, peer("b"))
    await store.create(BGP_PEER, peer("c"))
    await store.delete(BGP_PEER, "a", NAMESPACE)
    await store.delete(BGP_PEER, "b", NAMESPACE)
    await store.create(BGP_PEER, peer("b"))

    told: list[tuple[ChangeType, str]] = []
    resumed = other.watch(BGP_PEER, version)
    async with asyncio.timeout(SECONDS):
        async for batch in resumed:
            told += [(change.type, change.resource.meta.name) for change in batch if change.resource]
            if told[-1:] == [(ChangeType.PUT, "b")]:
                break
    await resumed.aclose()
    assert told.index((ChangeType.PUT, "c")) < told.index((ChangeType.DELETED, "a"))
    assert told.index((ChangeType.DELETED, "a")) < told.index((ChangeType.DELETED, "b"))
    assert told[-1] == (ChangeType.PUT, "b")


async def test_many_changes_at_once_come_in_few_batches(store: Store, other: Store) -> None:
    listing = await store.list(NODE)
    async with watching(other.watch(NODE, listing.version)) as watch:
        await store.apply([manifest(NODE, node(f"node-{n:03}", address=f"10.0.2.{n}")) for n in range(1, 201)])
        names: list[str] = []
        batches = 0
        while len(names) < 200:
            names += [change.resource.meta.name for change in await watch.batch() if change.resource]
            batches += 1
        assert names == [f"node-{n:03}" for n in range(1, 201)]
        assert batches <= 10


async def test_other_kinds_and_namespaces_do_not_show(store: Store, other: Store) -> None:
    listing = await store.list(BGP_PEER)
    async with watching(other.watch(BGP_PEER, listing.version, NAMESPACE)) as watch:
        await store.create(SECRET, secret())
        await store.create(NODE, node())
        elsewhere = peer("elsewhere")
        elsewhere["metadata"]["namespace"] = "default"
        await store.create(BGP_PEER, elsewhere)
        await store.delete(BGP_PEER, "elsewhere", "default")
        await store.create(BGP_PEER, peer("here"))
        assert await watch.until("here") == [("put", "here")]


async def test_an_object_that_ceases_to_match_the_labels_is_deleted_for_that_watch(store: Store, other: Store) -> None:
    listing = await store.list(BGP_PEER)
    async with watching(other.watch(BGP_PEER, listing.version, None, {"rack": "1"})) as watch:
        await store.create(BGP_PEER, peer("never", labels={"rack": "2"}))
        await store.patch(BGP_PEER, "never", NAMESPACE, {"metadata": {"labels": {"a": "b"}}})
        await store.create(BGP_PEER, peer("moves", labels={"rack": "1"}))
        assert await watch.until("moves") == [("put", "moves")]
        await store.patch(BGP_PEER, "moves", NAMESPACE, {"metadata": {"labels": {"rack": "2"}}})
        assert await watch.until("moves", ChangeType.DELETED) == [("deleted", "moves")]
        await store.patch(BGP_PEER, "moves", NAMESPACE, {"spec": {"med": 1}})
        await store.patch(BGP_PEER, "moves", NAMESPACE, {"metadata": {"labels": {"rack": "1", "x": "y"}}})
        assert await watch.until("moves") == [("put", "moves")]
        await store.patch(BGP_PEER, "moves", NAMESPACE, {"metadata": {"labels": {"x": None}}})
        assert await watch.until("moves") == [("put", "moves")]
        await store.delete(BGP_PEER, "moves", NAMESPACE)
        assert await watch.until("moves", ChangeType.DELETED) == [("deleted", "moves")]
        await store.delete(BGP_PEER, "never", NAMESPACE)
        await store.create(BGP_PEER, peer("last", labels={"rack": "1"}))
        assert await watch.until("last") == [("put", "last")]


async def test_a_writer_sees_its_own_changes_in_its_own_watch(store: Store) -> None:
    listing = await store.list(BGP_PEER)
    async with watching(store.watch(BGP_PEER, listing.version)) as watch:
        await store.create(BGP_PEER, peer())
        assert await watch.until("router") == [("put", "router")]


async def test_many_watches_of_one_client_each_see_everything(store: Store, other: Store) -> None:
    listing = await store.list(BGP_PEER)
    async with (
        watching(other.watch(BGP_PEER, listing.version)) as one,
        watching(other.watch(BGP_PEER, listing.version)) as two,
        watching(other.watch(NODE, listing.version)) as nodes,
    ):
        await store.create(BGP_PEER, peer())
        await store.create(NODE, node())
        assert await one.until("router") == [("put", "router")]
        assert await two.until("router") == [("put", "router")]
        assert await nodes.until("node-01") == [("put", "node-01")]


async def test_s47_a_version_of_another_store_is_expired(store: Store) -> None:
    await store.create(BGP_PEER, peer())
    for version in ("999999999", "no version"):
        watch = store.watch(BGP_PEER, version)
        with pytest.raises(Expired, match="list again"):
            await anext(watch)
