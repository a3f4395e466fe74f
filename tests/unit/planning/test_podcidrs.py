"""The allocation of pod CIDRs: order of the configs, exhaustion, overlaps, unknown writes, life and death of nodes."""

import random
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planning_objects import make

from flatbgp.planning.blocks import block_of
from flatbgp.planning.podcidrs import Allocator, Assignment, CIDRConfig, Outcome, Shortage
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG


def cidr_config(name, ipv4=None, ipv6=None, selector=None, expressions=None, **more) -> CIDRConfig:
    spec = {}
    for family, text in (("ipv4", ipv4), ("ipv6", ipv6)):
        if text:
            cidr, mask = text.rsplit("->", 1)
            spec[family] = {"cidr": cidr, "perNodeMaskSize": int(mask)}
    if selector or expressions:
        spec["nodeSelector"] = {"matchLabels": selector or {}, "matchExpressions": expressions or []}
    made = make(CLUSTER_CIDR_CONFIG, name, spec, **more)
    assert made.spec is not None, made.faults
    return made


def allocator(*configs: CIDRConfig, reserved=()) -> Allocator:
    made = Allocator()
    made.configure(configs, [ip_network(text) for text in reserved])
    return made


def given_to(outcome: Assignment | Shortage) -> list[str]:
    assert isinstance(outcome, Assignment), outcome
    return [str(network) for network in outcome.pod_cidrs]


def blocks(*texts: str):
    return tuple(block_of(ip_network(text)) for text in texts)


def taken(outcome: Assignment | Shortage):
    return blocks(*given_to(outcome))


LABELS = {"pool": "a", "zone": "z"}
WIDE, NARROW = "10.0.0.0/16->24", "10.1.0.0/16->24"


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        pytest.param(
            cidr_config("a", WIDE, selector={"pool": "a"}),
            cidr_config("b", NARROW, selector={"pool": "a", "zone": "z"}),
            "b",
            id="most requirements",
        ),
        pytest.param(
            cidr_config("a", WIDE, selector={"pool": "a"}),
            cidr_config(
                "b",
                NARROW,
                selector={"pool": "a"},
                expressions=[{"key": "zone", "operator": "Exists"}],
            ),
            "b",
            id="expressions count as requirements",
        ),
        pytest.param(
            cidr_config("a", "10.0.0.0/16->24", selector={"pool": "a"}),
            cidr_config("b", "10.1.0.0/20->24", selector={"pool": "a"}),
            "b",
            id="fewest free blocks",
        ),
        pytest.param(
            cidr_config("a", "10.0.0.0/20->24", "2001:db8::/108->120", selector={"pool": "a"}),
            cidr_config("b", "10.1.0.0/16->24", "2001:db8:1::/118->120", selector={"pool": "a"}),
            "b",
            id="fewest free blocks of the scarcer family",
        ),
        pytest.param(
            cidr_config("a", "10.0.0.0/20->24", selector={"pool": "a"}),
            cidr_config("b", "10.1.0.0/22->26", selector={"pool": "a"}),
            "b",
            id="smallest block",
        ),
        pytest.param(
            cidr_config("a", "10.0.0.0/16->24", selector={"zone": "z"}),
            cidr_config("b", "10.1.0.0/16->24", selector={"pool": "a"}),
            "b",
            id="selector text",
        ),
        pytest.param(
            cidr_config("a", "10.1.0.0/16->24", selector={"pool": "a"}),
            cidr_config("b", "10.0.0.0/16->24", selector={"pool": "a"}),
            "b",
            id="CIDR text",
        ),
        pytest.param(
            cidr_config("a", "10.1.0.0/30->30"),
            cidr_config("b", "10.0.0.0/8->24", selector={"pool": "a"}),
            "b",
            id="a config without selector is the fallback",
        ),
    ],
)
def test_s64_tie_breaks(first: CIDRConfig, second: CIDRConfig, winner: str) -> None:
    for order in ((first, second), (second, first)):
        outcome = allocator(*order).assign("node-01", LABELS)
        assert isinstance(outcome, Assignment)
        assert outcome.config == winner


def test_s64_blocks_are_given_lowest_first_and_ipv4_before_ipv6() -> None:
    dual = allocator(cidr_config("a", "222.2.0.0/16->24", "2222:3::/112->120"))
    assert given_to(dual.assign("node-01", {})) == ["222.2.0.0/24", "2222:3::/120"]
    assert given_to(dual.assign("node-02", {})) == ["222.2.1.0/24", "2222:3::100/120"]


def test_s65_a_full_range_is_passed_over_and_then_the_reason_is_said_and_a_new_range_heals_it() -> None:
    small = cidr_config("small", "10.0.0.0/24->24", selector={"pool": "a"})
    fallback = cidr_config("rest", "10.1.0.0/24->24")
    index = allocator(small, fallback)
    assert given_to(index.assign("n1", LABELS)) == ["10.0.0.0/24"]
    assert given_to(index.assign("n2", LABELS)) == ["10.1.0.0/24"]
    shortage = index.assign("n3", LABELS)
    assert isinstance(shortage, Shortage)
    assert "small has no free block" in shortage.message
    assert "rest has no free block" in shortage.message
    index.configure([small, fallback, cidr_config("more", "10.2.0.0/24->24")], [])
    assert given_to(index.assign("n3", LABELS)) == ["10.2.0.0/24"]


