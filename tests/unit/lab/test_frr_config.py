"""The configuration of the lab's routers."""

from ipaddress import ip_address, ip_interface

from flatbgp.lab.frr import render
from flatbgp.lab.topology import Neighbor, Router
from flatbgp.resources.secrets import Password

ROUTER = Router(
    name="router-1",
    asn=65002,
    rack="rack-1",
    addresses=(ip_interface("10.0.1.254/24"),),
    transit=(ip_interface("198.18.0.1/24"),),
    neighbors=(
        Neighbor(ip_address("10.0.1.100"), 65001, Password("hunter2"), multihop=True),
        Neighbor(ip_address("198.18.0.2"), 65002),
    ),
)


def test_each_neighbor_is_configured_once_and_offers_both_families() -> None:
    lines = render(ROUTER).splitlines()

    assert lines.count(" neighbor 10.0.1.100 remote-as 65001") == 1
    assert lines.count("  neighbor 10.0.1.100 activate") == 2
    assert lines.count("  neighbor 198.18.0.2 activate") == 2


def test_only_what_is_several_hops_away_is_multihop() -> None:
    multihop = [line.strip() for line in render(ROUTER).splitlines() if "multihop" in line]

    assert multihop == ["neighbor 10.0.1.100 ebgp-multihop 255"]


def test_a_password_is_set_where_there_is_one() -> None:
    passwords = [line.strip() for line in render(ROUTER).splitlines() if "password" in line]

    assert passwords == ["neighbor 10.0.1.100 password hunter2"]


def test_s22_routers_keep_routes_while_a_floating_ip_moves() -> None:
    assert " bgp graceful-restart" in render(ROUTER).splitlines()
