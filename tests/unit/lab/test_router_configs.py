"""Configurations of the lab's routers: one for each implementation, from the same topology."""

from pathlib import Path

import pytest

from flatbgp.lab import bird, frr
from flatbgp.lab.bird import parse_established, parse_routes
from flatbgp.lab.commands import LabError
from flatbgp.lab.containers import be_node, frr_config
from flatbgp.lab.manifests import demand_of, read_manifests
from flatbgp.lab.topology import Topology, derive

MANIFESTS = Path(__file__).parents[3] / "examples" / "single-stack-ipv4.yaml"
MANIFEST = """
---
apiVersion: v1
kind: Secret
metadata: {name: router, namespace: cluster-bm}
type: kubernetes.io/basic-auth
stringData: {username: bgp, password: 'THE-PASSWORD'}
"""


def topology(password: str | None = None) -> Topology:
    text = MANIFESTS.read_text()
    if password is not None:
        text = text.replace("  sessions: 2", "  sessions: 2\n  passwordSecretRef: {name: router}")
        text += MANIFEST.replace("THE-PASSWORD", password)
    return derive(demand_of(read_manifests(text.encode(), "test")))


def test_a_container_gets_the_namespace_labs_configuration_and_its_static_routes() -> None:
    whole = topology()
    router = whole.routers[0]

    config = frr_config(router, whole)

    assert config.startswith(frr.render(router))
    assert config.removeprefix(frr.render(router)).splitlines() == [
        "ip route 10.0.3.0/24 198.18.0.2",
        "ipv6 route 2001:db8:a00:3::/64 2001:db8:ffff:ffff::2",
    ]


def test_bird_has_the_same_sessions_and_static_routes() -> None:
    whole = topology()
    router = whole.routers[0]

    lines = [line.strip() for line in bird.render(router, dict(whole.routes_of(router))).splitlines()]

    assert [line for line in lines if line.startswith("neighbor")] == [
        f"neighbor {each.address} as {each.asn};" for each in router.neighbors
    ]
    assert "route 10.0.3.0/24 via 198.18.0.2;" in lines
    assert "route 2001:db8:a00:3::/64 via 2001:db8:ffff:ffff::2;" in lines
    assert lines.count("graceful restart on;") == len(router.neighbors)


def test_what_a_node_says_goes_before_what_another_router_passes_on() -> None:
    (router, *_) = topology().routers
    lines = [line.strip() for line in frr.render(router).splitlines()]
    weighted = {line.split()[1] for line in lines if line.endswith(" weight 1")}
    assert weighted == {"10.0.1.100", "10.0.3.100"}
    protocols = bird.render(router).split("protocol bgp")[1:]
    assert ["preference 101;" in each for each in protocols] == ["198.18.0.2" not in each for each in protocols]


def test_bird_tells_other_routers_what_it_learned_and_nodes_nothing() -> None:
    text = bird.render(topology().routers[0])

    sessions = text.split("protocol bgp ")[1:]
    assert [("198.18.0.2" in each, "export where source = RTS_BGP" in each) for each in sessions] == [
        (False, False),
        (False, False),
        (True, True),
    ]


def test_a_password_that_bird_cannot_read_is_refused_before_it_starts() -> None:
    assert 'password "open sesame";' in bird.render(topology("open sesame").routers[0])
    with pytest.raises(LabError, match="quotation mark"):
        bird.render(topology('open "sesame').routers[0])


def test_s79_a_password_that_frr_cannot_read_is_refused_before_it_starts_and_not_shown() -> None:
    assert " password open#1!sesame\n" in frr.render(topology("open#1!sesame").routers[0])
    with pytest.raises(LabError, match="blank") as refused:
        frr.render(topology("open sesame").routers[0])
    assert "sesame" not in str(refused.value)


def test_birds_tables_are_read_as_sets() -> None:
    text = """Table master4:
222.2.0.0/24         unicast [p0 08:40:01.000] * (100/?) [AS65001i]
	via 10.0.1.11 on rack
	Type: BGP univ
	BGP.next_hop: 10.0.1.11
                     unicast [p1 08:40:01.000] (100/?) [AS65001i]
	via 10.0.1.11 on rack
	BGP.next_hop: 10.0.1.13
"""
    ((prefix, next_hops),) = parse_routes(text).items()

    assert (str(prefix), sorted(map(str, next_hops))) == ("222.2.0.0/24", ["10.0.1.11", "10.0.1.13"])


def test_birds_sessions_are_up_when_established() -> None:
    text = "  BGP state:          Established\n    Neighbor address: 10.0.1.100\n"
    text += "  BGP state:          Active\n    Neighbor address: 10.0.3.100\n"

    assert {str(each) for each in parse_established(text)} == {"10.0.1.100"}


def test_a_container_of_a_node_that_the_manifests_do_not_have_says_which_they_have() -> None:
    resources = read_manifests(MANIFESTS.read_bytes(), "test")

    with pytest.raises(LabError, match="no node 'node-09' in the network of these manifests, but node-01, node-02"):
        be_node(resources, "node-09", "sqlite::memory:", print)
