"""The controller gives pod CIDRs: from which ranges, to whom, and when it gives none."""

import asyncio

from controller_rig import configure, controller, is_count, is_true, routes
from roles_rig import conditions, controller_options, eventually, put, put_node, running, runtime
from structlog.testing import capture_logs

from flatbgp.planning.nodes import Given, NodePlanner
from flatbgp.planning.podcidrs import Outcome
from flatbgp.planning.routes import Announcing
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.node import NODE
from flatbgp.roles.controller import control


async def test_s65_exhaustion_is_said_and_a_new_range_heals_it_without_a_restart(store) -> None:
    await configure(store, cidr="222.2.0.0/24")
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):
        await eventually(lambda: routes(store))
        await put_node(store, "node-02", "10.0.3.2")

        async def said() -> bool:
            found = await conditions(store, CLUSTER_CIDR_CONFIG, "wide")
            mode = await conditions(store, FLAT_IP_MODE, "default")
            return found.get("Active") == ("False", "Exhausted") and mode.get("RoutesComplete") == (
                "False",
                "CIDRNotAvailable",
            )

        await eventually(said)
        await put(store, CLUSTER_CIDR_CONFIG, "more", {"ipv4": {"cidr": "222.3.0.0/16", "perNodeMaskSize": 24}})
        await eventually(lambda: is_count(routes(store), 2))


async def test_s69_a_range_in_use_is_held_by_its_finalizer_and_names_its_nodes_until_they_go(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):
        await eventually(lambda: routes(store))
        assert not await store.delete(CLUSTER_CIDR_CONFIG, "wide")

        async def terminating() -> str:
            found = await store.get(CLUSTER_CIDR_CONFIG, "wide")
            each = [c.message for c in found.status.conditions if c.type == "Terminating"] if found.status else []
            return each[0] if each else ""

        assert "node-01" in await eventually(terminating)
        await store.delete(NODE, "node-01")

        async def gone() -> bool:
            return await store.get(CLUSTER_CIDR_CONFIG, "wide") is None

        await eventually(gone)


async def test_a_range_that_comes_a_moment_after_a_less_specific_one_is_not_too_late(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1", labels={"pool": "edge"})
    role = runtime()
    async with running(control(role, controller_options(), store)):
        await eventually(lambda: is_true(role.ready))
        assert await routes(store) == {}, "it has seen the node and one range, and waits for more"
        spec = {
            "ipv4": {"cidr": "10.2.0.0/16", "perNodeMaskSize": 24},
            "nodeSelector": {"matchLabels": {"pool": "edge"}},
        }
        await put(store, CLUSTER_CIDR_CONFIG, "edge", spec)
        await eventually(lambda: routes(store))
        assert set((await routes(store)).values()) == {"10.2.0.0/24"}


async def test_s68_s71_blocks_of_existing_and_of_dying_nodes_are_respected(store) -> None:
    await configure(store)
    await put(
        store, NODE, "dying", {"podCIDRs": ["222.2.0.0/24"], "podCIDR": "222.2.0.0/24"}, finalizers=["example.com/x"]
    )
    await store.delete(NODE, "dying")
    await put(store, NODE, "foreign", {"podCIDRs": ["222.2.1.0/24"], "podCIDR": "222.2.1.0/24"})
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):
        await eventually(lambda: routes(store))
        assert await routes(store) == {"route-via-10-0-1-1": "222.2.2.0/24"}


