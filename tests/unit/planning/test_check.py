"""What is said of a cluster, its objects, a machine and a daemon."""

import json
from collections.abc import Iterable
from copy import deepcopy
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from resource_samples import Document, put, sample

from flatbgp.planning.check.cluster import Definition, judge_allocators, judge_definitions, judge_version
from flatbgp.planning.check.engine import Daemon, judge_daemon
from flatbgp.planning.check.findings import Finding, Level
from flatbgp.planning.check.machine import Machine, Reach, Trial, judge_machine, source_of
from flatbgp.planning.check.objects import Objects, judge_objects, noted_subnets
from flatbgp.planning.check.permissions import Access, Who, judge_permissions, needs
from flatbgp.planning.configured import configured
from flatbgp.resources import kinds
from flatbgp.resources.codec import decode
from flatbgp.resources.crd import ADMIN_GROUP, DEFINED

ROUTER = ip_address("10.0.1.254")
FIRST, SECOND = ip_address("10.0.1.100"), ip_address("10.0.3.100")


def here(name: str, **fields: Any) -> Document:
    document = sample(name)
    document["metadata"]["namespace"] = "kube-system"
    for path, value in fields.items():
        put(document, path.replace("__", "."), value)
    return document


def node(name: str, address: str, subnet: str = "", **fields: Any) -> Document:
    document = sample("node")
    document["metadata"] = {"name": name}
    document["status"]["addresses"] = [{"type": "InternalIP", "address": address}] if address else []
    if subnet:
        document["metadata"]["annotations"] = {
            "networking.gke.io/ipv4-subnet": subnet,
            "networking.gke.io/ipv6-subnet": "",
        }
    for path, value in fields.items():
        put(document, path.replace("__", "."), value)
    return document


GUIDE = (
    sample("user-mode"),
    here("group"),
    here("peer"),
    sample("user-config"),
    node("node-01", "10.0.1.11", "10.0.1.11/24", spec__podCIDRs=["222.2.0.0/24"]),
    node("node-02", "10.0.3.12", "10.0.3.12/24", spec__podCIDRs=["222.2.1.0/24"]),
)


def objects(*documents: Document) -> Objects:
    found: dict[tuple[str, bool], list[Any]] = {}
    for document in documents:
        kind = kinds.of(document["apiVersion"], document["kind"])
        assert kind is not None
        resource = decode(kind, json.loads(json.dumps(document)))
        found.setdefault((kind.name, kind.group == ADMIN_GROUP), []).append(resource)
    told = configured(
        found.get(("FlatIPMode", False), []),
        found.get(("NetworkGatewayGroup", False), []),
        found.get(("BGPPeer", False), []),
        found.get(("ClusterCIDRConfig", False), []),
        clusters := found.get(("Cluster", True), []),
    )
    nodes = found.get(("Node", False), [])
    sessions = found.get(("BGPSession", False), [])
    return Objects(told, nodes, sessions, noted_subnets(nodes), [each.key for each in clusters])


def levels(findings: Iterable[Finding]) -> set[Level]:
    return {finding.level for finding in findings}


def told(findings: Iterable[Finding], level: Level, subject: str) -> str:
    (message,) = (each.message for each in findings if (each.level, each.subject) == (level, subject))
    return message


def without(kind: str, *documents: Document) -> list[Document]:
    return [document for document in (*GUIDE, *documents) if document["kind"] != kind]


# Objects -----------------------------------------------------------------------------------------------------------


def test_a_cluster_with_the_guides_objects_has_no_problem() -> None:
    findings = list(judge_objects(objects(*GUIDE)))
    assert Level.PROBLEM not in levels(findings)
    assert told(findings, Level.OK, "configuration") == "IPv4 to bgppeer1"
    assert told(findings, Level.OK, "pod CIDRs") == "all 2 nodes have theirs"
    assert "node-01 can hold it" in told(findings, Level.WARNING, "floating IP 10.0.1.100")


