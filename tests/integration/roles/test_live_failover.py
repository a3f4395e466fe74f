"""What the product is for: a gateway dies, a process restarts, and no packet between living nodes is lost."""

import signal
import sqlite3
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address, ip_address

import pytest

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress
from support.binaries import gobgpd
from support.capture import MessageType, start_capture
from support.cluster import Cluster, example
from support.ping import Ping, start_ping
from support.sandbox import Sandbox

RACK_1 = ip_address("10.0.1.100")
OUTAGE_SECONDS = 20.0
"""Four Leases."""

TAKEN_OVER_SECONDS = {"3.10": 20.0, "4.8": 10.5}
"""Default timings: Lease 5 s, the claim, and until Established 1.6 to 4 s (GoBGP 4.8) or 5 to 10 s (3.10)."""


@pytest.fixture(params=["3.10", "4.8"])
def cluster(sandbox: Sandbox, request: pytest.FixtureRequest) -> Cluster:
    place = Cluster(sandbox, example("single-stack-ipv4"), gobgpd_binary=gobgpd(request.param))
    place.start()
    place.await_sessions()
    place.await_routes()
    return place


def ping_between(cluster: Cluster, here: str, there: str) -> Ping:
    """Ping a pod of another rack, both on nodes that live on."""
    source, target = (_pod(cluster, node) for node in (here, there))
    return start_ping(cluster.sandbox, cluster.network.namespace(here), source, target)


def _pod(cluster: Cluster, node: str) -> IPAddress:
    return next(each for each in cluster.pods[node] if Family.of(each) is Family.IPV4)


def holder(cluster: Cluster, address: IPAddress = RACK_1) -> str:
    """Return who holds a floating IP according to its Lease."""
    name = f"floatingip-{str(address).replace('.', '-')}"
    return str(cluster.objects("leases")[name]["spec"].get("holderIdentity", ""))


def holders_on_the_wire(cluster: Cluster, address: IPAddress = RACK_1) -> list[str]:
    """Return the nodes that have the address configured."""
    return [
        node.name
        for node in cluster.topology.nodes
        if f" {address}/32 " in cluster.network.namespace(node.name).run("ip", "-o", "-4", "address", "show")
    ]


def lives_on(dead: str) -> str:
    """Return the other node of rack 1."""
    return "node-03" if dead == "node-01" else "node-01"


def test_s21_s22_a_gateway_loses_power_and_no_ping_is_lost(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    bound = TAKEN_OVER_SECONDS[request.node.callspec.params["cluster"]]
    dead = holder(cluster)
    alive = lives_on(dead)
    expected = cluster.routes()
    ping = ping_between(cluster, alive, "node-02")
    flushes = []

    cluster.power_off(dead)

    def established_from_another_node() -> bool:
        routes = cluster.routes()
        if routes != expected:
            flushes.append(routes)
        session = cluster.sessions()[RACK_1]
        return holders_on_the_wire(cluster) == [alive] and session.up and session.established >= 2

    wait_until(f"{alive} to have the session", established_from_another_node, deadline=bound)
    cluster.await_routes()
    assert flushes == [], "a route was withdrawn during the take-over"
    assert ping.stop().lost == ()


def test_s25_a_killed_speaker_that_is_started_again_keeps_its_address_and_its_sessions(cluster: Cluster) -> None:
    node = holder(cluster)
    before = cluster.sessions()[RACK_1].established
    ping = ping_between(cluster, lives_on(node), "node-02")

    cluster.speaker(node).kill()
    cluster.start_speaker(node)

    # A node that joins proves that the new process really drives the daemon.
    wait_until(
        "the new speaker to report",
        lambda: "address held" in cluster.speaker(node).output,
        deadline=10,
    )
    assert holder(cluster) == node
    assert holders_on_the_wire(cluster) == [node]
    assert cluster.sessions()[RACK_1].established == before, "the session was reset"
    cluster.await_routes()
    assert ping.stop().lost == ()


def test_s38_a_killed_gobgpd_gets_all_routes_before_its_first_session(cluster: Cluster) -> None:
    node = holder(cluster)
    expected = cluster.routes()
    ping = ping_between(cluster, lives_on(node), "node-02")
    flushes = []

    cluster.gobgpds[node].kill()
    cluster.start_gobgpd(node)

    def back() -> bool:
        routes = cluster.routes()
        if routes != expected:
            flushes.append(routes)
        session = cluster.sessions()[RACK_1]
        return session.up and session.established >= 2

    wait_until("the session to be back", back, deadline=25)
    cluster.await_routes()
    assert flushes == []
    assert holder(cluster) == node, "a restart of gobgpd moves nothing"
    assert ping.stop().lost == ()


def test_s37_a_restarted_controller_says_nothing_on_the_wire(cluster: Cluster) -> None:
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-1"), ROUTER_RACK_INTERFACE, "tcp port 179"
    )
    ping = ping_between(cluster, "node-01", "node-02")

    for process in ("controller", "admin"):
        cluster.roles[process].kill()
    cluster.start_controller()
    cluster.start_admin()
    cluster.apply(
        "apiVersion: v1\nkind: Node\nmetadata: {name: extra}\nstatus:\n  addresses:\n"
        "  - {type: InternalIP, address: 10.0.1.77}\n"
    )

    wait_until(
        "the route of a new node",
        lambda: frozenset([IPv4Address("10.0.1.77")]) in cluster.routes().values(),
        deadline=20,
    )
    assert capture.messages(MessageType.NOTIFICATION, MessageType.OPEN) == []
    assert ping.stop().lost == ()


