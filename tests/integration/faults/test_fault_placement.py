"""Where addresses are after failures: two on one node, spread again; none at all; removed for good."""

from ipaddress import ip_address

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.capture import MessageType, start_capture
from support.faultcluster import FaultCluster
from support.setups import VERSIONS, Setup, on
from support.takeover import HOLDER_DEAD, LAN_LOST, await_reason, gateway, reason
from support.watch import watching

TWIN = ip_address("10.0.1.101")
SPREAD = 70.0
"""A minute in which the idle node sees the other one with two, up to 5 s of chance, and the hand-over."""

AGAIN = 20.0
REMOVED = 10.0


@on(Setup(profile="fast", further=(str(TWIN),)), profiles=())
def test_s30a_two_addresses_on_one_node_are_one_session_a_router_and_spread_again_without_loss(
    cluster: FaultCluster,
) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        assert watch.holder(TWIN) == lost.other, "each node has one"
        watch.may_lose_pings_of(lost.holder)
        watch.may_drop_routes_from(lost.address)
        watch.may_drop_routes_from(TWIN)

        cluster.power_off(lost.holder)
        lost.await_moved(HOLDER_DEAD["fast"] + 0.3)
        cluster.power_on(lost.holder)

        wait_until(
            "each node to have one again",
            lambda: {watch.holder(lost.address), watch.holder(TWIN)},
            lambda seen: seen == {lost.holder, lost.other},
            deadline=SPREAD,
            interval=0.1,
        )
        cluster.await_whole()


@on(*VERSIONS, profiles=("default",))
def test_s32_all_gateways_lost_and_back_by_themselves(cluster: FaultCluster) -> None:
    with watching(cluster) as watch:
        lost = gateway(watch)
        for node in cluster.nodes:
            watch.may_lose_pings_of(node)
        watch.may_drop_routes_from(lost.address)  # two Leases and a new session may take longer than the router waits
        for node in (lost.holder, lost.other):
            cluster.cut(node, off=True)
        lost.await_gone(LAN_LOST)
        wait_until(
            "the group's status to say so",
            lambda: reason(cluster),
            lambda seen: seen not in ("Held", ""),
            deadline=20,
            interval=0.2,
        )

        for node in (lost.holder, lost.other):
            cluster.cut(node, off=False)

        wait_until("one of them to hold the address", lambda: watch.holder(lost.address), deadline=AGAIN)
        cluster.await_whole()
        await_reason(cluster, "Held")


@on(*VERSIONS, profiles=("default",))
def test_s34_the_last_floating_ip_is_removed_and_nothing_stays(cluster: FaultCluster) -> None:
    cluster.spoiled = True
    floating = cluster.floating_ips
    group = cluster.objects("networkgatewaygroups", admin=True)["default"]
    router = cluster.network.namespace("router-1")
    capture = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, "tcp port 179")
    view = cluster.view("router-1")

    cluster.delete("networkgatewaygroups", "default", group["metadata"]["namespace"], admin=True)

    wait_until("the routes to go", lambda: not view.paths(), deadline=REMOVED)
    wait_until(
        "no node to have an address",
        lambda: not any(cluster.configured_on(address) for address in floating),
        deadline=REMOVED,
    )
    wait_until("no Lease of an address", lambda: _floating(cluster) == [], deadline=REMOVED)
    view.close()
    notifications = capture.messages(MessageType.NOTIFICATION)
    assert [message.body[0] for message in notifications].count(6) >= 2, "a Cease each"


def _floating(cluster: FaultCluster) -> list[str]:
    return [name for name in cluster.objects("leases") if name.startswith("floatingip-")]
