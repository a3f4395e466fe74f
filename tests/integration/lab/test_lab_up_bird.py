"""``flatbgp lab up --router bird``: the same network with another implementation of BGP in its routers."""

from ipaddress import ip_address, ip_network

import pytest

from flatbgp.lab.bird import parse_established, parse_routes
from flatbgp.lab.waiting import wait_until
from support.machine import Machine
from support.sandbox import Sandbox

ROUTES = {
    ip_network("222.2.0.0/24"): {ip_address("10.0.1.11")},
    ip_network("222.2.1.0/24"): {ip_address("10.0.3.12")},
    ip_network("222.2.2.0/24"): {ip_address("10.0.1.13")},
}
NEIGHBORS = {
    "router-1": {ip_address("10.0.1.100"), ip_address("10.0.3.100"), ip_address("198.18.0.2")},
    "router-2": {ip_address("10.0.1.100"), ip_address("10.0.3.100"), ip_address("198.18.0.1")},
}


def birdc(machine: Machine, router: str, command: str) -> str:
    done = machine.run("birdc", "-s", f"/run/flatbgp-lab/{router}/bird.ctl", command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(240)
def test_s01_birds_have_every_session_and_exactly_the_routes_and_go_without_a_trace(sandbox: Sandbox) -> None:
    machine = Machine(sandbox)
    up = machine.flatbgp("lab", "up", "--router", "bird")
    assert up.returncode == 0, up.stderr
    assert "birdc -s /run/flatbgp-lab/router-1/bird.ctl show route" in up.stdout

    for router, neighbors in NEIGHBORS.items():
        wait_until(
            f"the sessions of {router}",
            lambda router=router: parse_established(birdc(machine, router, "show protocols all")),
            lambda seen, neighbors=neighbors: seen == neighbors,
            deadline=90,
            interval=0.5,
        )
        wait_until(
            f"the routes of {router}",
            lambda router=router: parse_routes(birdc(machine, router, "show route where source = RTS_BGP all")),
            lambda seen: {prefix: set(next_hops) for prefix, next_hops in seen.items()} == ROUTES,
            deadline=30,
            interval=0.5,
        )
    refused = machine.flatbgp("lab", "kill-gateway")
    assert refused.returncode == 1
    assert "the routers of this lab run BIRD" in refused.stderr

    assert machine.flatbgp("lab", "down").returncode == 0
    assert (machine.network_namespaces(), machine.lab_directory(), machine.processes()) == ([], [], [])
