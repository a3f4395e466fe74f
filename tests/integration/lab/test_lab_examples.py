"""Each of the guide's configurations, from manifests to what FRR's routers have: exact sessions and routes."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest

from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from support.binaries import gobgpd
from support.cluster import Cluster, example
from support.ping import start_ping
from support.sandbox import Sandbox


@dataclass(frozen=True)
class Expected:
    """What an example describes: the router's ASN, the second rack, and the ranges that are announced."""

    asn: int
    rack: int
    announced: tuple[IPNetwork, ...]
    block: dict[Family, int]


IPV4, IPV6 = Family.IPV4, Family.IPV6
EXAMPLES = {
    "single-stack-ipv4": Expected(65002, 3, (ip_network("222.2.0.0/16"),), {IPV4: 24}),
    "dual-stack-flat": Expected(
        65002, 3, (ip_network("222.2.0.0/16"), ip_network("2222:3::/112")), {IPV4: 24, IPV6: 120}
    ),
    "ipv4-island-ipv6-flat": Expected(65002, 3, (ip_network("2222:3::/112"),), {IPV6: 120}),
    "step-by-step": Expected(65000, 2, (ip_network("192.168.0.0/16"),), {IPV4: 24}),
}


@pytest.mark.parametrize("version", ["3.10", "4.8"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_s1_s49_s53_s63_each_example_reaches_its_sessions_and_exactly_its_routes(
    sandbox: Sandbox, name: str, version: str
) -> None:
    expected = EXAMPLES[name]
    cluster = Cluster(sandbox, example(name), gobgpd_binary=gobgpd(version))
    cluster.start()

    cluster.await_sessions()

    floating_ips = {ip_address("10.0.1.100"), ip_address(f"10.0.{expected.rack}.100")}
    for router in ("router-1", "router-2"):
        sessions = cluster.sessions(router)
        assert set(sessions) == floating_ips
        assert {each.remote_asn for each in sessions.values()} == {65001}
    assert {each.asn for each in cluster.topology.routers} == {expected.asn}

    nodes = {node.name: {Family.of(each): each.ip for each in node.addresses} for node in cluster.topology.nodes}
    for family in Family:
        if family in expected.block:
            cluster.await_routes(family)
            routes = cluster.routes(family=family)
            assert len(routes) == len(nodes)
            assert {each.prefixlen for each in routes} == {expected.block[family]}
            assert all(any(each.subnet_of(whole) for whole in _of(family, expected)) for each in routes)  # type: ignore[arg-type]
            assert set(routes.values()) == {frozenset([addresses[family]]) for addresses in nodes.values()}
        else:
            assert cluster.routes("router-1", family) == cluster.routes("router-2", family) == {}

    advertised = {
        (ip_network(each["spec"]["prefix"]), ip_address(each["spec"]["nextHop"]))
        for each in cluster.objects("bgpadvertisedroutes").values()
    }
    assert advertised == {
        (prefix, next_hop)
        for family in Family
        for prefix, next_hops in cluster.routes(family=family).items()
        for next_hop in next_hops
    }

    sessions = cluster.objects("bgpsessions")
    peers = ("10.0.1.254", f"10.0.{expected.rack}.254")
    assert {(each["spec"]["peerIP"], each["spec"]["localIP"]) for each in sessions.values()} == {
        (peer, str(address)) for peer in peers for address in floating_ips
    }
    assert all(name == f"{each['spec']['peerIP']}-{each['spec']['nodeName']}" for name, each in sessions.items())
    wait_until(
        "every BGPSession to say Established",
        lambda: {each.get("status", {}).get("state") for each in cluster.objects("bgpsessions").values()},
        lambda states: states == {"Established"},
    )


def _of(family: Family, expected: Expected) -> list[IPNetwork]:
    return [whole for whole in expected.announced if Family.of(whole) is family]


def test_s53a_pods_of_different_racks_reach_each_other_over_both_families(sandbox: Sandbox) -> None:
    cluster = Cluster(sandbox, example("dual-stack-flat"))
    cluster.start()
    cluster.await_sessions()
    cluster.await_routes(IPV4)
    cluster.await_routes(IPV6)

    def pod(node: str, family: Family) -> IPAddress:
        return next(each for each in cluster.pods[node] if Family.of(each) is family)

    here = cluster.network.namespace("node-01")
    for family in Family:
        for other in ("node-02", "node-03"):
            source, target = pod("node-01", family), pod(other, family)
            wait_until(
                f"{target} to be reached from {source}",
                lambda source=source, target=target: here.run(
                    "ping", "-c", "1", "-W", "1", "-I", str(source), str(target)
                ),
                deadline=5,
            )
    ping = start_ping(sandbox, here, pod("node-01", IPV4), pod("node-02", IPV4))
    cluster.await_routes(IPV4)
    assert ping.stop().lost == ()


OTHER = """
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: cluster-bm}
type: kubernetes.io/basic-auth
stringData: {password: not-a-secret}
---
apiVersion: baremetal.cluster.gke.io/v1
kind: Cluster
metadata: {name: bm, namespace: cluster-bm}
spec: {clusterNetwork: {advancedNetworking: true, flatIPv4: true}}
---
apiVersion: baremetal.cluster.gke.io/v1alpha1
kind: ClusterCIDRConfig
metadata: {name: west, namespace: cluster-bm}
spec:
  ipv4: {cidr: 172.30.0.0/20, perNodeMaskSize: 26}
  ipv6: {cidr: "fd00:30::/110", perNodeMaskSize: 122}
  nodeSelector: {matchLabels: {site: west}}
---
apiVersion: networking.gke.io/v1
kind: NetworkGatewayGroup
metadata: {name: default, namespace: cluster-bm}
spec: {floatingIPs: [172.20.5.100, "fd00:20:5::100"]}
---
apiVersion: baremetal.cluster.gke.io/v1alpha1
kind: FlatIPMode
metadata: {name: default, namespace: cluster-bm}
spec: {enableBGPIPv4: true, enableBGPIPv6: true, peerSelector: {fabric: leaf}}
---
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: leaf4, namespace: cluster-bm, labels: {fabric: leaf}}
spec: {localASN: 4200000001, peerASN: 4200000002, peerIP: 172.20.5.1, passwordSecretRef: {name: bgp}}
---
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: leaf6, namespace: cluster-bm, labels: {fabric: leaf}}
spec: {localASN: 4200000001, peerASN: 4200000002, peerIP: "fd00:20:5::1", passwordSecretRef: {name: bgp}}
---
apiVersion: v1
kind: Node
metadata: {name: worker-with-a-long-name, labels: {site: west}}
status:
  addresses:
  - {type: InternalIP, address: 172.20.5.7}
  - {type: InternalIP, address: "fd00:20:5::7"}
---
apiVersion: v1
kind: Node
metadata: {name: second, labels: {site: west}}
status:
  addresses:
  - {type: InternalIP, address: 172.20.5.8}
  - {type: InternalIP, address: "fd00:20:5::8"}
"""


def test_s12_other_manifests_make_their_own_network_with_passwords_ipv6_sessions_and_wide_asns(
    sandbox: Sandbox,
) -> None:
    cluster = Cluster(sandbox, OTHER)
    assert cluster.topology.summary == "1 rack, 1 router, 2 nodes"
    cluster.start()

    cluster.await_sessions()
    cluster.await_routes(IPV4)
    cluster.await_routes(IPV6)

    sessions = cluster.sessions()
    assert set(sessions) == {ip_address("172.20.5.100"), ip_address("fd00:20:5::100")}
    assert {each.remote_asn for each in sessions.values()} == {4200000001}
    next_hops = {ip_address("172.20.5.7"), ip_address("172.20.5.8")}
    assert {hop for hops in cluster.routes().values() for hop in hops} == next_hops
    assert len(cluster.routes(family=IPV6)) == 2
