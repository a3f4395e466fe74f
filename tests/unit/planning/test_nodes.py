"""What follows from Nodes while ranges are still on their way."""

from dataclasses import replace

from planning_objects import make, node

from flatbgp.planning.nodes import Given, NodePlanner
from flatbgp.planning.routes import Announcing
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG


def wide(cidr: str):
    return make(CLUSTER_CIDR_CONFIG, "wide", {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}})


def test_nothing_is_assigned_while_ranges_are_on_their_way_and_what_was_short_stays_so() -> None:
    planner = NodePlanner()
    nodes = [node("node-01", "10.0.1.1", pods=["10.1.0.0/24"]), node("node-02", "10.0.1.2")]
    full = Given(nodes, [wide("10.1.0.0/24")], {}, Announcing())
    assert [shortage.node for shortage in planner.plan(full).short] == ["node-02"]

    given = replace(full, configs=[wide("10.1.0.0/23")], incomplete=True)
    plan = planner.plan(replace(given, nodes=[*nodes, node("node-03", "10.0.1.3")]))
    assert (plan.assign, [shortage.node for shortage in plan.short]) == ((), ["node-02"])

    plan = planner.plan(replace(given, incomplete=False))
    assert [(each.meta.name, str(got.pod_cidrs[0])) for each, got in plan.assign] == [("node-02", "10.1.1.0/24")]
    assert plan.short == ()
