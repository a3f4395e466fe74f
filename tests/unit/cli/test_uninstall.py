"""``uninstall``: what it waits for, and that it takes what the roles wrote and nothing else."""

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from flatbgp.planning.uninstallation import look, still_held, still_running
from flatbgp.resources import kinds
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import decode
from flatbgp.resources.lease import LEASE
from flatbgp.resources.workload import POD
from flatbgp.roles.uninstallation import Uninstallation, UninstallFailed
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store


def lease(name: str, holder: str, renewed: str = "1", **meta: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "kube-system", **meta}
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 5, "renewTime": renewed}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def floating(address: str, holder: str, renewed: str = "1") -> dict[str, Any]:
    annotations = {"flatbgp.io/address": address}
    return lease(f"floatingip-{address.replace('.', '-')}", holder, renewed, annotations=annotations)


def leases(*documents: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(decode(LEASE, document) for document in documents)


def pod(name: str, component: str, phase: str = "Running") -> Any:
    labels = {"app.kubernetes.io/component": component}
    metadata = {"name": name, "namespace": "flatbgp-system", "labels": labels}
    return decode(POD, {"metadata": metadata, "spec": {"nodeName": "node-01"}, "status": {"phase": phase}})


ROUTE = {
    "metadata": {"name": "route-via-10-0-1-11", "namespace": "kube-system"},
    "spec": {"prefix": "222.2.0.0/24", "nextHop": "10.0.1.11", "nodeName": "node-01"},
}
SESSION = {
    "metadata": {"name": "10.0.1.254-node-01", "namespace": "kube-system"},
    "spec": {
        "localASN": 65001,
        "peerASN": 65002,
        "localIP": "10.0.1.100",
        "peerIP": "10.0.1.254",
        "nodeName": "node-01",
        "peer": "bgppeer1",
    },
}


def config(name: str, cidr: str, *finalizers: str) -> dict[str, Any]:
    metadata = {"name": name, "finalizers": list(finalizers)}
    return {"metadata": metadata, "spec": {"ipv4": {"cidr": cidr, "perNodeMaskSize": 24}}}


async def everything(store: Store) -> dict[str, set[str]]:
    return {kind.full_name: {item.meta.name for item in (await store.list(kind)).items} for kind in kinds.ALL}


def with_kind(kind: Any, document: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": kind.api_version, "kind": kind.name, **document}


async def fill(store: Store, objects: Iterable[tuple[Any, dict[str, Any]]]) -> None:
    for kind, document in objects:
        await store.create(kind, with_kind(kind, document))


def test_it_leaves_what_people_and_others_wrote(run, on_store, examples):
    run("apply", "-f", str(examples / "single-stack-ipv4.yaml"))
    run("apply", "-f", str(examples / "nodes.yaml"))
    before = on_store(everything)
    ours = [
        (LEASE, floating("10.0.1.100", "")),
        (LEASE, lease("flatbgp-controller", "")),
        (LEASE, lease("flatbgp-admin", "")),
        (BGP_ADVERTISED_ROUTE, ROUTE),
        (BGP_SESSION, SESSION),
    ]
    on_store(lambda store: fill(store, ours))
    others = [
        (LEASE, lease("kube-scheduler", "somebody")),
        (CLUSTER_CIDR_CONFIG, config("theirs", "10.9.0.0/16", "a/b")),
    ]
    on_store(lambda store: fill(store, others))

    done = run("uninstall", "-n", "flatbgp-system", "--instance", "flatbgp")

    assert (done.exit_code, done.stderr) == (0, "")
    assert "deleted 5" in done.stdout
    before["leases.coordination.k8s.io"].add("kube-scheduler")
    before["clustercidrconfigs.networking.gke.io"].add("theirs")
    assert on_store(everything) == before


def test_a_range_in_use_loses_our_finalizer_and_no_other(run, on_store):
    used = [
        (CLUSTER_CIDR_CONFIG, config("used", "222.2.0.0/16", "flatbgp.io/in-use")),
        (CLUSTER_CIDR_CONFIG, config("shared", "222.3.0.0/16", "a/b", "flatbgp.io/in-use")),
        (CLUSTER_CIDR_CONFIG, config("leaving", "222.4.0.0/16", "flatbgp.io/in-use")),
    ]
    on_store(lambda store: fill(store, used))
    on_store(lambda store: store.delete(CLUSTER_CIDR_CONFIG, "leaving"))

    assert run("uninstall", "-n", "flatbgp-system", "--instance", "flatbgp").exit_code == 0

    left = on_store(lambda store: store.list(CLUSTER_CIDR_CONFIG)).items
    assert {item.meta.name: item.meta.finalizers for item in left} == {"used": (), "shared": ("a/b",)}


def test_again_it_finds_nothing_to_do(run):
    for _ in range(2):
        done = run("uninstall", "-n", "flatbgp-system", "--instance", "flatbgp")
        assert (done.exit_code, done.stderr) == (0, "")


def test_an_address_that_is_renewed_stops_it_before_anything_is_deleted(run, on_store):
    on_store(lambda store: fill(store, [(LEASE, floating("10.0.1.100", "node-01")), (BGP_ADVERTISED_ROUTE, ROUTE)]))
    refused = run("uninstall", "-n", "flatbgp-system", "--instance", "flatbgp", "--timeout", "0.5s")
    assert refused.exit_code == 1
    assert "still waiting for Leases to be free: floatingip-10-0-1-100 by node-01" in refused.stderr
    assert on_store(lambda store: store.list(BGP_ADVERTISED_ROUTE)).items


async def test_a_lease_that_nobody_renews_is_held_no_longer_after_its_duration():
    store, now = open_store("sqlite::memory:"), 100.0

    def clock() -> float:
        nonlocal now
        now += 3.0
        return now

    await fill(store, [(LEASE, floating("10.0.1.100", "node-01"))])
    said: list[str] = []
    await asyncio.wait_for(Uninstallation(store, "x", "y", 60.0, said.append, clock).run(), 10)
    assert "waiting for Leases to be free: floatingip-10-0-1-100 by node-01" in said
    assert (await store.list(LEASE)).items == ()


async def test_it_tries_a_store_that_is_away_until_its_time_is_over(tmp_path):
    locked = tmp_path / "not-there" / "store.db"
    (tmp_path / "not-there").write_text("a file where the directory should be")
    store = open_store(f"sqlite:{locked}")
    with pytest.raises(UninstallFailed, match=r"after 0\.2 s still waiting for"):
        await Uninstallation(store, "x", "y", 0.2, lambda _: None, asyncio.get_running_loop().time).run()


def test_every_renewal_counts_anew():
    first, second = leases(floating("10.0.1.100", "node-01")), leases(floating("10.0.1.100", "node-01", "2"))
    sights = look(first, {}, 10.0)
    assert still_held(first, look(first, sights, 14.9), 14.9)
    assert not still_held(first, look(first, sights, 15.0), 15.0)
    renewed = look(second, sights, 14.0)
    assert still_held(second, renewed, 18.9)
    assert not still_held(second, renewed, 19.0)


def test_pods_of_roles_that_run_are_waited_for_and_no_others():
    pods = [
        pod("speaker", "speaker"),
        pod("starting", "controller", "Pending"),
        pod("mirror", "admin"),
        pod("evicted", "controller", "Failed"),
        pod("itself", "uninstall"),
    ]
    assert [each.meta.name for each in still_running(pods)] == ["speaker", "starting", "mirror"]
