from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.resources.forms import subdomain_problem
from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.names import further_route_name, lease_name, route_name, session_name

_ADDRESSES = st.ip_addresses()
_LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
_NODES = st.lists(_LABEL, min_size=1, max_size=5).map(".".join).filter(lambda name: len(name) <= 253)


def test_names_are_those_of_the_guide() -> None:
    assert session_name(ip_address("10.0.1.254"), "node-01") == "10.0.1.254-node-01"
    assert route_name(ip_address("222.22.208.240")) == "route-via-222-22-208-240"
    assert lease_name(ip_address("10.0.1.100")) == "floatingip-10-0-1-100"


def test_ipv6_addresses_are_written_in_full() -> None:
    address = ip_address("2001:db8::1")
    assert session_name(address, "n") == "2001-0db8-0000-0000-0000-0000-0000-0001-n"
    assert route_name(address) == "route-via-2001-0db8-0000-0000-0000-0000-0000-0001"
    assert lease_name(address) == "floatingip-2001-0db8-0000-0000-0000-0000-0000-0001"


def test_a_second_prefix_of_a_next_hop_is_in_the_name() -> None:
    assert further_route_name(ip_address("10.0.1.1"), ip_network("222.2.4.0/24")) == "route-via-10-0-1-1-222-2-4-0-24"


@given(_ADDRESSES, _NODES)
def test_every_name_is_valid(address: IPAddress, node: str) -> None:
    prefix = ip_network(address)
    for name in (
        session_name(address, node),
        route_name(address),
        further_route_name(address, prefix),
        lease_name(address),
    ):
        assert subdomain_problem(name) is None
        assert name == name.lower()


@given(_ADDRESSES, _NODES, _ADDRESSES, _NODES)
def test_two_sessions_have_two_names(a: IPAddress, node: str, b: IPAddress, other: str) -> None:
    assert (session_name(a, node) == session_name(b, other)) == ((a, node) == (b, other))


@given(_ADDRESSES, st.sampled_from("abc"), st.sampled_from("xyz"))
def test_long_node_names_are_cut_and_stay_apart(address: IPAddress, first: str, last: str) -> None:
    names = {session_name(address, ".".join(["a" * 60, "b" * 60, "c" * 60, first * 60, last * 8])) for _ in range(2)}
    other = session_name(address, ".".join(["a" * 60, "b" * 60, "c" * 60, first * 60, "w" * 8]))
    assert len(names) == 1
    assert other not in names
    assert all(len(name) <= 253 for name in names)


@given(_ADDRESSES, _ADDRESSES, st.integers(0, 32), st.integers(0, 32))
def test_two_routes_have_two_names(a: IPAddress, b: IPAddress, bits: int, other_bits: int) -> None:
    def further(address: IPAddress, length: int) -> tuple[str, tuple[IPAddress, IPNetwork]]:
        prefix = ip_network((address, length), strict=False)
        return further_route_name(address, prefix), (address, prefix)

    (name, key), (other, other_key) = further(a, bits), further(b, other_bits)
    assert (name == other) == (key == other_key)
    assert len({route_name(a), route_name(b), name}) == (2 if a == b else 3)


@pytest.mark.parametrize("length", range(225, 254))
def test_no_name_ends_in_a_dot_or_dash_where_it_was_cut(length: int) -> None:
    node = ("a" * 8 + ".-.".replace("-", "b") + "c-") * 40
    node = node[: length - 1].rstrip("-.") + "z"
    assert subdomain_problem(session_name(ip_address("2001:db8::1"), node)) is None
