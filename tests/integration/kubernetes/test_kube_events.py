"""Events of the controller as an API server keeps them: on Nodes and ranges, counted, with its own permissions only."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from roles_rig import controller_options, eventually, put, put_node, running, runtime

from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.event import EVENT
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kinds import ALL
from flatbgp.roles.controller import control
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store
from support.charted import PASSWORDS, Clusters
from support.kubernetes import CONTROLLER, ApiServer


@pytest.fixture
async def store(clusters: Clusters) -> AsyncIterator[Store]:
    """The user cluster, as its administrator has it."""
    opened = open_store(clusters.user.url())
    yield opened
    await opened.close()
    clusters.user.clear([kind for kind in (*ALL, EVENT) if clusters.user.serves(kind)])


@pytest.fixture
async def own(clusters: Clusters) -> AsyncIterator[Store]:
    """The same, as the controller has it."""
    opened = open_store(clusters.user.url(CONTROLLER))
    yield opened
    await opened.close()


def events(server: ApiServer, name: str) -> dict[str, dict[str, Any]]:
    """Return the Events of an object by reason."""
    items = server.request("GET", "/api/v1/events")["items"]
    return {each["reason"]: each for each in items if each["involvedObject"]["name"] == name}


async def test_s65_s89_a_node_without_a_pod_cidr_and_a_full_range_have_events_that_count(
    clusters: Clusters, store: Store, own: Store
) -> None:
    server = clusters.user
    mode = {"enableBGPIPv4": True, "enableBGPIPv6": False, "peerSelector": {"a": "b"}}
    await put(store, FLAT_IP_MODE, "default", mode)
    await put(store, CLUSTER_CIDR_CONFIG, "small", {"ipv4": {"cidr": "222.2.0.0/24", "perNodeMaskSize": 24}})
    await put_node(store, "node-01", "10.0.1.1")
    options = controller_options(store=server.url(CONTROLLER), secret_namespace=PASSWORDS)

    async def told(name: str, reason: str, count: int = 1) -> bool:
        return events(server, name).get(reason, {}).get("count") == count

    async with running(control(runtime(), options, own)):
        await eventually(lambda: told("small", "Exhausted"))
        await put_node(store, "node-02", "10.0.1.2")
        await eventually(lambda: told("node-02", "CIDRNotAvailable"))
    event = events(server, "node-02")["CIDRNotAvailable"]
    assert (event["type"], event["metadata"]["namespace"]) == ("Warning", "default")
    assert "small has no free block" in event["message"]
    async with running(control(runtime(), options, own)):
        await eventually(lambda: told("node-02", "CIDRNotAvailable", 2))
        await put(store, CLUSTER_CIDR_CONFIG, "more", {"ipv4": {"cidr": "222.3.0.0/24", "perNodeMaskSize": 24}})

        async def served() -> bool:
            return bool(server.request("GET", "/api/v1/nodes/node-02")["spec"].get("podCIDRs"))

        await eventually(served)


async def test_s71_another_allocator_at_work_is_told_on_the_ranges(
    clusters: Clusters, store: Store, own: Store
) -> None:
    server = clusters.user
    selector = {"nodeSelector": {"matchLabels": {"pool": "ours"}}}
    ipv4 = {"cidr": "222.2.0.0/16", "perNodeMaskSize": 24}
    await put(store, CLUSTER_CIDR_CONFIG, "wide", {"ipv4": ipv4, **selector})
    options = controller_options(store=server.url(CONTROLLER), secret_namespace=PASSWORDS)
    async with running(control(runtime(), options, own)):
        await put_node(store, "node-01", "10.0.1.1")

        async def waits() -> bool:
            return "CIDRNotAvailable" in events(server, "node-01")

        await eventually(waits)
        server.merge("/api/v1/nodes/node-01", {"spec": {"podCIDRs": ["10.244.0.0/24"], "podCIDR": "10.244.0.0/24"}})

        async def refused() -> bool:
            return "OtherAllocator" in events(server, "wide")

        await eventually(refused)
        assert "node-01 got 10.244.0.0/24" in events(server, "wide")["OtherAllocator"]["message"]
        await put_node(store, "node-02", "10.0.1.2", labels={"pool": "ours"})

        async def short() -> bool:
            return "another allocator" in events(server, "node-02").get("CIDRNotAvailable", {}).get("message", "")

        await eventually(short)
    assert not server.request("GET", "/api/v1/nodes/node-02")["spec"].get("podCIDRs")
