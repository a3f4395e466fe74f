"""The admin role over two embedded stores, and over one."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from random import random

import pytest
import structlog
from roles_rig import admin_options, controller_options, eventually, names, put, put_node, running, runtime
from structlog.testing import capture_logs

from flatbgp.planning.happenings import Happening
from flatbgp.planning.marks import MIRRORED_FROM
from flatbgp.planning.mirror import Places
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.roles.admin import Mirror, find_namespace, mirror
from flatbgp.roles.controller import control
from flatbgp.roles.runtime import RoleFailed, Trouble
from flatbgp.store.cache import CacheSet
from flatbgp.store.protocol import Store
from flatbgp.store.sqlite.store import SqliteStore

NS, KS = "cluster-bm", "kube-system"
PEER = {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254", "sessions": 2}
LABELS = {"flatip-peer": "true"}


@pytest.fixture
async def stores() -> AsyncIterator[tuple[Store, Store]]:
    pair = SqliteStore(None), SqliteStore(None)
    yield pair
    for each in pair:
        await each.close()


async def guide(store: Store, namespace: str = NS) -> None:
    network = {"advancedNetworking": True, "flatIPv4": True, "services": {"cidrBlocks": ["10.96.0.0/12"]}}
    await put(store, CLUSTER, "bm", {"clusterNetwork": network}, namespace=namespace)
    ranges = {"ipv4": {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}}
    await put(store, ADMIN_CLUSTER_CIDR_CONFIG, "wide", ranges, namespace=namespace)
    await put(store, NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100"]}, namespace=namespace)
    mode = {"enableBGPIPv4": True, "peerSelector": LABELS}
    await put(store, ADMIN_FLAT_IP_MODE, "default", mode, namespace=namespace)
    await put(store, BGP_PEER, "bgppeer1", PEER, namespace=namespace, labels=LABELS)


def admin(source: Store, target: Store, **changes: object):
    return running(mirror(runtime(), admin_options(**changes), source, target))


async def copied(store: Store) -> bool:
    return await store.get(FLAT_IP_MODE, "default") is not None  # the last one to be written


async def copies(store: Store) -> set[str]:
    kinds = (FLAT_IP_MODE, CLUSTER_CIDR_CONFIG, NETWORK_GATEWAY_GROUP, BGP_PEER, SECRET)
    items = [item for kind in kinds for item in (await store.list(kind)).items]
    return {f"{item.kind.name} {item.key}" for item in items if MIRRORED_FROM in item.meta.labels}


async def test_s41_sources_are_copied_edits_overwritten_deletions_undone_and_orphans_deleted(stores) -> None:
    source, target = stores
    await guide(source)
    async with admin(source, target):
        await eventually(lambda: copied(target))
        assert await copies(target) == {
            "FlatIPMode default",
            "ClusterCIDRConfig wide",
            f"NetworkGatewayGroup {KS}/default",
            f"BGPPeer {KS}/bgppeer1",
        }

        async def peer_is(sessions: int) -> bool:
            peer = await target.get(BGP_PEER, "bgppeer1", KS)
            return peer is not None and peer.spec is not None and peer.spec.sessions == sessions

        await target.patch(BGP_PEER, "bgppeer1", KS, {"spec": {"sessions": 7}})
        await eventually(lambda: peer_is(2))
        await target.delete(BGP_PEER, "bgppeer1", KS)
        await eventually(lambda: peer_is(2))
        await source.patch(BGP_PEER, "bgppeer1", NS, {"spec": {"sessions": 1}})
        await eventually(lambda: peer_is(1))
        await source.delete(BGP_PEER, "bgppeer1", NS)

        async def gone() -> bool:
            return await target.get(BGP_PEER, "bgppeer1", KS) is None

        await eventually(gone)


async def test_s41_only_an_edit_on_the_user_cluster_is_told_of_and_not_one_of_the_source(stores) -> None:
    source, target = stores
    await guide(source)
    recorded: list[Happening] = []
    log = structlog.stdlib.get_logger()
    clock = asyncio.get_running_loop().time
    wakeup = asyncio.Event()
    async with (
        CacheSet(source, wakeup.set, log=log, clock=clock, random=random) as sources,
        CacheSet(target, wakeup.set, log=log, clock=clock, random=random) as copied_,
    ):
        loop = Mirror(sources, copied_, target, Places(NS, KS), Trouble(log), log, recorded.extend)
        await loop.wait_synced()

        async def peer_is(sessions: int) -> bool:
            await loop.step()
            peer = await target.get(BGP_PEER, "bgppeer1", KS)
            return peer is not None and peer.spec is not None and peer.spec.sessions == sessions

        await eventually(lambda: peer_is(2))
        await source.patch(BGP_PEER, "bgppeer1", NS, {"spec": {"sessions": 3}})
        await eventually(lambda: peer_is(3))
        assert recorded == []
        await target.patch(BGP_PEER, "bgppeer1", KS, {"spec": {"sessions": 7}})
        await eventually(lambda: peer_is(3))
        assert [(each.meta.name, str(each.reason)) for each in recorded] == [("bgppeer1", "Overwritten")]
        assert "was changed here" in recorded[0].message
        await target.delete(BGP_PEER, "bgppeer1", KS)
        await eventually(lambda: peer_is(3))
        assert "was deleted here" in recorded[-1].message
        assert len(recorded) == 2


async def test_an_admin_cluster_that_was_made_anew_takes_nothing_away_until_a_person_accepts_it(stores) -> None:
    source, target = stores
    await guide(source)
    async with admin(source, target):
        await eventually(lambda: copied(target))
    before = await copies(target)
    empty = SqliteStore(None)
    try:
        role = mirror(runtime(), admin_options(cluster_namespace=NS), empty, target)
        with pytest.RaisesGroup(pytest.RaisesExc(RoleFailed, match="was it made anew"), flatten_subgroups=True):
            async with asyncio.timeout(10):
                await role
        assert await copies(target) == before
        await target.delete(LEASE, "flatbgp-admin", KS)
        async with admin(empty, target, cluster_namespace=NS):

            async def followed() -> bool:
                return await copies(target) == set()

            await eventually(followed)
    finally:
        await empty.close()


async def test_secrets_follow_the_peers_that_name_them(stores) -> None:
    source, target = stores
    await guide(source)
    secret = {
        "metadata": {"name": "md5", "namespace": NS},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": b64encode(b"geheim").decode()},
    }
    await source.create(SECRET, secret)
    with capture_logs() as logs:
        async with admin(source, target, secret_namespace="flatbgp"):  # noqa: S106 - a namespace
            await eventually(lambda: copied(target))
            assert await names(target, SECRET) == []
            await source.patch(BGP_PEER, "bgppeer1", NS, {"spec": {"passwordSecretRef": {"name": "md5"}}})

            async def there() -> str:
                copy = await target.get(SECRET, "md5", "flatbgp")
                return copy.spec.password.reveal() if copy and copy.spec and copy.spec.password else ""

            assert await eventually(there) == "geheim"
            await source.patch(SECRET, "md5", NS, {"data": {"password": b64encode(b"neu").decode()}})

            async def rotated() -> bool:
                return await there() == "neu"

            await eventually(rotated)
            await source.patch(BGP_PEER, "bgppeer1", NS, {"spec": {"passwordSecretRef": None}})

            async def gone() -> bool:
                return await names(target, SECRET) == []

            await eventually(gone)
    assert "geheim" not in str(logs)
    assert b64encode(b"geheim").decode() not in str(logs)


async def test_s69_a_copy_in_use_that_is_deleted_by_hand_is_made_again_and_blocks_stay(stores) -> None:
    source, target = stores
    await guide(source)
    await put_node(target, "node-01", "10.0.1.1")
    async with admin(source, target), running(control(runtime(), controller_options(), target)):

        async def routed() -> list[str]:
            return await names(target, BGP_ADVERTISED_ROUTE)

        async def held() -> str:
            copy = await target.get(CLUSTER_CIDR_CONFIG, "wide")
            return copy.meta.uid if copy is not None and copy.meta.finalizers and not copy.meta.deleting else ""

        await eventually(routed)
        first = await eventually(held)
        await target.delete(CLUSTER_CIDR_CONFIG, "wide")

        async def made_again() -> bool:
            return await held() not in ("", first)

        await eventually(made_again)
        node = await target.get(NODE, "node-01")
        assert node is not None
        assert node.spec is not None
        assert [str(block) for block in node.spec.pod_cidrs] == ["222.2.0.0/24"]


async def test_admin_and_user_cluster_may_be_one_store(stores) -> None:
    store, _ = stores
    await guide(store)
    await put_node(store, "node-01", "10.0.1.1")
    async with admin(store, store), running(control(runtime(), controller_options(), store)):

        async def routed() -> list[str]:
            return await names(store, BGP_ADVERTISED_ROUTE)

        await eventually(routed)
        assert {str(item.key) for item in (await store.list(BGP_PEER)).items} == {f"{NS}/bgppeer1", f"{KS}/bgppeer1"}


async def test_an_object_made_by_hand_beside_the_copies_is_left_alone_and_says_so(stores) -> None:
    source, target = stores
    await guide(source)
    await put(target, BGP_PEER, "handmade", PEER | {"peerIP": "10.0.3.254"}, labels=LABELS)
    async with admin(source, target), running(control(runtime(), controller_options(), target)):

        async def said() -> bool:
            peer = await target.get(BGP_PEER, "handmade", KS)
            status = peer.status if peer is not None else None
            return status is not None and [str(c.reason) for c in status.conditions] == ["NotMirrored"]

        await eventually(said)


async def test_s42_an_invalid_source_is_reported_once_and_its_last_good_copy_stays(stores) -> None:
    source, target = stores
    await guide(source)
    with capture_logs() as logs:
        async with admin(source, target):
            await eventually(lambda: copied(target))
            await put(source, SECRET, "x", namespace=NS)  # of no type: only matters once a peer names it
            await source.patch(BGP_PEER, "bgppeer1", NS, {"spec": {"passwordSecretRef": {"name": "x"}}})

            async def reported() -> int:
                return sum("basic-auth" in entry["event"] for entry in logs)

            assert await eventually(reported) == 1
            await source.patch(NETWORK_GATEWAY_GROUP, "default", NS, {"spec": {"floatingIPs": ["10.0.1.101"]}})

            async def followed() -> bool:
                group = await target.get(NETWORK_GATEWAY_GROUP, "default", KS)
                return group is not None and str(group.spec.floating_ips[0]) == "10.0.1.101"

            await eventually(followed)
            assert await reported() == 1


@pytest.mark.parametrize("namespaces", [[], ["cluster-a", "cluster-b"]], ids=["none", "several"])
async def test_without_a_namespace_there_must_be_exactly_one_cluster(stores, namespaces: list[str]) -> None:
    source, _ = stores
    for namespace in namespaces:
        await put(source, CLUSTER, "bm", {"clusterNetwork": {}}, namespace=namespace)
    with pytest.raises(RoleFailed, match="exactly one Cluster") as failure:
        await find_namespace(source, None, Trouble(runtime().log))
    assert failure.value.status == 2
    assert all(f"{namespace}/bm" in str(failure.value) for namespace in namespaces)


async def test_the_namespace_of_the_only_cluster_is_found_and_kube_system_is_refused(stores) -> None:
    source, _ = stores
    await put(source, CLUSTER, "bm", {"clusterNetwork": {}}, namespace=NS)
    trouble = Trouble(runtime().log)
    assert await find_namespace(source, None, trouble) == NS
    assert await find_namespace(source, "other", trouble) == "other"
    with pytest.raises(RoleFailed, match="kube-system") as failure:
        await find_namespace(source, KS, trouble)
    assert failure.value.status == 2
