"""docker-compose.yaml is the lab of the manifests: the same machines and addresses, no more rights than said.

Compose cannot derive addresses from manifests, so the file repeats them; here it is held to the one source.
"""

from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from flatbgp.lab.manifests import demand_of, node_document, read_manifests
from flatbgp.lab.topology import TRANSIT_IPV4, TRANSIT_IPV6, Topology, derive

CHECKOUT = Path(__file__).parents[3]
MANIFESTS = CHECKOUT / "examples" / "single-stack-ipv4.yaml"

RESOURCES = read_manifests(MANIFESTS.read_bytes(), str(MANIFESTS))
DEMAND = demand_of(RESOURCES)
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


@pytest.fixture
def topology() -> Topology:
    return derive(DEMAND)


def _addresses(service: str) -> set[Any]:
    """Return a container's addresses with the masks of their networks."""
    found = set()
    for network, settings in SERVICES[service]["networks"].items():
        masks = {ip_network(each["subnet"]).version: ip_network(each["subnet"]).prefixlen for each in _ipam(network)}
        for key in ("ipv4_address", "ipv6_address"):
            address = ip_address(settings[key])
            found.add(ip_interface(f"{address}/{masks[address.version]}"))
    return found


def _ipam(network: str) -> list[dict[str, str]]:
    config: list[dict[str, str]] = COMPOSE["networks"][network]["ipam"]["config"]
    return config


def test_each_rack_is_a_network_and_the_transit_lan_another(topology: Topology) -> None:
    expected = {rack.name: set(rack.subnets) for rack in topology.racks} | {"transit": {TRANSIT_IPV4, TRANSIT_IPV6}}

    assert {name: {ip_network(each["subnet"]) for each in _ipam(name)} for name in COMPOSE["networks"]} == expected


def test_routers_and_nodes_have_the_addresses_that_the_manifests_lead_to(topology: Topology) -> None:
    expected: dict[str, set[Any]] = {each.name: {*each.addresses, *each.transit} for each in topology.routers}
    expected |= {each.name: set(each.addresses) for each in topology.nodes}

    assert {name: _addresses(name) for name in SERVICES if "networks" in SERVICES[name]} == expected


def test_docker_gives_out_no_address_that_something_else_has(topology: Topology) -> None:
    pools = [ip_network(each["ip_range"]) for name in COMPOSE["networks"] for each in _ipam(name)]
    given = {each.ip for name in SERVICES if "networks" in SERVICES[name] for each in _addresses(name)}
    bridges = {ip_address(each["gateway"]) for name in COMPOSE["networks"] for each in _ipam(name)}
    gateways = {each for rack in topology.racks for each in rack.gateways}

    assert not [each for each in (*given, *DEMAND.floating_ips) if any(each in pool for pool in pools)]
    assert not bridges & (given | set(DEMAND.floating_ips) | gateways)


def test_the_nodes_of_the_examples_are_those_machines(topology: Topology) -> None:
    nodes = [each for each in yaml.safe_load_all((CHECKOUT / "examples" / "nodes.yaml").read_text()) if each]

    assert nodes == [node_document(node) for node in topology.nodes]


def test_a_node_is_a_machine_a_gobgpd_and_a_speaker_in_one_network_namespace(topology: Topology) -> None:
    for node in topology.nodes:
        number = node.name.removeprefix("node-")
        for part in ("gobgpd", "speaker"):
            assert SERVICES[f"{part}-{number}"]["network_mode"] == f"service:{node.name}"
        assert SERVICES[f"speaker-{number}"]["command"][:3] == ["speaker", "--node", node.name]
        sockets = [SERVICES[f"{part}-{number}"]["volumes"][0] for part in ("gobgpd", "speaker")]
        assert set(sockets) == {f"gobgp-{number}:/run/flatbgp"}


def test_nothing_is_privileged_and_every_capability_is_asked_for_by_name() -> None:
    capabilities = {name: set(each.get("cap_add", ())) for name, each in SERVICES.items()}

    assert not any(each.get("privileged") for each in SERVICES.values())
    assert all(each["cap_drop"] == ["ALL"] for each in SERVICES.values())
    assert all(each["security_opt"] == ["no-new-privileges:true"] for each in SERVICES.values())
    assert {name for name, added in capabilities.items() if not added} == {
        *("setup", "admin", "controller"),
        *("gobgpd-01", "gobgpd-02", "gobgpd-03"),
    }
    for name, added in capabilities.items():
        if name.startswith(("speaker", "node")):
            assert added == {"NET_ADMIN", "NET_RAW"}, name


def test_nothing_is_open_to_the_machine_that_it_runs_on() -> None:
    assert not any("ports" in each for each in SERVICES.values())
    assert {name for name in ("admin", "controller", "setup") if SERVICES[name]["network_mode"] == "none"} == {
        *("admin", "controller", "setup")
    }


def test_flatbgps_own_containers_cannot_write_to_their_image() -> None:
    assert all(each["read_only"] for each in SERVICES.values() if each["image"] == "flatbgp:local")


class _Override(yaml.SafeLoader):
    """Reads Compose's ``!override``: a value that takes the place of the other file's instead of adding to it."""


_Override.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def test_with_bird_only_the_routers_differ_and_they_need_less(topology: Topology) -> None:
    text = (CHECKOUT / "docker-compose.bird.yaml").read_text()
    assert "cap_add: !override" in text
    services = yaml.load(text, Loader=_Override)["services"]  # noqa: S506 - a SafeLoader

    assert services.keys() == {router.name for router in topology.routers}
    for name, settings in services.items():
        assert settings.keys() == {"build", "image", "cap_add"}
        assert set(settings["cap_add"]) == {"NET_ADMIN", "NET_BIND_SERVICE"} < set(SERVICES[name]["cap_add"])
