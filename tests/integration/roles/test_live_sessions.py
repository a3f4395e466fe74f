"""Sessions against real routers, in one cluster: what one change does to a session, and what it does to no other.

Each test ends with the cluster as the example describes it.
"""

from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from flatbgp.lab.network import ROUTER_RACK_INTERFACE
from flatbgp.lab.waiting import wait_until
from support.binaries import gobgpd
from support.capture import start_capture
from support.cluster import Cluster, example
from support.objects import NAMESPACE, condition, in_user_namespace, mode, peer, secret, session
from support.sandbox import Sandbox
from support.sessions import BACK, await_reason, await_up, established

PEER_1, PEER_2 = "10.0.1.254", "10.0.3.254"
RACK_1, RACK_3 = ip_address("10.0.1.100"), ip_address("10.0.3.100")
NOBODY = "10.0.1.253"
"""An address of rack 1 that no machine has."""

NO_ANSWER = {"Unreachable", "ConnectTimeout", "NoRoute"}
"""What can be said of it; the kernel of the router on the way decides between the first two."""

BGP = "router bgp 65002"
PASSWORD, ROTATED, WRONG = "dont-show-this", "nor-this-one", "and-never-this"


@pytest.fixture(scope="module")
def running(module_sandbox: Sandbox) -> Iterator[Cluster]:
    cluster = Cluster(module_sandbox, example("single-stack-ipv4"), gobgpd_binary=gobgpd("4.8"))
    cluster.start()
    cluster.await_sessions()
    cluster.await_routes()
    return cluster


@pytest.fixture
def cluster(running: Cluster) -> Iterator[Cluster]:
    """The shared cluster; a test that left something behind is told so, not the one after it."""
    yield running
    running.apply(_peers() + mode(), admin=True)
    running.await_sessions()
    running.await_routes()


def _peers() -> str:
    return "\n---\n".join((peer("bgppeer1", PEER_1), peer("bgppeer2", PEER_2), ""))


def await_peer(cluster: Cluster, name: str, kind: str, expected: tuple[str, str], deadline: float = 20) -> None:
    """Wait until the copy of a BGPPeer on the user cluster has a condition with this status and reason."""
    wait_until(
        f"BGPPeer {name} to be {expected}",
        lambda: condition(cluster.objects("bgppeers").get(name, {}), kind),
        lambda seen: seen == expected,
        deadline=deadline,
        interval=0.3,
    )


def test_s5_a_second_peer_with_the_same_address_is_conflicting_and_resets_nothing(cluster: Cluster) -> None:
    before = established(cluster, "router-1")

    cluster.apply(peer("another", PEER_1), admin=True)

    await_peer(cluster, "another", "Ready", ("False", "Conflicting"))
    await_peer(cluster, "bgppeer1", "Ready", ("True", "Ready"))
    cluster.delete("bgppeers", "another", NAMESPACE, admin=True)
    wait_until("the copy to go", lambda: "another" not in cluster.objects("bgppeers"), deadline=10, interval=0.3)
    assert established(cluster, "router-1") == before


def test_s6_a_wrong_as_number_is_named_and_its_correction_suffices(cluster: Cluster) -> None:
    before, others = established(cluster, "router-1"), established(cluster, "router-2")

    cluster.apply(peer("bgppeer1", PEER_1, peerASN=65009), admin=True)

    message = await_reason(cluster, "BadPeerAS", PEER_1)
    assert "65009" in message
    cluster.apply(peer("bgppeer1", PEER_1), admin=True)
    await_up(cluster, "router-1", before)
    assert established(cluster, "router-2") == others


def test_s7_s8_s9_s79_passwords(cluster: Cluster) -> None:
    others = established(cluster, "router-2")

    # The Secret is missing: the router does not hear a word from us.
    cluster.apply(peer("bgppeer1", PEER_1, passwordSecretRef={"name": "md5"}), admin=True)
    await_reason(cluster, "SecretMissing", PEER_1)
    await_peer(cluster, "bgppeer1", "Ready", ("False", "SecretMissing"))
    router = cluster.network.namespace("router-1")
    capture = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, f"tcp and dst host {PEER_1}")
    retried = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, f"tcp and src host {PEER_1} and port 179")
    wait_until(
        "the router to try itself, twice",
        lambda: [each for each in retried.segments() if each.flags & 0x02 and each.destination == RACK_1],
        lambda seen: len(seen) >= 2,
        deadline=40,
    )
    assert [each for each in capture.segments() if each.flags & 0x02] == [], "a SYN without the password"
    assert [each for each in capture.segments() if each.payload] == []

    # It is there, and the router has the same.
    _router_password(cluster, PASSWORD)
    before = established(cluster, "router-1")
    cluster.apply(secret("md5", PASSWORD), admin=True)
    await_up(cluster, "router-1", before)

    # Both ends get another one.
    before = established(cluster, "router-1")
    cluster.apply(secret("md5", ROTATED), admin=True)
    _router_password(cluster, ROTATED)
    await_up(cluster, "router-1", before)
    assert established(cluster, "router-2") == others, "a session with another router was reset"

    # Ours is wrong.
    before = established(cluster, "router-1")
    cluster.apply(secret("md5", WRONG), admin=True)
    message = await_reason(cluster, "AuthenticationSuspected", PEER_1, deadline=60)
    assert "password" in message
    _assert_passwords_hidden(cluster)
    cluster.apply(secret("md5", ROTATED), admin=True)
    await_up(cluster, "router-1", before)

    # None at either end any more.
    before = established(cluster, "router-1")
    cluster.apply(peer("bgppeer1", PEER_1), admin=True)
    for address in (RACK_1, RACK_3):
        cluster.routers["router-1"].vty.configure(BGP, f"no neighbor {address} password")
    await_up(cluster, "router-1", before)
    cluster.delete("secrets", "md5", NAMESPACE, admin=True)
    assert established(cluster, "router-2") == others