def test_an_orderly_stop_hands_the_address_over_without_a_word_to_the_router(cluster: Cluster) -> None:
    node = holder(cluster)
    alive = lives_on(node)
    expected = cluster.routes()
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-1"), ROUTER_RACK_INTERFACE, "tcp port 179"
    )
    ping = ping_between(cluster, alive, "node-02")

    assert cluster.speaker(node).stop() == 0

    assert node not in holders_on_the_wire(cluster), "the address is off before the process ends"
    wait_until(f"{alive} to hold the address", lambda: holders_on_the_wire(cluster) == [alive], deadline=5)
    wait_until("its session", lambda: cluster.sessions()[RACK_1].up, deadline=20)
    wait_until("the routes", lambda: cluster.routes() == expected, deadline=10)
    assert capture.messages(MessageType.NOTIFICATION) == []
    assert ping.stop().lost == ()


def test_s24_drain_moves_every_address_and_undrain_gives_the_node_its_turn_again(cluster: Cluster) -> None:
    node = holder(cluster)
    alive = lives_on(node)
    ping = ping_between(cluster, alive, "node-02")

    cluster.flatbgp("drain", node, "--store", cluster.stores.user)

    wait_until(f"{alive} to hold the address", lambda: holders_on_the_wire(cluster) == [alive], deadline=10)
    cluster.flatbgp("undrain", node, "--store", cluster.stores.user)
    cluster.power_off(alive)
    wait_until(f"{node} to hold it again", lambda: holders_on_the_wire(cluster)[:1] == [node], deadline=15)
    ping.stop()


def test_s34_the_last_floating_ip_is_removed_and_nothing_stays(cluster: Cluster) -> None:
    group = cluster.objects("networkgatewaygroups", admin=True)["default"]
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-1"), ROUTER_RACK_INTERFACE, "tcp port 179"
    )
    cluster.delete("networkgatewaygroups", "default", group["metadata"]["namespace"], admin=True)

    wait_until("the routes to go", lambda: cluster.routes() == {}, deadline=10)
    wait_until(
        "no node to have an address",
        lambda: not holders_on_the_wire(cluster) and not holders_on_the_wire(cluster, ip_address("10.0.3.100")),
        deadline=10,
    )
    wait_until("no Lease of an address", lambda: _floating(cluster) == [], deadline=10)
    assert [message.body[0] for message in capture.messages(MessageType.NOTIFICATION)].count(6) >= 2, "a Cease each"


def _floating(cluster: Cluster) -> list[str]:
    return [name for name in cluster.objects("leases") if name.startswith("floatingip-")]


def test_s32_all_gateways_lost_and_back_by_themselves(cluster: Cluster) -> None:
    for node in ("node-01", "node-03"):
        cluster.cut(node, off=True)
    wait_until(
        "the group's status to say so",
        lambda: _reason(cluster, str(RACK_1)),
        lambda reason: reason not in ("Held", ""),
        deadline=20,
    )
    assert holders_on_the_wire(cluster) == []

    for node in ("node-01", "node-03"):
        cluster.cut(node, off=False)
    # Sessions may look Established at the router until its hold time ends: the address comes first.
    wait_until("one of them to hold the address", lambda: len(holders_on_the_wire(cluster)) == 1, deadline=20)
    cluster.await_sessions(deadline=40)
    cluster.await_routes()
    assert len(holders_on_the_wire(cluster)) == 1


