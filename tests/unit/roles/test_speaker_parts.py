"""The parts of the speaker that need neither a kernel nor a daemon."""

from ipaddress import IPv4Address, ip_address, ip_network

from flatbgp.engine.model import Desired, ExportAttributes, Neighbor, Path
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.codec import decode
from flatbgp.resources.secrets import Password
from flatbgp.roles.speaker.memory import Memory
from flatbgp.roles.speaker.sessions import RouteTable, router_id

PREFIX = ip_network("222.2.0.0/24")


def route(name: str, next_hop: str, created: str, version: str = "1", prefix: str = str(PREFIX)):
    return decode(
        BGP_ADVERTISED_ROUTE,
        {
            "apiVersion": "networking.gke.io/v1",
            "kind": "BGPAdvertisedRoute",
            "metadata": {
                "name": name,
                "namespace": "kube-system",
                "creationTimestamp": created,
                "resourceVersion": version,
            },
            "spec": {"prefix": prefix, "nextHop": next_hop, "nodeName": "node-01"},
        },
    )


def table_of(*routes) -> RouteTable:
    table = RouteTable()
    table.update({each.key: each for each in routes})
    return table


def test_s51_while_a_node_has_two_routes_the_newer_one_is_announced():
    old = route("route-via-10-0-1-11", "10.0.1.11", "2026-01-01T00:00:00Z")
    new = route("route-via-10-0-1-12", "10.0.1.12", "2026-01-01T00:00:05Z")
    for order in ((old, new), (new, old)):
        assert table_of(*order).paths == {PREFIX: Path(PREFIX, ip_address("10.0.1.12"))}


def test_s42_an_invalid_route_is_left_out_and_the_others_stay():
    good = route("good", "10.0.1.11", "2026-01-01T00:00:00Z")
    for bad in (
        route("bad", "::1", "2026-01-01T00:00:00Z", prefix="222.2.1.0/24"),
        route("bad", "not an address", "2026-01-01T00:00:00Z", prefix="222.2.1.0/24"),
    ):
        assert set(table_of(good, bad).paths) == {PREFIX}


def test_unchanged_routes_stay_the_same_values():
    table = table_of(route("one", "10.0.1.11", "2026-01-01T00:00:00Z"))
    before = table.paths[PREFIX]
    again = route("one", "10.0.1.11", "2026-01-01T00:00:00Z")
    more = route("two", "10.0.1.12", "2026-01-01T00:00:00Z", prefix="222.2.1.0/24")
    table.update({again.key: again, more.key: more})
    assert table.paths[PREFIX] is before


def test_a_node_without_an_ipv4_address_has_a_stable_router_id_that_no_router_has_as_an_address():
    ids = {router_id(ip_address("2001:db8::1"), name) for name in ("node-01", "node-02", "node-01")}
    assert len(ids) == 2
    assert all(each in ip_network("240.0.0.0/4") and each != IPv4Address("255.255.255.255") for each in ids)
    assert router_id(IPv4Address("10.0.1.11"), "node-01") == IPv4Address("10.0.1.11")


def test_s79_the_plan_on_disk_holds_no_password(tmp_path):
    plain = Neighbor(ip_address("10.0.1.254"), ip_address("10.0.1.100"), 65001, 65002)
    rich = Neighbor(
        ip_address("2001:db8::fe"),
        ip_address("2001:db8::100"),
        65001,
        65001,
        graceful_restart=None,
        export=ExportAttributes((65001 << 16 | 7,), ((65001, 1, 2),), med=5, local_pref=200),
    )
    secret = Neighbor(
        ip_address("10.0.3.254"), ip_address("10.0.1.100"), 65001, 65002, password=Password("hunter2 is secret")
    )
    paths = {PREFIX: Path(PREFIX, ip_address("10.0.1.11"))}
    neighbors = {each.address: each for each in (plain, rich, secret)}
    memory = Memory.of(tmp_path, "sqlite:/x", "node-01")
    memory.remember(Desired(IPv4Address("10.0.1.11"), "marker", neighbors, paths))

    assert "hunter2" not in (memory.folder / "last-plan.json").read_text()
    expected = {each.address: each for each in (plain, rich)}
    assert memory.recall("marker") == Desired(IPv4Address("10.0.1.11"), "marker", expected, paths)


def test_the_memory_of_another_store_or_node_is_never_used(tmp_path):
    memory = Memory.of(tmp_path, "sqlite:/x", "node-01")
    memory.learn("store-1")
    assert Memory.of(tmp_path, "sqlite:/x", "node-01").identity() == "store-1"
    assert Memory.of(tmp_path, "sqlite:/x", "node-02").identity() is None
    assert Memory.of(tmp_path, "sqlite:/y", "node-01").identity() is None


def test_a_plan_that_was_cut_off_is_no_plan(tmp_path):
    memory = Memory.of(tmp_path, "sqlite:/x", "node-01")
    memory.remember(Desired(IPv4Address("10.0.1.11"), "marker"))
    file = memory.folder / "last-plan.json"
    file.write_text(file.read_text()[:-5])
    assert memory.recall("marker") is None