def test_s65_a_node_that_no_config_selects_is_told_so() -> None:
    outcome = allocator(cidr_config("a", WIDE, selector={"pool": "b"})).assign("n1", LABELS)
    assert outcome == Shortage("n1", "No ClusterCIDRConfig selects this node.")


def test_s66_services_and_node_addresses_are_kept_out_of_the_blocks() -> None:
    index = allocator(cidr_config("a", "10.0.0.0/21->24"), reserved=["10.0.0.0/23", "10.96.0.0/12"])
    index.put_node("n0", (), (block_of(ip_address("10.0.2.5")),))
    assert given_to(index.assign("n1", {})) == ["10.0.3.0/24"]
    assert index.usage()["a"].free == 4


def test_s66_a_service_range_around_the_whole_range_leaves_nothing() -> None:
    index = allocator(cidr_config("a", "10.96.4.0/22->24"), reserved=["10.96.0.0/12"])
    assert isinstance(index.assign("n1", {}), Shortage)


def test_s66_configs_over_the_same_range_with_other_block_sizes_keep_their_blocks_apart() -> None:
    large = cidr_config("large", "10.0.0.0/16->24", selector={"pool": "a"})
    small = cidr_config("small", "10.0.0.0/16->26", selector={"pool": "b"})
    index = allocator(large, small)
    assert given_to(index.assign("n1", {"pool": "b"})) == ["10.0.0.0/26"]
    assert given_to(index.assign("n2", {"pool": "a"})) == ["10.0.1.0/24"]
    assert given_to(index.assign("n3", {"pool": "b"})) == ["10.0.0.64/26"]


def test_s67_a_failed_write_frees_the_block_and_an_unknown_one_holds_it() -> None:
    index = allocator(cidr_config("a", "10.0.0.0/23->24"))
    index.assign("n1", {})
    index.settle("n1", Outcome.FAILED)
    assert given_to(index.assign("n2", {})) == ["10.0.0.0/24"]
    index.settle("n2", Outcome.UNKNOWN)
    index.settle("n2", Outcome.FAILED)  # a conflict, perhaps with the write of unknown outcome
    assert given_to(index.assign("n1", {})) == ["10.0.1.0/24"]
    assert given_to(index.assign("n2", {})) == ["10.0.0.0/24"]  # the same again
    index.drop_node("n2")
    assert index.usage()["a"].free == 1


def test_s68_a_deleted_node_behind_a_finalizer_keeps_its_block_until_it_is_gone() -> None:
    index = allocator(cidr_config("a", "10.0.0.0/24->24"))
    index.put_node("n1", blocks("10.0.0.0/24"), ())
    assert isinstance(index.assign("n2", {}), Shortage)  # the caller drops a node only when its object is gone
    index.drop_node("n1")
    assert given_to(index.assign("n2", {})) == ["10.0.0.0/24"]