def _reason(cluster: Cluster, address: str) -> str:
    status = cluster.objects("networkgatewaygroups")["default"].get("status", {})
    return next((each.get("reason", "") for each in status.get("floatingIPs", []) if each["address"] == address), "")


def test_p3_a_locked_store_alone_changes_nothing_and_all_goes_on_after_it(cluster: Cluster) -> None:
    before = {router: cluster.sessions(router)[RACK_1].established for router in cluster.routers}
    node = holder(cluster)
    expected = cluster.routes()
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-1"), ROUTER_RACK_INTERFACE, "tcp port 179"
    )
    ping = ping_between(cluster, "node-01", "node-02")
    faults = []

    def as_before() -> bool:
        if holders_on_the_wire(cluster) != [node] or cluster.routes() != expected:
            faults.append((holders_on_the_wire(cluster), cluster.routes()))
        return time.monotonic() >= end

    with closing(sqlite3.connect(cluster.directory / "user.db", isolation_level=None)) as somebody:
        somebody.execute("BEGIN EXCLUSIVE")
        end = time.monotonic() + OUTAGE_SECONDS
        wait_until("the outage to have lasted", as_before, deadline=2 * OUTAGE_SECONDS, interval=0.1)
        somebody.execute("ROLLBACK")

    cluster.apply(
        "apiVersion: v1\nkind: Node\nmetadata: {name: late}\nstatus:\n  addresses:\n"
        "  - {type: InternalIP, address: 10.0.1.77}\n"
    )
    wait_until(
        "controller and speakers to go on",
        lambda: frozenset([IPv4Address("10.0.1.77")]) in cluster.routes().values(),
        deadline=15,
    )
    assert faults == []
    assert {router: cluster.sessions(router)[RACK_1].established for router in cluster.routers} == before
    assert capture.messages(MessageType.NOTIFICATION, MessageType.OPEN) == []
    assert ping.stop().lost == ()


@pytest.mark.parametrize("cluster", ["4.8"], indirect=True)
@pytest.mark.parametrize("frozen", ["speaker", "gobgpd"])
def test_p4_a_frozen_process_loses_the_address_and_disturbs_nothing_when_it_wakes(
    cluster: Cluster, frozen: str
) -> None:
    node = holder(cluster)
    alive = lives_on(node)
    expected = cluster.routes()
    ping = ping_between(cluster, alive, "node-02")
    process = cluster.speaker(node) if frozen == "speaker" else cluster.gobgpds[node]
    doubles, flushes = [], []

    def taken_over() -> bool:
        holders = holders_on_the_wire(cluster)
        if len(holders) > 1:
            doubles.append(holders)
        if cluster.routes() != expected:
            flushes.append(cluster.routes())
        return holders == [alive] and cluster.sessions()[RACK_1].up

    process.signal(signal.SIGSTOP)
    wait_until(f"{alive} to hold the address", lambda: taken_over() and holder(cluster) == alive, deadline=25)
    wait_until("its session", lambda: taken_over() and cluster.sessions()[RACK_1].established >= 2, deadline=15)
    established = cluster.sessions()[RACK_1].established
    process.signal(signal.SIGCONT)
    # A node that joins now reaches the routers through the new holder, and the old one has had its time to wake.
    cluster.apply(
        "apiVersion: v1\nkind: Node\nmetadata: {name: late}\nstatus:\n  addresses:\n"
        "  - {type: InternalIP, address: 10.0.1.77}\n"
    )
    wait_until("its route", lambda: frozenset([IPv4Address("10.0.1.77")]) in cluster.routes().values(), deadline=15)
    assert holders_on_the_wire(cluster) == [alive]
    assert cluster.sessions()[RACK_1].established == established
    assert doubles == []
    assert flushes == []
    assert ping.stop().lost == ()


@pytest.mark.parametrize("cluster", ["4.8"], indirect=True)
def test_a_second_speaker_for_the_same_node_says_so_and_ends(cluster: Cluster) -> None:
    node = holder(cluster)
    place = cluster.network.namespace(node)
    log = cluster.directory / "second.log"
    second = cluster.sandbox.owns(
        place.start(
            "second", sys.executable, "-m", "flatbgp.cli.main", "speaker", *cluster.speaker_options(node), log=log
        )
    )
    wait_until("the second speaker to end", lambda: not second.alive, deadline=15)
    assert "another speaker runs for node" in log.read_text()
    assert second.stop() == 1
    assert holders_on_the_wire(cluster) == [node]
