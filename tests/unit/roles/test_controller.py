"""The controller over the embedded store: routes, conditions, orphans, leadership, outages."""

import asyncio

import pytest
from controller_rig import KS, configure, controller, is_count, is_true, put_lease, put_peer, put_session, routes
from roles_rig import conditions, controller_options, eventually, names, put, put_node, running, runtime
from storefaults import Fault, FaultyStore
from structlog.testing import capture_logs

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
from flatbgp.store.election import LeadershipLost
from flatbgp.store.sqlite import tables
from flatbgp.store.sqlite.store import SqliteStore
from flatbgp.store.sqlite.tables import from_json


async def test_s49_a_node_that_joins_gets_a_block_and_a_route_and_s50_loses_the_route_when_it_goes(store) -> None:
    await configure(store)
    async with controller(store):
        await put_node(store, "node-01", "10.0.1.1")
        await eventually(lambda: routes(store))
        assert await routes(store) == {"route-via-10-0-1-1": "222.2.0.0/24"}
        await put_node(store, "node-02", "10.0.3.2")
        await eventually(lambda: is_count(routes(store), 2))
        await store.delete(NODE, "node-01")
        await eventually(lambda: is_count(routes(store), 1))
        assert await routes(store) == {"route-via-10-0-3-2": "222.2.1.0/24"}


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
        await eventually(lambda: is_count(routes(store), 2))
    after = dict(await state())
    untouched = {name: version for name, version in before if name in ("node-01", "route-via-10-0-1-1", "bgppeer1")}
    assert {name: after[name] for name in untouched} == untouched


async def test_s39_a_replica_that_waits_for_the_lead_is_ready(store) -> None:
    await configure(store)
    first, second = runtime(), runtime()
    async with running(control(first, controller_options(), store)):
        await eventually(lambda: is_true(first.ready))
        async with running(control(second, controller_options(), store)):
            await eventually(lambda: is_true(second.ready))


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
        await eventually(lambda: is_count(routes(store), 2))


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
        await eventually(lambda: is_count(routes(store), 1))
        async with controller(store):
            lease = await store.get(LEASE, "flatbgp-controller", KS)
            await put_node(store, "node-02", "10.0.3.2")
            await eventually(lambda: is_count(routes(store), 2))
            assert (await store.get(LEASE, "flatbgp-controller", KS)).spec.holder_identity == lease.spec.holder_identity
    async with controller(store):
        await put_node(store, "node-03", "10.0.1.3")
        await eventually(lambda: is_count(routes(store), 3))


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
            await eventually(lambda: is_count(routes(store), 2))
    events = [entry["event"] for entry in logs if "read" in entry["event"]]
    assert events == ["the store cannot be read; going on with what was last known", "the store can be read again"]
