"""The lab's network by itself: namespaces, LANs, FRR, gobgpd, and what tests measure with."""

import signal
import subprocess
import time
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from flatbgp.lab import frr, gobgpd, views
from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace, existing, plug
from flatbgp.lab.network import Network
from flatbgp.lab.topology import Demand, Neighbor, NodeAddresses, Peering, Router, derive
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.capture import MessageType, start_capture
from support.ping import INTERVAL, start_ping
from support.sandbox import Sandbox

GUIDE = Demand(
    floating_ips=(ip_address("10.0.1.100"), ip_address("10.0.3.100")),
    peerings=(
        Peering(ip_address("10.0.1.254"), asn=65002, node_asn=65001),
        Peering(ip_address("10.0.3.254"), asn=65002, node_asn=65001),
    ),
)


def two_hosts(sandbox: Sandbox) -> tuple[Namespace, Namespace]:
    lan = sandbox.lan("lan")
    hosts = sandbox.host("one"), sandbox.host("two")
    for number, host in enumerate(hosts, 1):
        plug(lan, f"port{number}", host, "eth0")
        host.add_addresses("eth0", [ip_interface(f"10.9.0.{number}/24"), ip_interface(f"2001:db8:9::{number}/64")])
    return hosts


def start_frr(sandbox: Sandbox, router: Router, namespace: Namespace, *further: str) -> frr.RouterProcess:
    config = frr.render(router).removesuffix("exit\n") + "".join(f" {line}\n" for line in further) + "exit\n"
    running = frr.start_router(router.name, config, namespace, sandbox.directory / router.name)
    for process in running.processes:
        sandbox.owns(process)
    sandbox.finally_call(running.vty.close)
    return running


def test_machines_of_both_racks_reach_each_other_and_nothing_shows_outside(sandbox: Sandbox) -> None:
    before = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    network = Network(sandbox.prefix, derive(GUIDE))
    network.build()

    node = network.namespace("node-01")
    for target in ("10.0.1.254", "10.0.1.13", "10.0.3.12", "2001:db8:a00:1::13", "2001:db8:a00:3::12"):
        node.run("ping", "-c", "1", "-W", "2", target)

    after = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in after.splitlines()} == {line.split()[0] for line in before.splitlines()}


def test_nodes_may_be_named_like_words_of_ip_and_like_interfaces(sandbox: Sandbox) -> None:
    names = ("a", "dev", "lan", "lo", "default", "a-node-of-some-data-centre.example.com")
    nodes = tuple(NodeAddresses(name, (ip_address(f"10.0.1.{11 + number}"),)) for number, name in enumerate(names))
    network = Network(sandbox.prefix, derive(replace(GUIDE, nodes=nodes)))
    network.build()
    for name in names:
        network.namespace(name).run("ping", "-c", "1", "-W", "2", "10.0.3.254")


def test_deleting_a_network_ends_what_runs_in_it_and_leaves_no_namespace(sandbox: Sandbox) -> None:
    network = Network(sandbox.prefix, derive(GUIDE))
    network.build()
    log = sandbox.directory / "sleep.log"
    process = sandbox.owns(network.namespace("node-02").start("sleeper", "sleep", "300", log=log))

    network.delete()

    assert process.child.wait(5) == -signal.SIGTERM
    assert list(existing(sandbox.prefix)) == []
    network.delete()  # a second time is no error


def test_a_network_that_failed_half_way_is_deleted_too(sandbox: Sandbox) -> None:
    topology = derive(GUIDE)
    twice = replace(topology, nodes=(*topology.nodes, topology.nodes[0]))
    network = Network(sandbox.prefix, twice)
    with pytest.raises(LabError, match="File exists"):
        network.build()

    network.delete()

    assert list(existing(sandbox.prefix)) == []


def test_pods_answer_and_what_has_no_pod_is_unreachable(sandbox: Sandbox) -> None:
    network = Network(sandbox.prefix, derive(GUIDE))
    network.build()
    network.add_pods("node-01", [ip_network("222.2.0.0/24"), ip_network("2222:3::/120")])
    network.namespace("router-1").ip(
        "route add 222.2.0.0/24 via 10.0.1.11", "route add 2222:3::/120 via 2001:db8:a00:1::11"
    )

    router = network.namespace("router-1")
    router.run("ping", "-c", "1", "-W", "2", "222.2.0.1")
    router.run("ping", "-c", "1", "-W", "2", "2222:3::1")
    with pytest.raises(LabError, match="Unreachable"):
        router.run("ping", "-c", "1", "-W", "2", "222.2.0.9")