def test_held_addresses_are_fine() -> None:
    group = here("group")
    group["status"] = {
        "floatingIPs": [
            {"address": "10.0.1.100", "node": "node-01", "reason": "Held"},
            {"address": "10.0.3.100", "node": "node-02", "reason": "Held"},
        ]
    }
    findings = list(judge_objects(objects(*without("NetworkGatewayGroup"), group)))
    assert levels(findings) == {Level.OK}
    assert told(findings, Level.OK, "floating IP 10.0.3.100") == "node-02 holds it"


def test_what_is_not_there_yet_is_no_problem() -> None:
    findings = list(judge_objects(objects()))
    assert levels(findings) == {Level.WARNING}
    assert "apply the manifests" in told(findings, Level.WARNING, "configuration")


def test_an_admin_cluster_is_told_where_to_look() -> None:
    findings = list(judge_objects(objects(sample("cluster"))))
    assert "Cluster cluster-bm/bm are for the user cluster" in told(findings, Level.WARNING, "configuration")


@pytest.mark.parametrize(
    ("document", "level", "subject", "expected"),
    [
        (here("peer", metadata__labels={"other": "x"}), Level.PROBLEM, "FlatIPMode default", "selects no BGPPeer"),
        (here("peer", spec__peerIP="10.0.1.999"), Level.PROBLEM, "BGPPeer kube-system/bgppeer1", "peerIP"),
        (
            here("group", spec__floatingIPs=["10.0.1.11"]),
            Level.PROBLEM,
            "floating IP 10.0.1.11",
            "the own address of Node node-01",
        ),
        (
            here("group", spec__floatingIPs=["10.0.9.9"]),
            Level.PROBLEM,
            "floating IP 10.0.9.9",
            "outside every node's subnet",
        ),
        (
            here("group", spec__floatingIPs=["10.0.1.100"]),
            Level.WARNING,
            "nodes",
            "no floating IP lies in the subnet of node-02 (10.0.3.0/24)",
        ),
    ],
)
def test_what_is_wrong_with_an_object(document: Document, level: Level, subject: str, expected: str) -> None:
    findings = judge_objects(objects(*without(document["kind"]), document))
    assert expected in told(findings, level, subject)


def test_a_node_without_an_address_is_named_and_all_of_them_are_a_problem() -> None:
    lacking = node("node-03", "", spec__podCIDRs=["222.2.2.0/24"])
    assert "node-03 without an InternalIP of IPv4" in told(
        judge_objects(objects(*GUIDE, lacking)), Level.WARNING, "nodes"
    )
    alone = judge_objects(objects(*without("Node"), lacking))
    assert "none has an InternalIP of IPv4" in told(alone, Level.PROBLEM, "nodes")


def test_where_no_subnet_is_known_one_is_sent_to_the_node() -> None:
    bare = [node("node-01", "10.0.1.11", spec__podCIDRs=["222.2.0.0/24"])]
    message = told(judge_objects(objects(*without("Node"), *bare)), Level.WARNING, "floating IP 10.0.1.100")
    assert "flatbgp check --node NAME" in message


def test_pod_cidrs_of_somebody_else_and_another_allocator_are_told() -> None:
    foreign = node("node-09", "10.0.1.19", "10.0.1.19/24", spec__podCIDRs=["172.16.0.0/24"])
    config = sample("user-config")
    condition = {"type": "Ready", "status": "False", "reason": "OtherAllocator", "message": "another one is at work"}
    config["status"] = {"conditions": [condition]}
    findings = list(judge_objects(objects(*without("ClusterCIDRConfig"), config, foreign)))
    assert "node-09 (172.16.0.0/24)" in told(findings, Level.WARNING, "pod CIDRs")
    assert told(findings, Level.WARNING, "ClusterCIDRConfig cluster-wide-1") == "another one is at work"


def test_a_note_of_a_subnet_is_read_as_agents_write_it() -> None:
    notes = {"a": "10.0.1.11/24", "b": "10.0.1.0/24", "c": "", "d": "10.0.1.11", "e": "10.0.1.11/33", "f": "x/24"}
    told_of = noted_subnets(objects(*(node(name, "10.0.1.11", note) for name, note in notes.items())).nodes)
    assert told_of == {name: (ip_network("10.0.1.0/24"),) for name in "ab"}