def _router_password(cluster: Cluster, password: str) -> None:
    for address in (RACK_1, RACK_3):
        cluster.routers["router-1"].vty.configure(BGP, f"neighbor {address} password {password}")


def _assert_passwords_hidden(cluster: Cluster) -> None:
    """No password is in a log, in what commands print, or in the arguments of a process."""
    texts = {str(log): log.read_text(errors="replace") for log in cluster.directory.rglob("*.log")}
    for store in (cluster.stores.admin, cluster.stores.user):
        for kind in ("secrets", "bgppeers", "bgpsessions"):
            listing = cluster.flatbgp("get", kind, "-A", "-o", "yaml", "--store", store)
            texts[f"get {kind} of {store}"] = listing
    described = {"secrets": "md5", "bgppeers": "bgppeer1"}
    for kind, name in described.items():
        options = ("-n", NAMESPACE, "--store", cluster.stores.admin)
        texts[f"describe {kind}"] = cluster.flatbgp("describe", kind, name, *options)
    texts["plan"] = _plan(cluster, secret("md5", ROTATED))
    processes = (*cluster.gobgpds.values(), *cluster.roles.values())
    for process in processes:
        for file in ("cmdline", "environ"):
            content = Path(f"/proc/{process.pid}/{file}").read_bytes()
            texts[f"{file} of {process.record.name}"] = content.decode(errors="replace")
    found = [name for name, text in texts.items() for each in (PASSWORD, ROTATED, WRONG) if each in text]
    assert found == []


def test_s13_s16_s46_a_peer_that_nobody_answers_for_comes_changes_and_goes(cluster: Cluster) -> None:
    before = {router: established(cluster, router) for router in cluster.routers}
    router = cluster.network.namespace("router-1")
    capture = start_capture(cluster.sandbox, router, ROUTER_RACK_INTERFACE, f"host {NOBODY} or arp host {NOBODY}")

    cluster.apply(peer("nobody", NOBODY), admin=True)

    names = [f"{NOBODY}-{node}" for node in ("node-01", "node-02", "node-03")]

    def statuses() -> list[dict[str, Any]]:
        found = cluster.objects("bgpsessions")
        return [found[name].get("status", {}) for name in names if name in found]

    seen = wait_until(
        "both sessions to say why",
        statuses,
        lambda seen: [each.get("reason") in NO_ANSWER for each in seen] == [True, True],
        deadline=30,
        interval=0.3,
    )
    assert all(NOBODY in each["message"] for each in seen)
    mentions = _lines_about(cluster, NOBODY)
    tries = len(capture.frames())
    wait_until("twenty more tries", lambda: len(capture.frames()) >= tries + 20, deadline=60)
    assert _lines_about(cluster, NOBODY) == mentions, "each try is a line in the log"

    cluster.apply(peer("nobody", NOBODY, sessions=1, med=7), admin=True)
    wait_until("one session less", lambda: len(statuses()) == 1, deadline=15, interval=0.3)
    cluster.delete("bgppeers", "nobody", NAMESPACE, admin=True)
    wait_until(
        "its BGPSessions to go",
        lambda: [name for name in cluster.objects("bgpsessions") if name.startswith(NOBODY)],
        lambda seen: seen == [],
        deadline=10,
        interval=0.3,
    )
    assert {router: established(cluster, router) for router in cluster.routers} == before


def _lines_about(cluster: Cluster, text: str) -> int:
    """Count the lines of flatbgp's own logs that mention it."""
    return sum(role.output.count(text) for role in cluster.roles.values())


