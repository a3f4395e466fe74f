"""docker-compose.yaml as a person uses it: up, looked at from the routers, gateways killed under ping, down.

All tests share one lab, which each leaves as it was; the last one takes it down.
"""

import json
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from flatbgp.lab.waiting import wait_until
from support.composelab import PROJECT, ROUTERS, ComposeLab, compose_lab
from support.dockerengine import Engine

pytestmark = pytest.mark.timeout(1500)  # the first test may be the one that builds everything

FLOATING_IP = "10.0.1.100"  # of rack 1, where two nodes can hold it
NODES = {"node-01": "10.0.1.11", "node-02": "10.0.3.12", "node-03": "10.0.1.13"}
ROUTES = {
    ip_network("222.2.0.0/24"): frozenset({ip_address("10.0.1.11")}),
    ip_network("222.2.1.0/24"): frozenset({ip_address("10.0.3.12")}),
    ip_network("222.2.2.0/24"): frozenset({ip_address("10.0.1.13")}),
}
ESTABLISHED = "Established"
SESSIONS = {
    "router-1": {"10.0.1.100": ESTABLISHED, "10.0.3.100": ESTABLISHED, "198.18.0.2": ESTABLISHED},
    "router-2": {"10.0.1.100": ESTABLISHED, "10.0.3.100": ESTABLISHED, "198.18.0.1": ESTABLISHED},
}

# Prints the TCP ports that something listens on at each of the addresses in its arguments.
SCAN = """
import json, socket, sys
found = {}
for address in sys.argv[1:]:
    found[address] = []
    for port in range(1, 65536):
        with socket.socket() as probe:
            probe.settimeout(5)
            if probe.connect_ex((address, port)) == 0:
                found[address].append(port)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def lab(images: Engine) -> Iterator[ComposeLab]:
    with compose_lab(images) as running:
        yield running


def other_of_rack_1(node: str) -> str:
    (other,) = {"node-01", "node-03"} - {node}
    return other


def parts_of(node: str) -> tuple[str, ...]:
    number = node.removeprefix("node-")
    return (node, f"gobgpd-{number}", f"speaker-{number}")


def await_all(lab: ComposeLab) -> None:
    """Wait until every session is up and every route is at every router."""
    lab.await_established()
    for router in ROUTERS:
        wait_until(f"routes of {router}", partial(lab.routes, router), lambda seen: seen == ROUTES, deadline=60)


def test_s01_the_lab_comes_up_with_the_exact_sessions_and_routes(lab: ComposeLab) -> None:
    await_all(lab)

    for router in ROUTERS:
        found = {str(address): state for address, state in lab.sessions(router).items()}
        assert found == SESSIONS[router]
        assert lab.routes(router) == ROUTES
    lines = lab.flatbgp("get", "bgpsessions", "-A").splitlines()
    assert lines[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert len(lines) == 1 + 4


def test_nothing_is_written_into_a_container_of_flatbgps(lab: ComposeLab) -> None:
    mount_points = {"A /examples", "A /lab"}
    for service in ("admin", "controller", *(part for node in NODES for part in parts_of(node))):
        written = set(lab.engine.docker("diff", lab.container(service)).stdout.splitlines())

        assert written <= mount_points, service


def test_no_port_of_a_node_is_open_to_another_container(lab: ComposeLab) -> None:
    addresses = (NODES["node-01"], NODES["node-03"], FLOATING_IP, "10.0.1.254")
    network = ("--network", f"{PROJECT}_rack-1", "--entrypoint", "python3")
    done = lab.engine.docker("run", "--rm", *network, "flatbgp:local", "-c", SCAN, *addresses, deadline=300)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert 179 in found.pop("10.0.1.254")  # what is open is seen: a router listens for BGP
    assert found == {address: [] for address in addresses[:-1]}


def test_a_password_is_in_no_containers_settings_and_in_no_log(lab: ComposeLab) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "router-password", "namespace": "cluster-bm"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": "only-for-the-router"},
    }
    store = ("--store", "sqlite:/var/lib/flatbgp/admin.db")
    lab.flatbgp("apply", *store, "-f", "-", text=json.dumps(secret))

    names = lab.engine.docker("ps", "--format", "{{.Names}}").stdout.split()
    assert len(names) >= 13
    for name in names:
        logs = lab.engine.docker("logs", name)
        settings = lab.engine.docker("inspect", name)
        assert "only-for-the-router" not in settings.stdout + logs.stdout + logs.stderr


def test_a_subnet_in_use_is_one_sentence_that_names_the_network(lab: ComposeLab) -> None:
    project = ("--project-name", f"{PROJECT}-second")
    try:
        done = lab.engine.compose(*project, "create", "--no-build")
    finally:
        lab.engine.compose(*project, "down", "--volumes")

    assert done.returncode != 0
    sentence = done.stderr.splitlines()[-1]
    assert f"failed to create network {PROJECT}-second_" in sentence
    assert "overlaps" in sentence


def test_no_engine_is_one_sentence(engine: Engine) -> None:
    nowhere = Engine("unix:///nonexistent/docker.sock", engine.client, engine.compose_command)
    done = nowhere.compose("--project-name", PROJECT, "up", "--wait", "--no-build")

    assert done.returncode != 0
    assert "Cannot connect to the Docker daemon at unix:///nonexistent/docker.sock" in done.stderr.splitlines()[-1]


def test_s21_the_containers_of_a_gateway_are_killed_and_no_ping_is_lost(lab: ComposeLab) -> None:
    await_all(lab)
    holder = lab.holder(FLOATING_IP)
    other = other_of_rack_1(holder)
    pings = lab.start_ping(other, lab.pod("node-02"))

    lab.compose("kill", *parts_of(holder))
    wait_until(
        f"{other} to hold {FLOATING_IP}", lambda: lab.holder(FLOATING_IP), lambda node: node == other, deadline=90
    )
    lab.await_established()
    result = pings.stop()

    assert result.sent > 100
    assert result.lost == ()
    lab.up()
    await_all(lab)


def test_the_speakers_are_replaced_one_after_the_other_and_no_ping_is_lost(lab: ComposeLab) -> None:
    await_all(lab)
    pings = lab.start_ping("node-01", lab.pod("node-02"))

    for node in NODES:
        speaker = parts_of(node)[-1]
        before = lab.engine.client.containers.get(lab.container(speaker)).id
        lab.compose("up", "--wait", "--no-build", "--no-deps", "--force-recreate", speaker)
        assert lab.engine.client.containers.get(lab.container(speaker)).id != before
        await_all(lab)
    result = pings.stop()

    assert result.sent > 100
    assert result.lost == ()


def test_down_leaves_nothing(lab: ComposeLab) -> None:
    assert len(lab.left()) >= 14 + 3 + 6

    lab.down()

    assert lab.left() == []
