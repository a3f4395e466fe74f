from ipaddress import ip_address

import pytest

from flatbgp.resources.ip import Family
from flatbgp.resources.node import NodeAddress, NodeStatus, address_of, completed


def status(*addresses: str, kind: str = "InternalIP") -> NodeStatus:
    return NodeStatus(tuple(NodeAddress(kind, address) for address in addresses))


@pytest.mark.parametrize(
    ("addresses", "ipv4", "ipv6"),
    [
        (["10.0.1.1", "10.0.1.2", "2001:db8::1"], "10.0.1.1", "2001:db8::1"),
        (["192.0.2.1", "fd00::1"], "192.0.2.1", "fd00::1"),
        (["169.254.1.1", "127.0.0.1", "224.0.0.1", "0.0.0.0", "100.64.0.1"], "100.64.0.1", None),
        (["fe80::1", "::1", "ff02::1", "::", "::ffff:10.0.0.1", "2002::1"], None, "2002::1"),
        (["node-01", "", "10.0.1.1/24", "fe80::1%eth0"], None, None),
        ([], None, None),
    ],
)
def test_the_address_of_a_family_is_the_first_that_a_router_can_send_to(
    addresses: list[str], ipv4: str | None, ipv6: str | None
) -> None:
    assert address_of(status(*addresses), Family.IPV4) == (ip_address(ipv4) if ipv4 else None)
    assert address_of(status(*addresses), Family.IPV6) == (ip_address(ipv6) if ipv6 else None)


def test_other_types_of_addresses_do_not_count() -> None:
    assert address_of(status("10.0.1.1", kind="ExternalIP"), Family.IPV4) is None
    assert address_of(status("10.0.1.1", kind="Hostname"), Family.IPV4) is None
    assert address_of(None, Family.IPV4) is None


def test_the_singular_pod_cidr_follows_the_first_of_the_plural() -> None:
    assert completed({"spec": {"podCIDRs": ["a", "b"]}}) == {"spec": {"podCIDRs": ["a", "b"], "podCIDR": "a"}}
    assert completed({"spec": {"podCIDR": "a"}}) == {"spec": {"podCIDRs": ["a"], "podCIDR": "a"}}
    assert completed({"spec": {"podCIDRs": ["b"], "podCIDR": "a"}}) == {"spec": {"podCIDRs": ["b"], "podCIDR": "b"}}
    assert completed({"spec": {"podCIDRs": []}}) == {"spec": {"podCIDRs": []}}
    assert completed({}) == {}
