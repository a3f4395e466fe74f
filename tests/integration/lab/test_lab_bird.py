"""BIRD as a router: what the helper configures and reads."""

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from flatbgp.lab import frr
from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import plug
from flatbgp.lab.topology import Neighbor, Router
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family
from support.bird import start_bird
from support.sandbox import Sandbox


def test_bird_takes_the_routes_of_both_families_and_shows_their_next_hops(sandbox: Sandbox) -> None:
    lan = sandbox.lan("lan")
    interfaces = {name: ip_interface(f"10.9.0.{number}/24") for number, name in enumerate(("frr", "bird"), 1)}
    hosts = {name: sandbox.host(name) for name in interfaces}
    for number, (name, host) in enumerate(hosts.items(), 1):
        plug(lan, name, host, "eth0")
        host.add_addresses("eth0", [interfaces[name], ip_interface(f"2001:db8:9::{number}/64")])
    one, two = (
        Router(name, asn, "rack-1", (interfaces[name],), (interfaces[name],), (Neighbor(interfaces[other].ip, peer),))
        for name, asn, other, peer in (("frr", 65001, "bird", 65002), ("bird", 65002, "frr", 65001))
    )
    running = frr.start_router("frr", frr.render(one), hosts["frr"], sandbox.directory / "frr")
    for process in running.processes:
        sandbox.owns(process)
    sandbox.finally_call(running.vty.close)
    bird = start_bird(sandbox, two, hosts["bird"])
    running.vty.configure("router bgp 65001", "no bgp network import-check")
    for family, prefix in (("ipv4", "222.2.7.0/24"), ("ipv6", "2222:7::/120")):
        running.vty.configure("router bgp 65001", f"address-family {family} unicast", f"network {prefix}")

    wait_until("the session", lambda: bird.established() == {interfaces["frr"].ip}, deadline=30)

    wait_until("the IPv4 route", bird.routes, lambda seen: seen == {ip_network("222.2.7.0/24"): {interfaces["frr"].ip}})
    wait_until(
        "the IPv6 route",
        lambda: bird.routes(Family.IPV6),
        lambda seen: seen == {ip_network("2222:7::/120"): {ip_address("2001:db8:9::1")}},
    )
    with pytest.raises(LabError, match="BIRD refused: syntax error"):
        bird.execute("no such command")