def test_s14_the_routers_own_words_stay_as_the_last_reason(cluster: Cluster) -> None:
    vty = cluster.routers["router-1"].vty
    before = established(cluster, "router-1")
    node = next(name for name in ("node-01", "node-03") if session(cluster, PEER_1, name))

    vty.configure(BGP, f"neighbor {RACK_1} shutdown message work on the line")

    down = wait_until(
        "the reason",
        lambda: session(cluster, PEER_1, node),
        lambda status: status.get("reason") == "AdministrativeShutdown",
        deadline=10,
        interval=0.3,
    )
    assert down["state"] == "NotEstablished"
    assert "work on the line" in down["message"]
    vty.configure(BGP, f"no neighbor {RACK_1} shutdown")
    wait_until(
        "the session",
        lambda: cluster.sessions()[RACK_1],
        lambda seen: seen.up and seen.established > before[RACK_1],
        deadline=BACK,
    )
    up = wait_until(
        "the BGPSession to say so",
        lambda: session(cluster, PEER_1, node),
        lambda status: status.get("state") == "Established",
        deadline=10,
        interval=0.3,
    )
    assert "Administrative Shutdown" in up["message"]
    assert "work on the line" in up["message"]
    assert up["flaps"] >= 1
    assert cluster.sessions()[RACK_3].established == before[RACK_3]


def test_s17_another_hold_time_is_negotiated_at_once(cluster: Cluster) -> None:
    others = established(cluster, "router-2")
    changed = peer("bgppeer1", PEER_1, timers={"holdTimeSeconds": 12})

    assert "session reset" in _plan(cluster, changed)
    cluster.apply(changed, admin=True)

    def hold_times() -> list[int]:
        return [each.document.get("bgpTimerHoldTimeMsecs", 0) for each in cluster.sessions().values() if each.up]

    wait_until("12 s on both sessions", hold_times, lambda seen: seen == [12_000, 12_000], deadline=BACK)
    assert established(cluster, "router-2") == others
    cluster.apply(peer("bgppeer1", PEER_1), admin=True)
    wait_until("30 s again", hold_times, lambda seen: seen == [30_000, 30_000], deadline=BACK)


def _plan(cluster: Cluster, manifest: str) -> str:
    return cluster.flatbgp("plan", "-f", "-", "--store", cluster.stores.user, text=in_user_namespace(manifest))


def test_s18_a_label_and_an_annotation_put_nothing_on_the_wire(cluster: Cluster) -> None:
    capture = start_capture(
        cluster.sandbox, cluster.network.namespace("router-1"), ROUTER_RACK_INTERFACE, f"tcp port 179 and host {RACK_1}"
    )
    labels = {"flatipmode-peer": "true", "team": "network"}

    def all_said() -> bool:
        """Whether the speaker and both routers have sent nothing but KEEPALIVEs, two or more each, for some time."""
        names = [(each.type.name, each.source) for each in capture.messages()]
        last = max((at for at, (name, _) in enumerate(names) if name != "KEEPALIVE"), default=-1)
        since = Counter(source for _, source in names[last + 1 :])
        return all(since[ip_address(end)] >= 2 for end in (RACK_1, PEER_1, PEER_2))

    wait_until("the routers to have said all", all_said, deadline=35, interval=0.3)
    before = len(capture.messages())

    cluster.apply(peer("bgppeer1", PEER_1, labels=labels, annotations={"note": "rack 1"}), admin=True)

    wait_until(
        "the copy to have the label",
        lambda: cluster.objects("bgppeers")["bgppeer1"]["metadata"].get("labels", {}).get("team"),
        deadline=10,
        interval=0.3,
    )
    seen = len(capture.messages())
    wait_until("four more keepalives", lambda: len(capture.messages()) >= seen + 4, deadline=35, interval=0.3)
    said = [(each.type.name, str(each.source)) for each in capture.messages()[before:]]
    assert [each for each in said if each[0] != "KEEPALIVE"] == []


def test_s19_a_selector_that_matches_nothing_closes_all_and_one_that_does_opens_all(cluster: Cluster) -> None:
    cluster.apply(mode(selector={"flatipmode-peer": "nobody"}), admin=True)

    wait_until(
        "no session",
        lambda: [each.state for router in cluster.routers for each in cluster.sessions(router).values()],
        lambda states: "Established" not in states,
        deadline=10,
    )
    wait_until(
        "the condition",
        lambda: condition(cluster.objects("flatipmodes.networking.gke.io")["default"], "Ready"),
        lambda seen: seen == ("False", "NoMatchingPeer"),
        deadline=10,
        interval=0.3,
    )
    await_peer(cluster, "bgppeer1", "Ready", ("False", "NotSelected"))
    wait_until("no BGPSession", lambda: cluster.objects("bgpsessions") == {}, deadline=20, interval=0.3)
    assert cluster.routes() == {}

    cluster.apply(mode(), admin=True)
    cluster.await_sessions(BACK)
    cluster.await_routes()


def test_s20_no_node_listens_on_the_bgp_port(cluster: Cluster) -> None:
    own = [str(each.ip) for node in cluster.topology.nodes for each in node.addresses if each.version == 4]
    router = cluster.network.namespace("router-1")
    program = (
        "import socket, sys, errno\n"
        "for address in sys.argv[1:]:\n"
        "    with socket.socket() as s:\n"
        "        s.settimeout(5)\n"
        "        print(errno.errorcode.get(s.connect_ex((address, 179)), 'connected'))\n"
    )
    answers = router.run("python3", "-c", program, *own, str(RACK_1), str(RACK_3)).split()
    assert answers == ["ECONNREFUSED"] * 5