async def test_s71_nothing_is_given_beside_another_allocator_that_is_at_work(store) -> None:
    await configure(store)
    await put_node(store, "node-00", "10.0.1.10", spec={"podCIDRs": ["222.9.0.0/24"]})
    with capture_logs() as logs:
        async with controller(store):
            await put_node(store, "node-01", "10.0.1.1")
            await eventually(lambda: is_count(routes(store), 2))
            await store.delete(CLUSTER_CIDR_CONFIG, "wide")  # in use, so it stays, and gives no more
            await put(store, NODE, "node-02", status={"addresses": [{"type": "InternalIP", "address": "10.0.3.2"}]})
            await _eventually_short(store, "node-02")
            await store.patch(NODE, "node-02", "", {"spec": {"podCIDRs": ["222.9.1.0/24"]}})
            await eventually(lambda: is_count(routes(store), 3))
            await put(store, CLUSTER_CIDR_CONFIG, "more", {"ipv4": {"cidr": "222.4.0.0/16", "perNodeMaskSize": 24}})
            await put_node(store, "node-03", "10.0.1.3")

            async def refused() -> bool:
                found = await conditions(store, CLUSTER_CIDR_CONFIG, "more")
                return found.get("Active") == ("False", "OtherAllocator")

            await eventually(refused)
            await _eventually_short(store, "node-03")
            assert await routes(store) == {
                "route-via-10-0-1-10": "222.9.0.0/24",
                "route-via-10-0-1-1": "222.2.0.0/24",
                "route-via-10-0-3-2": "222.9.1.0/24",
            }, "what others gave is announced, and node-03 waits"
    assert any("node-02 got 222.9.1.0/24 from another allocator" in entry["event"] for entry in logs)
    async with controller(store):
        await eventually(lambda: is_count(routes(store), 4))
        assert (await routes(store))["route-via-10-0-1-3"] == "222.4.0.0/24", "what was there before is honoured"


async def _eventually_short(store, node: str) -> None:
    async def said() -> bool:
        mode = await store.get(FLAT_IP_MODE, "default")
        found = mode.status.conditions if mode and mode.status else ()
        return any(node in condition.message for condition in found)

    await eventually(said)


async def test_s39_the_blocks_that_another_leader_gave_are_no_other_allocators(store) -> None:
    await configure(store)
    async with controller(store):
        await put_node(store, "node-01", "10.0.1.1")
        await eventually(lambda: is_count(routes(store), 1))
        waiting = asyncio.create_task(control(runtime(), controller_options(), store))
        try:
            await asyncio.sleep(0)
            await put_node(store, "node-02", "10.0.3.2")
            await eventually(lambda: is_count(routes(store), 2))
        finally:
            waiting.cancel()
    async with controller(store):
        await put_node(store, "node-03", "10.0.1.3")
        await eventually(lambda: is_count(routes(store), 3))


async def test_s66_a_range_over_services_or_nodes_says_so_and_keeps_clear_of_them(store) -> None:
    await configure(store, cidr="10.0.0.0/20")
    services = {"cidrBlocks": ["10.0.0.0/24"]}
    spec = {"clusterNetwork": {"flatIPv4": True, "services": services}}
    await put(store, CLUSTER, "bm", spec, namespace="cluster-bm")
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):

        async def said() -> bool:
            return (await conditions(store, CLUSTER_CIDR_CONFIG, "wide")).get("Overlapping") == ("True", "Overlapping")

        await eventually(said)
        await eventually(lambda: routes(store))
        # 10.0.0.0/24 is for services, 10.0.1.0/24 has node, floating IP and router, 10.0.3.0/24 a floating IP.
        assert await routes(store) == {"route-via-10-0-1-1": "10.0.2.0/24"}


async def test_s67_a_write_without_answer_holds_the_block_for_its_node(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    planner, node = NodePlanner(), (await store.list(NODE)).items[0]
    ranges = (await store.list(CLUSTER_CIDR_CONFIG)).items
    first = planner.plan(Given([node], ranges, {}, Announcing()))
    planner.settle(node, Outcome.UNKNOWN)
    await put_node(store, "node-02", "10.0.3.2")
    second = planner.plan(Given((await store.list(NODE)).items, ranges, {}, Announcing()))
    given = {each.node: str(each.pod_cidrs[0]) for _, each in second.assign}
    assert [str(each.pod_cidrs[0]) for _, each in first.assign] == ["222.2.0.0/24"]
    assert given == {"node-01": "222.2.0.0/24", "node-02": "222.2.1.0/24"}