# A cluster ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "level"), [("1.37", Level.OK), ("1.31", Level.OK), ("1.30", Level.PROBLEM)])
def test_the_minimum_version(version: str, level: Level) -> None:
    assert levels(judge_version(version)) == {level}


def test_definitions() -> None:
    own = {kind.full_name: Definition(frozenset((kind.version,))) for kind in DEFINED}
    assert levels(judge_definitions(DEFINED, own)) == {Level.OK}
    user = {name: definition for name, definition in own.items() if ADMIN_GROUP not in name}
    assert levels(judge_definitions(DEFINED, user)) == {Level.OK}
    name = "bgppeers.networking.gke.io"
    subject = f"CustomResourceDefinition {name}"

    def judged(definition: Definition | None) -> list[Finding]:
        changed = {key: found for key, found in {**own, name: definition}.items() if found is not None}
        return list(judge_definitions(DEFINED, changed))

    assert "crds.install=true" in told(judged(None), Level.PROBLEM, subject)
    assert "not v1" in told(judged(Definition(frozenset(("v2",)), "x")), Level.PROBLEM, subject)
    assert "belongs to the Helm release a/b" in told(
        judged(Definition(frozenset(("v1",)), "the Helm release a/b")), Level.WARNING, subject
    )
    assert "upgrade the chart" in told(
        judged(Definition(frozenset(("v1",)), "", current=False)), Level.WARNING, subject
    )
    assert levels(judged(Definition(frozenset(("v1",)), None))) == {Level.OK}


def test_permissions() -> None:
    asked = needs(Who.SPEAKER, "passwords")
    assert Access("list", "", "secrets", "passwords") in asked
    assert Access("patch", "", "nodes") not in asked
    assert levels(judge_permissions(Who.SPEAKER, asked, ())) == {Level.OK}
    (finding,) = judge_permissions(Who.SPEAKER, asked, (Access("list", "", "secrets", "passwords"),))
    assert (finding.level, "list secrets in passwords" in finding.message) == (Level.PROBLEM, True)
    assert levels(judge_permissions(Who.PERSON, asked, asked[:1])) == {Level.WARNING}


def test_other_allocators() -> None:
    assert levels(judge_allocators(())) == {Level.OK}
    assert list(judge_allocators(None)) == []
    assert "--allocate-node-cidrs=false" in next(iter(judge_allocators(["pod kcm"]))).message


# A machine ---------------------------------------------------------------------------------------------------------

RACK = Machine("node-01", (ip_network("10.0.1.0/24"),), frozenset((ip_address("10.0.1.11"),)))


def machine(**fields: Any) -> Machine:
    values = {name: getattr(RACK, name) for name in RACK.__slots__}
    return Machine(**(deepcopy(values) | fields))


def test_a_machine_that_can_be_a_gateway() -> None:
    findings = list(judge_machine(machine(trials={ROUTER: Trial(None, Reach.CONNECTED)}), objects(*GUIDE)))
    assert levels(findings) == {Level.OK}


@pytest.mark.parametrize(
    ("fields", "level", "subject", "expected"),
    [
        ({"lacking": ("no raw sockets",)}, Level.PROBLEM, "kernel", "no raw sockets"),
        ({"degraded": ("no MD5",)}, Level.WARNING, "kernel", "no MD5"),
        ({"settings": ("arp_ignore is 8",)}, Level.PROBLEM, "kernel", "arp_ignore"),
        ({"node": "node-77"}, Level.WARNING, "node node-77", "has no Node object"),
        (
            {"subnets": (ip_network("10.0.9.0/24"),)},
            Level.WARNING,
            "node node-01",
            "no floating IP lies in its subnets",
        ),
        (
            {"answering": {FIRST: ("02:00:00:00:00:01",)}},
            Level.PROBLEM,
            "floating IP 10.0.1.100",
            "02:00:00:00:00:01 answers for it already",
        ),
        (
            {"answering": {FIRST: ("02:00:00:00:00:01",)}, "held": frozenset((FIRST,))},
            Level.PROBLEM,
            "floating IP 10.0.1.100",
            "two hosts have it",
        ),
    ],
)
def test_what_is_wrong_with_a_machine(fields: dict[str, Any], level: Level, subject: str, expected: str) -> None:
    assert expected in told(judge_machine(machine(**fields), objects(*GUIDE)), level, subject)