def test_frr_routers_exchange_routes_and_the_views_show_exactly_these(sandbox: Sandbox) -> None:
    network = Network(sandbox.prefix, derive(GUIDE))
    network.build()
    one, two = (
        start_frr(sandbox, router, network.namespace(router.name), "no bgp network import-check")
        for router in network.topology.routers
    )
    two.vty.configure("router bgp 65002", "address-family ipv4 unicast", "network 222.2.7.0/24")
    two.vty.configure("router bgp 65002", "address-family ipv6 unicast", "network 2222:7::/120")

    routes = wait_until("the route at router-1", lambda: views.routes(one.vty), deadline=30)

    transit = {each.version: each.ip for each in network.topology.routers[1].transit}
    assert routes == {ip_network("222.2.7.0/24"): {transit[4]}}
    routes6 = wait_until("the IPv6 route", lambda: views.routes(one.vty, Family.IPV6), deadline=30)
    assert routes6 == {ip_network("2222:7::/120"): {transit[6]}}
    assert views.routes(one.vty, of=ip_address("10.0.1.100")) == {}
    session = views.sessions(one.vty)[transit[4]]
    assert session.up
    assert session.remote_asn == 65002
    assert session.accepted == {Family.IPV4: 1, Family.IPV6: 1}
    assert session.received["notifications"] == 0
    assert not views.sessions(one.vty)[ip_address("10.0.1.100")].up


def test_a_configuration_line_that_frr_refuses_is_an_error_and_leaves_no_daemon(sandbox: Sandbox) -> None:
    host = sandbox.host("router")
    with pytest.raises(LabError, match="No such command on config line 1: router bgp none-such"):
        frr.start_router("broken", "router bgp none-such\n", host, sandbox.directory / "broken")
    assert host.pids() == []


def test_gobgpd_answers_on_its_socket_alone_and_a_stale_socket_does_not_stop_it(
    sandbox: Sandbox, gobgpd_binary: str
) -> None:
    host = sandbox.host("node")
    api = sandbox.directory / "node" / "gobgpd.sock"
    first = sandbox.owns(gobgpd.start_gobgpd("gobgpd", host, api, binary=gobgpd_binary))
    first.kill()
    assert api.exists()

    second = sandbox.owns(gobgpd.start_gobgpd("gobgpd", host, api, binary=gobgpd_binary))

    assert second.alive
    assert host.run("ss", "-Hltun").split() == []


def test_pings_are_counted_exactly(sandbox: Sandbox) -> None:
    one, two = two_hosts(sandbox)
    ping4 = start_ping(sandbox, one, ip_address("10.9.0.1"), ip_address("10.9.0.2"))
    ping6 = start_ping(sandbox, one, ip_address("2001:db8:9::1"), ip_address("2001:db8:9::2"))
    time.sleep(0.3)  # these three are the thing to be measured, not waits for something
    before = time.monotonic()
    two.ip("route add blackhole 10.9.0.1/32")
    begun = time.monotonic()
    time.sleep(0.5)
    ended = time.monotonic()
    two.ip("route del blackhole 10.9.0.1/32")
    after = time.monotonic()
    time.sleep(0.3)

    result4, result6 = ping4.stop(), ping6.stop()

    assert list(result4.lost) == list(range(result4.lost[0], result4.lost[-1] + 1))
    # The silence lasted at least from one command's end to the next one's beginning, and at most around both.
    assert ended - begun - 0.05 <= result4.longest_gap <= after - before + 0.1
    assert (ended - begun) / INTERVAL - 10 <= len(result4.lost) <= (after - before) / INTERVAL + 10
    assert result6.lost == ()
    assert result6.longest_gap < 0.1


def test_a_capture_shows_the_bgp_messages_of_a_session(sandbox: Sandbox) -> None:
    one, two = two_hosts(sandbox)
    addresses = ip_interface("10.9.0.1/24"), ip_interface("10.9.0.2/24")
    capture = start_capture(sandbox, one, "eth0", "tcp port 179")
    routers = []
    for number, host in enumerate((one, two)):
        neighbor = Neighbor(addresses[1 - number].ip, 65001 + (1 - number))
        router = Router(f"r{number}", 65001 + number, "rack-1", (), (addresses[number],), (neighbor,))
        routers.append(start_frr(sandbox, router, host, "no bgp network import-check"))
    wait_until("the session", lambda: views.sessions(routers[0].vty)[addresses[1].ip].up, deadline=30)
    routers[1].vty.configure("router bgp 65002", "address-family ipv4 unicast", "network 222.2.7.0/24")
    wait_until("the route", lambda: views.routes(routers[0].vty))

    assert {each.source for each in capture.messages(MessageType.OPEN)} == {each.ip for each in addresses}
    updates = [each for each in capture.messages(MessageType.UPDATE) if bytes([24, 222, 2, 7]) in each.body]
    assert addresses[1].ip in [each.source for each in updates]  # FRR may tell a route back to where it came from
    assert capture.messages(MessageType.NOTIFICATION) == []

    routers[1].vty.execute("clear bgp *")
    (notification, *_) = wait_until("the NOTIFICATION", lambda: capture.messages(MessageType.NOTIFICATION))
    # Cease, Hard Reset, and in it Administrative Reset (RFC 8538 section 3.1): both ends do graceful restart.
    assert notification.body[:4] == bytes([6, 9, 6, 4])
