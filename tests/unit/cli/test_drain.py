"""``drain`` and ``undrain``: a mark on the Node, and the wait for its Leases."""

from ipaddress import IPv4Address

import pytest

from flatbgp.cli.drain import Holdings, empty_node
from flatbgp.cli.errors import CommandFailed
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.url import open_store


def lease(address: str, holder: str, renewed: str = "2026-01-01T00:00:00Z") -> dict[str, object]:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": f"floatingip-{address.replace('.', '-')}",
            "namespace": "kube-system",
            "annotations": {"flatbgp.io/address": address},
        },
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 5, "renewTime": renewed},
    }


def leases(*documents: dict[str, object]):
    return tuple(decode(LEASE, document) for document in documents)


@pytest.fixture
def _nodes(run, examples):
    run("apply", "-f", str(examples / "nodes.yaml"))


def annotations(on_store, name: str):
    return on_store(lambda store: store.get(NODE, name)).meta.annotations


@pytest.mark.usefixtures("_nodes")
def test_a_node_that_holds_nothing_is_drained_at_once(run, on_store):
    on_store(lambda store: store.create(LEASE, lease("10.0.1.100", "node-03")))
    drained = run("drain", "node-01")
    assert (drained.exit_code, drained.stderr) == (0, "")
    assert drained.stdout == "node/node-01 draining\nnode/node-01 drained\n"
    assert annotations(on_store, "node-01") == {"flatbgp.io/drain": "true"}


@pytest.mark.usefixtures("_nodes")
def test_undrain_takes_the_mark_off(run, on_store):
    run("drain", "node-01")
    assert run("undrain", "node-01").stdout == "node/node-01 undrained\n"
    assert annotations(on_store, "node-01") == {}
    assert run("undrain", "node-01").stdout == "node/node-01 was not draining\n"


@pytest.mark.parametrize("command", ["drain", "undrain"])
def test_a_node_that_is_not_there(run, command):
    refused = run(command, "nobody")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == 'error: nodes "nobody" not found\n'


@pytest.mark.usefixtures("_nodes")
def test_what_is_still_held_in_the_end_is_said_and_the_mark_stays(run, on_store):
    on_store(lambda store: store.create(LEASE, lease("10.0.1.100", "node-01")))
    refused = run("drain", "node-01", "--timeout", "300ms")
    assert refused.exit_code == 1
    assert refused.stdout == "node/node-01 draining\nholds 10.0.1.100; waiting\n"
    assert refused.stderr.startswith("error: node node-01 still holds 10.0.1.100 after 0.3 s.")
    assert "flatbgp undrain node-01" in refused.stderr
    assert annotations(on_store, "node-01") == {"flatbgp.io/drain": "true"}


