"""The controller over the embedded store: pod CIDRs, routes, conditions, orphans, outages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from roles_rig import conditions, controller_options, eventually, names, put, put_node, running, runtime
from storefaults import Fault, FaultyStore
from structlog.testing import capture_logs

from flatbgp.host.clock import boottime
from flatbgp.planning.nodes import Given, NodePlanner
from flatbgp.planning.podcidrs import Outcome
from flatbgp.planning.routes import Announcing
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.lease import LEASE
from flatbgp.resources.meta import Key
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.roles.controller import control
from flatbgp.roles.controller_caches import ControllerCaches
from flatbgp.roles.controller_status import StatusLoop
from flatbgp.roles.runtime import Trouble
from flatbgp.store.cache import CacheSet
from flatbgp.store.election import LeadershipLost
from flatbgp.store.protocol import Store
from flatbgp.store.sqlite import tables
from flatbgp.store.sqlite.store import SqliteStore
from flatbgp.store.sqlite.tables import from_json

KS = "kube-system"


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    opened = SqliteStore(None)
    yield opened
    await opened.close()


async def configure(store: Store, *, v4: bool = True, v6: bool = False, cidr: str = "222.2.0.0/16") -> None:
    await put(store, CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}})
    await put(store, NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100", "10.0.3.100"]})
    mode = {"enableBGPIPv4": v4, "enableBGPIPv6": v6, "peerSelector": {"flatip-peer": "true"}}
    await put(store, FLAT_IP_MODE, "default", mode)
    await put_peer(store, "bgppeer1", "10.0.1.254")


async def put_peer(store: Store, name: str, ip: str, sessions: int = 2, **spec: object) -> None:
    spec = {"localASN": 65001, "peerASN": 65002, "peerIP": ip, "sessions": sessions, **spec}
    await put(store, BGP_PEER, name, spec, labels={"flatip-peer": "true"})


async def put_lease(store: Store, address: str, holder: str, subnet: str, renewed: str = "1") -> None:
    notes = {"flatbgp.io/address": address, "flatbgp.io/subnet": subnet}
    moment = f"2026-01-01T00:00:0{renewed}.000000Z"
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 3600, "renewTime": moment, "leaseTransitions": 1}
    await put(store, LEASE, f"floatingip-{address.replace('.', '-')}", spec, annotations=notes)


async def put_session(store: Store, peer: str, local: str, node: str, state: str = "Established") -> None:
    spec = {"localASN": 65001, "peerASN": 65002, "localIP": local, "peerIP": peer, "nodeName": node, "peer": "bgppeer1"}
    status = {"state": state, "lastReport": "2026-01-01T00:00:00Z", "flaps": 0}
    await put(store, BGP_SESSION, f"{peer}-{node}", spec, status=status)


async def routes(store: Store) -> dict[str, str]:
    items = (await store.list(BGP_ADVERTISED_ROUTE)).items
    return {item.meta.name: str(item.spec.prefix) for item in items if item.spec}


def controller(store: Store, **changes: object):
    return running(control(runtime(), controller_options(**changes), store))


async def test_s49_a_node_that_joins_gets_a_block_and_a_route_and_s50_loses_the_route_when_it_goes(store) -> None:
    await configure(store)
    async with controller(store):
        await put_node(store, "node-01", "10.0.1.1")
        await eventually(lambda: routes(store))
        assert await routes(store) == {"route-via-10-0-1-1": "222.2.0.0/24"}
        await put_node(store, "node-02", "10.0.3.2")
        await eventually(lambda: _equal(routes(store), 2))
        await store.delete(NODE, "node-01")
        await eventually(lambda: _equal(routes(store), 1))
        assert await routes(store) == {"route-via-10-0-3-2": "222.2.1.0/24"}


async def _equal(found, count: int) -> bool:
    return len(await found) == count


async def test_s44_routes_deleted_or_changed_by_hand_are_put_right(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):
        await eventually(lambda: routes(store))
        await store.delete(BGP_ADVERTISED_ROUTE, "route-via-10-0-1-1", KS)
        await eventually(lambda: routes(store))
        await store.patch(BGP_ADVERTISED_ROUTE, "route-via-10-0-1-1", KS, {"spec": {"prefix": "9.9.9.0/24"}})

        async def right() -> bool:
            return await routes(store) == {"route-via-10-0-1-1": "222.2.0.0/24"}

        await eventually(right)


async def test_s46_what_belongs_to_no_node_or_peer_is_removed(store) -> None:
    await configure(store)
    spec = {"prefix": "9.9.9.0/24", "nextHop": "9.9.9.9", "nodeName": "gone"}
    await put(store, BGP_ADVERTISED_ROUTE, "route-via-9-9-9-9", spec)
    await put_session(store, "10.0.1.254", "10.0.1.100", "gone")
    async with controller(store):

        async def clean() -> bool:
            return not await routes(store) and not await names(store, BGP_SESSION)

        await eventually(clean)


async def test_s45_a_settled_cluster_is_not_written_again_not_even_by_a_new_controller(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")

    async def state() -> list[tuple[str, str]]:
        kinds = (NODE, BGP_ADVERTISED_ROUTE, BGP_PEER, FLAT_IP_MODE, NETWORK_GATEWAY_GROUP, CLUSTER_CIDR_CONFIG)
        items = [item for kind in kinds for item in (await store.list(kind)).items]
        return [(item.meta.name, item.meta.resource_version) for item in items]

    async def settled() -> bool:
        found = await conditions(store, CLUSTER_CIDR_CONFIG, "wide")
        mode = await store.get(FLAT_IP_MODE, "default")
        text = mode.status.conditions[0].message if mode and mode.status else ""
        allocated = (await store.get(CLUSTER_CIDR_CONFIG, "wide")).status
        return bool(found and text.startswith("1 routes") and allocated.allocated == 1 and await routes(store))

    async with controller(store):
        await eventually(settled)
    before = await state()
    async with controller(store):
        # The proof that it has looked at everything: it acts on something new, and on nothing else.
        await put_node(store, "node-02", "10.0.3.2")
        await eventually(lambda: _equal(routes(store), 2))
    after = dict(await state())
    untouched = {name: version for name, version in before if name in ("node-01", "route-via-10-0-1-1", "bgppeer1")}
    assert {name: after[name] for name in untouched} == untouched


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
        await eventually(lambda: _equal(routes(store), 2))


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
    async with controller(store):
        await asyncio.sleep(0.3)
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
            await eventually(lambda: _equal(routes(store), 2))
            await store.delete(CLUSTER_CIDR_CONFIG, "wide")  # in use, so it stays, and gives no more
            await put(store, NODE, "node-02", status={"addresses": [{"type": "InternalIP", "address": "10.0.3.2"}]})
            await _eventually_short(store, "node-02")
            await store.patch(NODE, "node-02", "", {"spec": {"podCIDRs": ["222.9.1.0/24"]}})
            await eventually(lambda: _equal(routes(store), 3))
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
        await eventually(lambda: _equal(routes(store), 4))
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
        await eventually(lambda: _equal(routes(store), 1))
        waiting = asyncio.create_task(control(runtime(), controller_options(), store))
        try:
            await asyncio.sleep(0)
            await put_node(store, "node-02", "10.0.3.2")
            await eventually(lambda: _equal(routes(store), 2))
        finally:
            waiting.cancel()
    async with controller(store):
        await put_node(store, "node-03", "10.0.1.3")
        await eventually(lambda: _equal(routes(store), 3))


async def test_s39_a_replica_that_waits_for_the_lead_is_ready(store) -> None:
    await configure(store)
    first, second = runtime(), runtime()
    async with running(control(first, controller_options(), store)):
        await eventually(lambda: _that(first.ready))
        async with running(control(second, controller_options(), store)):
            await eventually(lambda: _that(second.ready))


async def _that(true: bool) -> bool:
    return true


async def test_s42_an_invalid_object_says_so_and_the_last_good_plan_goes_on(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    await put_lease(store, "10.0.1.100", "node-01", "10.0.1.0/24")
    async with controller(store):
        await eventually(lambda: routes(store))
        await _break(store)

        async def invalid() -> bool:
            return (await conditions(store, BGP_PEER, "bgppeer1", KS)).get("Ready") == ("False", "Invalid")

        await eventually(invalid)
        peer = await store.get(BGP_PEER, "bgppeer1", KS)
        assert peer.status.sessions == 2  # of its last good version
        await put_node(store, "node-02", "10.0.3.2")
        await eventually(lambda: _equal(routes(store), 2))


async def _break(store: SqliteStore) -> None:
    """Write what validation would refuse, as an older version might have left it."""

    def spoil(editor) -> None:
        key = Key(KS, "bgppeer1")
        old = from_json(tables.read(editor.connection, BGP_PEER.full_name, key).document)
        editor._store(BGP_PEER, key, old, {**old, "spec": {**old["spec"], "peerIP": "10.0.1.300"}}, None)

    await store._edit(spoil)


async def test_s53_flat_ipv4_off_refuses_ipv4_and_says_why(store) -> None:
    await configure(store, v6=True)
    await put(store, CLUSTER, "bm", {"clusterNetwork": {"flatIPv4": False}}, namespace="cluster-bm")
    await put_node(store, "node-01", "10.0.1.1")
    async with controller(store):

        async def refused() -> bool:
            return (await conditions(store, FLAT_IP_MODE, "default")).get("Ready") == ("False", "FlatIPv4Off")

        await eventually(refused)
        assert await routes(store) == {}


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


async def test_s01_s03_peers_tell_how_many_sessions_are_planned_and_up(store) -> None:
    await configure(store)
    await put_peer(store, "bgppeer2", "10.0.3.254", sessions=3)
    for node, address in (("node-01", "10.0.1.1"), ("node-02", "10.0.3.2")):
        await put_node(store, node, address)
    await put_lease(store, "10.0.1.100", "node-01", "10.0.1.0/24")
    await put_lease(store, "10.0.3.100", "node-02", "10.0.3.0/24")
    await put_session(store, "10.0.1.254", "10.0.1.100", "node-01")
    async with controller(store):

        async def told() -> bool:
            status = (await store.get(BGP_PEER, "bgppeer1", KS)).status
            return status is not None and (status.sessions, status.established) == (2, 1)

        await eventually(told)
        short = await conditions(store, BGP_PEER, "bgppeer2", KS)
        assert short["SessionsComplete"] == ("False", "InsufficientFloatingIPs")
        assert short["Ready"] == ("True", "Ready")
        group = (await store.get(NETWORK_GATEWAY_GROUP, "default", KS)).status
        assert [(str(e.address), e.node, str(e.reason)) for e in group.floating_ips] == [
            ("10.0.1.100", "node-01", "Held"),
            ("10.0.3.100", "node-02", "Held"),
        ]


async def test_s05_the_younger_of_two_peers_with_one_address_is_conflicting(store) -> None:
    await configure(store)
    await put_peer(store, "bgppeer2", "10.0.1.254")
    async with controller(store):

        async def conflicting() -> bool:
            return (await conditions(store, BGP_PEER, "bgppeer2", KS)).get("Ready") == ("False", "Conflicting")

        await eventually(conflicting)


async def test_s19_a_selector_without_match_is_a_condition_and_heals_live(store) -> None:
    await configure(store)
    await store.patch(FLAT_IP_MODE, "default", "", {"spec": {"peerSelector": {"flatip-peer": None, "no": "such"}}})
    async with controller(store):

        async def reason() -> str:
            return (await conditions(store, FLAT_IP_MODE, "default")).get("Ready", ("", ""))[1]

        async def is_reason(word: str) -> bool:
            return await reason() == word

        await eventually(lambda: is_reason("NoMatchingPeer"))
        await store.patch(BGP_PEER, "bgppeer1", KS, {"metadata": {"labels": {"no": "such"}}})
        await eventually(lambda: is_reason("Ready"))


async def test_s39_s40_a_second_controller_stays_passive_and_takes_over_at_once_when_the_first_ends(store) -> None:
    await configure(store)
    async with controller(store):
        await put_node(store, "node-01", "10.0.1.1")
        await eventually(lambda: _equal(routes(store), 1))
        async with controller(store):
            lease = await store.get(LEASE, "flatbgp-controller", KS)
            await put_node(store, "node-02", "10.0.3.2")
            await eventually(lambda: _equal(routes(store), 2))
            assert (await store.get(LEASE, "flatbgp-controller", KS)).spec.holder_identity == lease.spec.holder_identity
    async with controller(store):
        await put_node(store, "node-03", "10.0.1.3")
        await eventually(lambda: _equal(routes(store), 3))


async def test_a_controller_that_lost_its_lease_ends_with_the_reason(store) -> None:
    task = asyncio.create_task(control(runtime(), controller_options(lease_duration=2.0, renew_interval=0.2), store))

    async def leads() -> bool:
        lease = await store.get(LEASE, "flatbgp-controller", KS)
        return lease is not None and bool(lease.spec.holder_identity)

    await eventually(leads)
    await store.patch(LEASE, "flatbgp-controller", KS, {"spec": {"holderIdentity": "another"}})
    with pytest.RaisesGroup(pytest.RaisesExc(LeadershipLost, match="flatbgp-controller"), flatten_subgroups=True):
        await asyncio.wait_for(task, 10)


async def test_an_outage_of_the_store_is_logged_once_and_what_happened_meanwhile_is_made_good(store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    cut_off = FaultyStore(store)
    with capture_logs() as logs:
        async with controller(cut_off, lease_duration=60.0):
            await eventually(lambda: routes(store))
            cut_off.fault = Fault.REFUSED
            await store.delete(BGP_ADVERTISED_ROUTE, "route-via-10-0-1-1", KS)
            await put_node(store, "node-02", "10.0.3.2")

            async def noticed(what: str) -> bool:
                return any(what in entry["event"] for entry in logs)

            await eventually(lambda: noticed("cannot be read"))
            cut_off.fault = Fault.NONE
            await eventually(lambda: noticed("can be read again"))
            await eventually(lambda: _equal(routes(store), 2))
    events = [entry["event"] for entry in logs if "read" in entry["event"]]
    assert events == ["the store cannot be read; going on with what was last known", "the store can be read again"]


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


class Clock:
    """A monotonic and a wall clock that go only when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now - 1000)


