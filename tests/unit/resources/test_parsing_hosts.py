"""Which addresses can be a host's: the quick answer is the whole one."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flatbgp.resources.ip import Family
from flatbgp.resources.node import NodeAddress, NodeStatus, address_of
from flatbgp.resources.parsing import host_problem

edges = st.sampled_from([0, 1, 126, 127, 128, 168, 169, 170, 223, 224, 239, 240, 255])


@given(st.builds(lambda top, rest: IPv4Address(top << 24 | rest), edges, st.integers(0, 0xFFFFFF)))
@example(IPv4Address("255.255.255.255"))
@example(IPv4Address("240.0.0.1"))
def test_an_ipv4_host_is_what_the_rfcs_call_one(address: IPv4Address) -> None:
    strange = (
        address.is_loopback or address.is_multicast or int(address) >> 24 == 0 or address == IPv4Address(2**32 - 1)
    )
    assert (host_problem(address) is not None) is strange


@given(st.ip_addresses(v=6) | st.builds(lambda n: IPv6Address(0xFE << 120 | n), st.integers(0, 2**120 - 1)))
@example(IPv6Address("::"))
@example(IPv6Address("::1"))
@example(IPv6Address("ff02::1"))
@example(IPv6Address("fe80::1"))
def test_an_ipv6_host_is_what_the_rfcs_call_one(address: IPv6Address) -> None:
    strange = address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local
    assert (host_problem(address) is not None) is strange


@pytest.mark.parametrize("link_local", ["169.254.0.1", "169.254.255.254", "fe80::1", "febf::1"])
def test_a_node_has_no_link_local_address(link_local: str) -> None:
    good = {Family.IPV4: "169.253.0.1", Family.IPV6: "2001:db8::1"}
    addresses = (NodeAddress("InternalIP", link_local), *(NodeAddress("InternalIP", text) for text in good.values()))
    for family, text in good.items():
        assert str(address_of(NodeStatus(addresses), family)) == text
