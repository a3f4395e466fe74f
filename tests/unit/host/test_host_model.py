"""Which of a node's addresses speaks for it in a subnet."""

from ipaddress import ip_address, ip_interface

import pytest

from flatbgp.host.model import Address, Interface, source_for


def interface(*addresses: str, name: str = "eth0") -> Interface:
    return Interface(
        name, 2, "02:00:00:00:00:01", carrier=True, addresses=tuple(Address(ip_interface(a)) for a in addresses)
    )


@pytest.mark.parametrize(
    ("addresses", "target", "source"),
    [
        (["10.0.1.1/24"], "10.0.1.254", "10.0.1.1"),
        (["10.0.1.1/24"], "10.0.2.254", None),
        (["10.0.0.1/16", "10.0.1.1/24"], "10.0.1.254", "10.0.1.1"),
        (["10.0.1.100/32", "10.0.1.1/24"], "10.0.1.100", "10.0.1.1"),
        (["10.0.1.100/32"], "10.0.1.100", None),
        (["10.0.1.1/24", "2001:db8::1/64"], "2001:db8::254", "2001:db8::1"),
        (["fe80::1/64"], "2001:db8::254", None),
        ([], "10.0.1.254", None),
    ],
)
def test_the_source_is_the_nodes_own_address_in_the_subnet(
    addresses: list[str], target: str, source: str | None
) -> None:
    expected = None if source is None else ip_address(source)
    assert source_for([interface(name="lo"), interface(*addresses)], "eth0", ip_address(target)) == expected
    assert source_for([interface(*addresses)], "eth9", ip_address(target)) is None


def test_neither_a_floating_nor_a_tentative_address_is_the_nodes_own() -> None:
    floating = Address(ip_interface("10.0.1.100/24"), ours=True)
    tentative = Address(ip_interface("2001:db8::1/64"), tentative=True)
    own = Interface("eth0", 2, "02:00:00:00:00:01", carrier=True, addresses=(floating, tentative))
    assert own.subnet_of(ip_address("10.0.1.254")) is None
    assert own.subnet_of(ip_address("2001:db8::254")) is None


def test_the_rest_of_a_life_makes_no_difference() -> None:
    assert Address(ip_interface("10.0.1.100/32"), valid=5) == Address(ip_interface("10.0.1.100/32"), valid=4)