def test_an_address_that_its_holder_answers_for_is_fine() -> None:
    group = here("group")
    group["status"] = {"floatingIPs": [{"address": "10.0.1.100", "node": "node-05", "reason": "Held"}]}
    findings = judge_machine(
        machine(answering={FIRST: ("02:00:00:00:00:01",)}), objects(*without("NetworkGatewayGroup"), group)
    )
    assert "as node-05 holds it" in told(findings, Level.OK, "floating IP 10.0.1.100")


@pytest.mark.parametrize(
    ("trial", "expected"),
    [
        (Trial(FIRST, Reach.REFUSED), "refuses TCP on port 179 from 10.0.1.100"),
        (Trial(FIRST, Reach.UNANSWERED), "does not answer TCP on port 179 from 10.0.1.100"),
        (Trial(None, Reach.UNREACHABLE, "No route to host"), "cannot be reached from here (No route to host)"),
    ],
)
def test_a_router_that_cannot_be_reached_is_a_problem_unless_its_session_is_up(trial: Trial, expected: str) -> None:
    tried, subject = machine(trials={ROUTER: trial}), "router 10.0.1.254 (BGPPeer bgppeer1)"
    assert expected in told(judge_machine(tried, objects(*GUIDE)), Level.PROBLEM, subject)
    up = here("session", status__state="Established")
    assert "its session with node-01 is up" in told(judge_machine(tried, objects(*GUIDE, up)), Level.OK, subject)


def test_a_router_is_never_tried_from_a_floating_ip() -> None:
    both = (FIRST, SECOND)
    assert source_of(machine(), ROUTER, both) == ip_address("10.0.1.11")
    assert source_of(machine(held=frozenset(both), own=RACK.own | set(both)), ROUTER, both) == ip_address("10.0.1.11")
    assert source_of(machine(), ROUTER, (SECOND,)) == ip_address("10.0.1.11"), "beside the router"
    assert source_of(machine(subnets=()), ROUTER, both) is None
    assert source_of(machine(), ip_address("2001:db8::1"), both) is None


def test_a_router_that_has_a_connection_is_left_alone() -> None:
    found = judge_machine(machine(trials={ROUTER: Trial(FIRST, Reach.IN_USE)}), objects(*GUIDE))
    assert "so it is not tried" in told(found, Level.OK, "router 10.0.1.254 (BGPPeer bgppeer1)")


def test_sessions_that_are_down_say_why() -> None:
    down = here("session", status__reason="HoldTimerExpired", status__message="silence")
    up = here("session", metadata__name="10.0.3.254-node-01", status__state="Established")
    findings = list(judge_objects(objects(*GUIDE, down, up)))
    assert "HoldTimerExpired): silence" in told(findings, Level.WARNING, "BGPSession 10.0.1.254-node-01")
    assert told(findings, Level.OK, "BGPSessions") == "1 of 2 are Established"


# A daemon ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("daemon", "level", "expected"),
    [
        (Daemon("unix:///s", "v4"), Level.OK, "waits for a speaker"),
        (Daemon("unix:///s", "v3", started=True, ours=True, version="3.10"), Level.OK, "API v3, version 3.10"),
        (Daemon("unix:///s", "v4", started=True), Level.PROBLEM, "started by somebody else"),
        (Daemon("unix:///s", failure="not there"), Level.PROBLEM, "not there"),
    ],
)
def test_a_daemon(daemon: Daemon, level: Level, expected: str) -> None:
    (finding,) = judge_daemon(daemon)
    assert (finding.level, finding.subject) == (level, "gobgpd")
    assert expected in finding.message


def test_a_finding_is_one_line() -> None:
    assert str(Finding(Level.OK, "a", "b")) == "ok       a: b"
    assert str(Finding(Level.PROBLEM, "a", "b")) == "problem  a: b"