async def test_it_waits_until_the_address_has_moved_and_says_where_to():
    store = open_store("sqlite::memory:")
    await store.create(NODE, {"metadata": {"name": "node-01"}})
    await store.create(LEASE, lease("10.0.1.100", "node-01"))
    await store.create(LEASE, lease("10.0.1.101", "node-01"))
    said: list[str] = []
    clock = iter(range(1000))

    def time() -> float:
        return float(next(clock))

    async def move() -> None:
        spec = {"spec": {"holderIdentity": "node-03"}}
        await store.patch(LEASE, "floatingip-10-0-1-100", "kube-system", spec)
        spec = {"spec": {"holderIdentity": ""}}
        await store.patch(LEASE, "floatingip-10-0-1-101", "kube-system", spec)

    def say(sentence: str) -> None:
        said.append(sentence)

    class Moving:
        """The store, in which the addresses move after the first look."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        async def list(self, *arguments: object) -> object:
            listing = await store.list(*arguments)  # type: ignore[arg-type]
            await move()
            return listing

    await empty_node(Moving(), "node-01", 60.0, say, time)  # type: ignore[arg-type]
    await store.close()
    assert said == [
        "node/node-01 draining",
        "holds 10.0.1.100, 10.0.1.101; waiting",
        "10.0.1.100 moved to node-03",
        "10.0.1.101 let go; it is free until another node of its subnet claims it",
        "node/node-01 drained",
    ]


async def test_it_says_who_took_an_address_that_was_let_go_first():
    store = open_store("sqlite::memory:")
    await store.create(NODE, {"metadata": {"name": "node-01"}})
    await store.create(LEASE, lease("10.0.1.100", "node-01"))
    said: list[str] = []
    holders = iter(["node-01", "", "", "node-03"])

    class Moving:
        """The store, in which the address is let go before it is taken."""

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

        async def list(self, *arguments: object) -> object:
            spec = {"spec": {"holderIdentity": next(holders)}}
            await store.patch(LEASE, "floatingip-10-0-1-100", "kube-system", spec)
            return await store.list(*arguments)  # type: ignore[arg-type]

    await empty_node(Moving(), "node-01", 60.0, said.append, lambda: 0.0)  # type: ignore[arg-type]
    await store.close()
    assert said == [
        "node/node-01 draining",
        "holds 10.0.1.100; waiting",
        "10.0.1.100 let go; it is free until another node of its subnet claims it",
        "10.0.1.100 moved to node-03",
        "node/node-01 drained",
    ]


@pytest.mark.usefixtures("_nodes")
def test_a_dry_run_says_who_could_take_over_and_changes_nothing(run, on_store, guide):
    run("apply", "-f", guide)
    run(
        "apply",
        "-f",
        "-",
        stdin="{apiVersion: v1, kind: Node, metadata: {name: node-07}, status: {addresses: "
        "[{type: InternalIP, address: 10.0.1.7}]}}",
    )
    document = lease("10.0.1.100", "node-01")
    document["metadata"]["annotations"]["flatbgp.io/subnet"] = "10.0.1.0/24"  # type: ignore[index]
    on_store(lambda store: store.create(LEASE, document))
    said = run("drain", "node-01", "--dry-run")
    assert said.exit_code == 0
    (sentence,) = (line for line in said.stdout.splitlines() if "is draining" in line)
    assert sentence.startswith("node-01 is draining and hands 10.0.1.100 over to node-0")
    assert "node-07" in sentence
    assert sentence.endswith("[session reset]")
    assert annotations(on_store, "node-01") == {}
    refused = run("drain", "nobody", "--dry-run")
    assert (refused.exit_code, refused.stderr) == (1, 'error: nodes "nobody" not found\n')


@pytest.mark.usefixtures("_nodes")
def test_a_dry_run_looks_for_secrets_where_the_roles_do(run, on_store):
    labels = {"flatip-peer": "true"}
    secret = {"type": "kubernetes.io/basic-auth", "data": {"password": "aHVudGVyMg=="}}
    spec = {"localASN": 65001, "peerASN": 65002, "peerIP": "10.0.1.254", "passwordSecretRef": {"name": "bgp"}}
    mode = {"enableBGPIPv4": True, "peerSelector": labels}
    group = {"floatingIPs": ["10.0.1.100"]}

    async def fill(store):
        await store.create(SECRET, {"metadata": {"name": "bgp", "namespace": "flatbgp-system"}, **secret})
        await store.create(FLAT_IP_MODE, {"metadata": {"name": "default"}, "spec": mode})
        await store.create(
            NETWORK_GATEWAY_GROUP, {"metadata": {"name": "default", "namespace": "kube-system"}, "spec": group}
        )
        meta = {"name": "router", "namespace": "kube-system", "labels": labels}
        await store.create(BGP_PEER, {"metadata": meta, "spec": spec})
        await store.create(LEASE, lease("10.0.1.100", "node-01"))

    on_store(fill)
    assert "BGPPeer router: " in run("drain", "node-01", "--dry-run").stdout
    assert "BGPPeer router: " not in run("drain", "node-01", "--dry-run", "--secret-namespace", "flatbgp-system").stdout


def test_a_lease_that_is_not_renewed_runs_out_by_our_own_clock():
    holdings = Holdings("node-01")
    dead = leases(lease("10.0.1.100", "node-01", renewed="2020-01-01T00:00:00Z"))
    assert holdings.look(dead, 100.0) == ()
    assert holdings.held == (IPv4Address("10.0.1.100"),)
    assert holdings.look(dead, 104.9) == ()
    (sentence,) = holdings.look(dead, 105.0)
    assert sentence.startswith("10.0.1.100: node-01 renews it no longer")
    assert holdings.held == ()


def test_a_lease_that_is_renewed_is_held_for_as_long_as_that():
    holdings = Holdings("node-01")
    for second in range(20):
        assert (
            holdings.look(leases(lease("10.0.1.100", "node-01", renewed=f"2020-01-01T00:00:{second:02}Z")), second)
            == ()
        )
    assert holdings.held == (IPv4Address("10.0.1.100"),)


def test_other_leases_of_the_node_do_not_count():
    leader = lease("10.0.1.100", "node-01")
    leader["metadata"] = {"name": "flatbgp-controller", "namespace": "kube-system"}  # without an address
    holdings = Holdings("node-01")
    holdings.look(leases(leader), 0.0)
    assert holdings.held == ()


async def test_a_drain_that_fails_leaves_the_store_as_it_was():
    store = open_store("sqlite::memory:")
    with pytest.raises(CommandFailed, match="not found"):
        await empty_node(store, "node-01", 1.0, print)
    assert (await store.list(NODE)).items == ()
    await store.close()