@contextlib.asynccontextmanager
async def status_loop(store: Store, clock: Clock) -> AsyncIterator[StatusLoop]:
    log = structlog.stdlib.get_logger()
    async with CacheSet(store, lambda: None, log=log, clock=boottime, random=lambda: 0.5) as group:
        caches = ControllerCaches(group, KS, lambda: None, lambda: None)
        loop = StatusLoop(store, caches, Trouble(log), log, clock, clock.wall, 10.0, lambda _: None)
        await caches.wait_synced()
        yield loop


async def reasons(store: Store) -> list[tuple[str, str]]:
    items = (await store.list(BGP_SESSION)).items
    return [(item.status.state, item.status.reason or "") for item in items if item.status]


async def one_session(store: Store) -> None:
    await configure(store)
    await put_node(store, "node-01", "10.0.1.1")
    await put_lease(store, "10.0.1.100", "node-01", "10.0.1.0/24")
    await put_session(store, "10.0.1.254", "10.0.1.100", "node-01")


async def test_a_speaker_that_misses_three_reports_is_silent_and_one_that_reports_is_not(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 29.9
        pause = await loop.step()
        assert pause == pytest.approx(0.1)
        assert await reasons(store) == [("Established", "")]
        clock.now += 0.2
        await loop.step()
        assert await reasons(store) == [("NotEstablished", "SpeakerSilent")]
        status = (await store.list(BGP_SESSION)).items[0].status
        assert (status.flaps, status.since) == (1, clock.wall().replace(microsecond=0)) or status.flaps == 1
        assert status.last_report == datetime(2026, 1, 1, tzinfo=UTC)  # what the speaker wrote


async def test_reports_are_counted_on_our_own_clock_and_anew_after_each(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        for number in range(1, 8):
            await loop.step()
            clock.now += 10
            report = {"status": {"lastReport": f"2020-01-01T00:00:0{number}Z"}}  # the speaker's clock is years behind
            written = await store.patch(BGP_SESSION, "10.0.1.254-node-01", KS, report, subresource="status")

            async def seen(version: str = written.meta.resource_version) -> bool:
                return loop.caches.sessions[0].meta.resource_version == version

            await eventually(seen)
        await loop.step()
        assert await reasons(store) == [("Established", "")]


async def test_s32_when_nobody_holds_the_address_any_more_the_session_says_no_gateway(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 3601  # the Lease runs out
        await loop.step()
        clock.now += 2
        await loop.step()
        assert await reasons(store) == [("NotEstablished", "NoGateway")]
        peer = await conditions(store, BGP_PEER, "bgppeer1", KS)
        assert peer["Ready"] == ("False", "NoGateway")


async def test_s46_the_session_of_a_former_holder_is_removed_after_the_move(store) -> None:
    await one_session(store)
    await put_node(store, "node-03", "10.0.1.3")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await put_lease(store, "10.0.1.100", "node-03", "10.0.1.0/24", renewed="2")

        async def moved() -> bool:
            return any(lease.spec.holder_identity == "node-03" for lease in loop.caches.leases)

        await eventually(moved)
        await loop.step()
        assert await names(store, BGP_SESSION)  # its speaker may do it
        clock.now += 2
        await loop.step()
        assert not await names(store, BGP_SESSION)


async def test_a_session_that_was_taken_back_is_removed_as_soon_as_the_peer_has_all_that_it_should(store) -> None:
    await one_session(store)
    await put_peer(store, "bgppeer1", "10.0.1.254", sessions=1)
    await put_node(store, "node-02", "10.0.3.2")
    await put_lease(store, "10.0.3.100", "node-02", "10.0.3.0/24")
    await put_session(store, "10.0.1.254", "10.0.3.100", "node-02")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 2
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01"]


async def test_a_session_that_its_speaker_may_have_chosen_stays_as_long_as_it_reports(store) -> None:
    await one_session(store)
    await put_peer(store, "bgppeer1", "10.0.1.254", sessions=1)
    await put_node(store, "node-02", "10.0.3.2")
    await put_lease(store, "10.0.3.100", "node-02", "10.0.3.0/24")
    await put_session(store, "10.0.1.254", "10.0.1.100", "node-01", "NotEstablished")
    await put_session(store, "10.0.1.254", "10.0.3.100", "node-02", "NotEstablished")
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        clock.now += 14
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01", "10.0.1.254-node-02"]
        clock.now += 1
        await loop.step()
        assert await names(store, BGP_SESSION) == ["10.0.1.254-node-01"]


async def test_s45_a_second_look_at_the_same_state_writes_nothing(store) -> None:
    await one_session(store)
    clock = Clock()
    async with status_loop(store, clock) as loop:
        await loop.step()
        version = (await store.list(BGP_PEER)).version

        async def seen() -> bool:
            return all(peer.status is not None for peer in loop.caches.configured().peers)

        await eventually(seen)
        clock.now += 5
        await loop.step()
        assert (await store.list(BGP_PEER)).version == version