def test_s69_a_terminating_config_gives_no_blocks_and_names_its_nodes() -> None:
    going = cidr_config("a", WIDE, deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/y"])
    index = allocator(going)
    index.put_node("n1", blocks("10.0.0.0/24"), ())
    assert isinstance(index.assign("n2", {}), Shortage)
    assert index.usage()["a"].nodes == ("n1",)
    index.drop_node("n1")
    assert index.usage()["a"].nodes == ()


def test_s69_relabelling_a_node_does_not_lose_its_block() -> None:
    index = allocator(cidr_config("a", WIDE, selector={"pool": "a"}))
    assigned = index.assign("n1", LABELS)
    index.put_node("n1", taken(assigned), ())
    index.configure([cidr_config("a", WIDE, selector={"pool": "other"})], [])
    assert index.usage()["a"].nodes == ("n1",)


def test_s71_foreign_pod_cidrs_are_respected_and_named() -> None:
    index = allocator(cidr_config("a", "10.0.0.0/16->24"))
    index.put_node("n1", blocks("10.0.0.128/25"), ())
    index.put_node("n2", blocks("192.168.0.0/24"), ())
    assert given_to(index.assign("n3", {})) == ["10.0.1.0/24"]
    assert index.foreign() == ("n1", "n2")


def test_s71_after_a_restart_the_same_nodes_give_the_same_state() -> None:
    config = cidr_config("a", "10.0.0.0/16->24")
    before = allocator(config)
    held = {f"n{i}": taken(before.assign(f"n{i}", {})) for i in range(20)}
    after = Allocator()
    for name in reversed(held):  # nodes before configs, in another order
        after.put_node(name, held[name], ())
    after.configure([config], [])
    assert given_to(after.assign("new", {})) == given_to(before.assign("new", {})) == ["10.0.20.0/24"]


def test_s72_with_one_family_exhausted_nothing_is_half_assigned() -> None:
    dual = cidr_config("dual", "10.0.0.0/16->24", "2001:db8::/120->120", selector={"pool": "a"})
    index = allocator(dual)
    index.assign("n1", LABELS)
    assert isinstance(index.assign("n2", LABELS), Shortage)
    index.configure([dual, cidr_config("rest", "10.0.0.0/16->24")], [])
    assert given_to(index.assign("n2", LABELS)) == ["10.0.1.0/24"]  # no IPv4 block of the first try was lost


@given(st.permutations(range(12)), st.integers(0, 11))
def test_the_order_in_which_nodes_are_noted_changes_nothing(order: list[int], gone: int) -> None:
    configs = [cidr_config("a", "10.0.0.0/20->24", selector={"pool": "a"}), cidr_config("b", "10.0.0.0/16->25")]
    index = allocator(*configs)
    for number in order:
        index.put_node(f"n{number}", blocks(f"10.0.{number}.0/25"), (block_of(ip_address(f"10.0.{number}.200")),))
    index.drop_node(f"n{gone}")
    fresh = allocator(*configs)
    for number in sorted(set(order) - {gone}):
        fresh.put_node(f"n{number}", blocks(f"10.0.{number}.0/25"), (block_of(ip_address(f"10.0.{number}.200")),))
    assert index.usage() == fresh.usage()
    assert given_to(index.assign("x", LABELS)) == given_to(fresh.assign("x", LABELS))


class _Cluster:
    """Nodes behind a store whose writes may be lost, late, or done without an answer, and what a watch saw of them."""

    def __init__(self, chance: random.Random, index: Allocator) -> None:
        self.chance = chance
        self.index = index
        self.nodes: dict[str, tuple[int, tuple]] = {}  # name -> version, podCIDRs
        self.seen: dict[str, tuple[int, tuple]] = {}
        self.late: list[tuple[str, int, tuple]] = []
        self.versions = 0

    def one_thing_happens(self, step: int) -> None:
        names = sorted(self.nodes)
        action = self.chance.choice(["join", "leave", "touch", "land", "watch", "watch", "allocate", "allocate"])
        if action == "join" and len(names) < 14:
            self.put(f"n{step}")
        elif action == "leave" and names:
            del self.nodes[self.chance.choice(names)]
        elif action == "touch" and names:
            name = self.chance.choice(names)  # a heartbeat or a label: a new version
            self.put(name, self.nodes[name][1])
        elif action == "land" and self.late:
            self.apply(*self.late.pop(self.chance.randrange(len(self.late))))
        elif action == "watch":
            self.catch_up([name for name in sorted({*names, *self.seen}) if self.chance.random() < 0.7])
        elif action == "allocate":
            self.allocate()

    def catch_up(self, names: list[str]) -> None:
        for name in names:
            if name in self.nodes:
                self.seen[name] = self.nodes[name]
                self.index.put_node(name, tuple(block_of(pod) for pod in self.seen[name][1]), ())
            else:
                self.seen.pop(name, None)
                self.index.drop_node(name)

    def allocate(self) -> None:
        for name in sorted(name for name, (_, pods) in self.seen.items() if not pods):
            outcome = self.index.assign(name, {"pool": self.chance.choice("ab")})
            if isinstance(outcome, Assignment):
                self.index.settle(name, self.write(name, self.seen[name][0], outcome.pod_cidrs))

    def put(self, name: str, pods: tuple = ()) -> None:
        self.versions += 1
        self.nodes[name] = (self.versions, pods)

    def write(self, name: str, version: int, pods: tuple) -> Outcome:
        lot = self.chance.random()
        if lot < 0.15:
            return Outcome.UNKNOWN  # lost on the way
        if lot < 0.3:
            self.late.append((name, version, pods))
            return Outcome.UNKNOWN
        done = self.apply(name, version, pods)
        if lot < 0.45:
            return Outcome.UNKNOWN
        return Outcome.WRITTEN if done else Outcome.FAILED

    def apply(self, name: str, version: int, pods: tuple) -> bool:
        if self.nodes.get(name, (None, ()))[0] != version or self.nodes[name][1]:
            return False
        self.put(name, pods)
        return True


@pytest.mark.parametrize("seed", range(100))
def test_s67_no_schedule_of_faults_gives_one_block_to_two_nodes_and_none_leaks(seed: int) -> None:
    configs = [cidr_config("a", "10.0.0.0/20->24"), cidr_config("b", "10.0.0.0/21->25", selector={"pool": "b"})]
    index = allocator(*configs)
    cluster = _Cluster(random.Random(seed), index)  # noqa: S311 - a schedule to repeat, not a secret
    for step in range(300):
        cluster.one_thing_happens(step)
        held = [block_of(network) for _, pods in cluster.nodes.values() for network in pods]
        assert not any(one.overlaps(other) for place, one in enumerate(held) for other in held[:place])
    cluster.late.clear()
    cluster.catch_up(sorted({*cluster.nodes, *cluster.seen}))
    fresh = allocator(*configs)
    for name, (_, pods) in cluster.nodes.items():
        if pods:
            fresh.put_node(name, tuple(block_of(pod) for pod in pods), ())
        else:
            index.drop_node(name)  # what it was to get goes with it
    assert index.usage() == fresh.usage()
