"""What may be sent to a daemon."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from typing import Any

import pytest

from flatbgp.engine.errors import EngineError
from flatbgp.engine.limits import check_neighbor, check_path
from flatbgp.engine.model import ExportAttributes, GracefulRestart, Neighbor, Path
from flatbgp.resources.secrets import Password

GOOD = Neighbor(IPv4Address("10.0.1.254"), IPv4Address("10.0.1.100"), 65100, 4_294_967_294)


def test_usual_neighbours_pass() -> None:
    check_neighbor(GOOD)
    check_neighbor(
        replace(
            GOOD,
            password=Password("x" * 80),
            hold_time=65535,
            graceful_restart=GracefulRestart(4095, 1),
            export=ExportAttributes((2**32 - 1,), ((2**32 - 1, 0, 1),), med=0, local_pref=1),
        )
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"address": IPv4Address("0.0.0.0")}, "address 0.0.0.0 should be a unicast address"),
        ({"address": IPv4Address("224.0.0.5")}, "address 224.0.0.5"),
        ({"address": IPv4Address("255.255.255.255")}, "address 255.255.255.255"),
        ({"address": IPv6Address("fe80::1%eth0")}, "without a zone"),
        ({"address": IPv6Address("2001:db8::1")}, "local address 10.0.1.100 should be of the family of the neighbour"),
        ({"address": GOOD.local_address}, "its address is our own local address"),
        ({"local_asn": 0}, "local ASN 0 should be from 1"),
        ({"peer_asn": 0}, "peer ASN 0 should be from 1"),
        ({"peer_asn": 2**32}, "peer ASN 4294967296"),
        ({"hold_time": 2, "keepalive": 1}, "hold time 2 should be from 3"),
        ({"hold_time": 0, "keepalive": 1}, "hold time 0"),
        ({"keepalive": 31}, "keepalive 31 should be from 1 to 30"),
        ({"connect_retry": 0}, "connect retry 0"),
        ({"prefix_limit": 0}, "prefix limit 0"),
        ({"password": Password("")}, "the password should have from 1 to 80 bytes"),
        ({"password": Password("\u00e9" * 41)}, "the password should have from 1 to 80 bytes"),
        ({"graceful_restart": GracefulRestart(restart_time=4096)}, "restart time 4096"),
        ({"graceful_restart": GracefulRestart(deferral_time=0)}, "deferral time 0"),
        ({"export": ExportAttributes(communities=(2**32,))}, "community 4294967296"),
        ({"export": ExportAttributes(large_communities=((1, -1, 1),))}, "part of a large community -1"),
        ({"export": ExportAttributes(med=2**32)}, "MED 4294967296"),
        ({"export": ExportAttributes(local_pref=0)}, "LOCAL_PREF 0"),
    ],
)
def test_what_a_daemon_would_choke_on_is_named(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(EngineError) as caught:
        check_neighbor(replace(GOOD, **change))

    assert fault in str(caught.value)
    assert "\u00e9" not in str(caught.value)


@pytest.mark.parametrize("next_hop", ["0.0.0.0", "224.0.0.1", "2001:db8::1"])
def test_a_next_hop_is_a_unicast_address_of_the_family(next_hop: str) -> None:
    address = IPv6Address(next_hop) if ":" in next_hop else IPv4Address(next_hop)

    with pytest.raises(EngineError, match=f"next hop {next_hop} should be a unicast IPv4 address"):
        check_path(Path(IPv4Network("10.0.0.0/24"), address))
