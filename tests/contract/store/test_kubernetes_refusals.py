"""What the Kubernetes store says of what an API server does not allow or does not have."""

import json
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from storedocs import NAMESPACE, document, manifest, node, opened, peer, secret, until_answered

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.protocol import NotServed, Refused, Store, StoreError, Unreachable
from support.apifaults import granted
from support.kubernetes import NOBODY, ApiServer, api_servers

pytestmark = pytest.mark.contract


@pytest.fixture
async def store(kubernetes_url: str) -> AsyncIterator[Store]:
    async with opened(kubernetes_url) as store:
        yield store


@pytest.fixture(scope="module")
def bare() -> Iterator[ApiServer]:
    """A server without flatbgp's definitions."""
    with api_servers() as (server,):
        yield server


async def test_a_missing_permission_is_named_as_a_role_would_grant_it(cluster: ApiServer) -> None:
    read_own = {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}
    with granted(cluster, NOBODY, [read_own]):
        async with opened(cluster.url(NOBODY)) as store:
            await until_answered(store.identity, StoreError)
            for call, verb, what, rule in (
                (lambda: store.list(NODE), "list", "nodes", 'apiGroups [""], resources ["nodes"], verbs ["list"]'),
                (
                    lambda: store.patch(BGP_SESSION, "s", NAMESPACE, {"status": {}}, subresource="status"),
                    "patch",
                    "BGPSession kube-system/s",
                    'resources ["bgpsessions/status"], verbs ["patch"] in namespace kube-system',
                ),
                (lambda: anext(store.watch(SECRET, "1", NAMESPACE)), "list", "secrets", 'resources ["secrets"]'),
                (lambda: store.delete(NODE, "n"), "delete", "Node n", 'verbs ["delete"] in the whole cluster'),
            ):
                with pytest.raises(StoreError) as error:
                    await call()
                assert not isinstance(error.value, Unreachable | Refused)
                assert f"does not let nobody {verb} {what}" in str(error.value)
                assert rule in str(error.value)


async def test_who_may_not_even_know_the_cluster_is_told_what_that_takes(cluster: ApiServer) -> None:
    async with opened(cluster.url(NOBODY)) as store:
        with pytest.raises(StoreError, match="kube-system") as error:
            await store.get(NODE, "n")
        assert 'resourceNames ["kube-system"], verbs ["get"]' in str(error.value)


async def test_credentials_that_are_not_known_are_said_to_be_and_new_ones_are_taken(
    cluster: ApiServer, tmp_path: Path
) -> None:
    good = cluster.kubeconfig()
    config = json.loads(good.read_text())
    config["users"][0]["user"]["token"] = "expired"  # noqa: S105 - it is none
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    async with opened(f"kubernetes:?kubeconfig={path}") as store:
        with pytest.raises(StoreError, match="does not accept the credentials") as error:
            await store.list(NODE)
        assert str(path) in str(error.value)
        assert not isinstance(error.value, Unreachable)
        shutil.copy(good, path)  # as a login does
        assert (await store.list(NODE)).items == ()


async def test_definitions_that_are_not_installed_are_missed_with_how_to_install_them(bare: ApiServer) -> None:
    async with opened(bare.url()) as store:
        for call in (
            lambda: store.list(BGP_PEER),
            lambda: store.get(BGP_PEER, "router", NAMESPACE),
            lambda: store.create(BGP_PEER, peer()),
            lambda: store.apply([manifest(BGP_PEER, peer())]),
            lambda: anext(store.watch(BGP_PEER, "1")),
        ):
            with pytest.raises(NotServed, match=r"bgppeers\.networking\.gke\.io") as error:
                await call()
            assert "crds.install=true" in str(error.value)
        assert await store.get(NODE, "node-01") is None


async def test_a_namespace_that_is_not_there_is_named(store: Store) -> None:
    elsewhere = peer()
    elsewhere["metadata"]["namespace"] = "nowhere"
    with pytest.raises(Refused, match="no namespace nowhere"):
        await store.create(BGP_PEER, elsewhere)
    assert (await store.list(BGP_PEER, "nowhere")).items == ()
    assert await store.get(BGP_PEER, "router", "nowhere") is None


async def test_an_apply_that_fails_half_way_lists_what_was_written_and_what_was_not(
    cluster: ApiServer, store: Store
) -> None:
    # Each passes the dry run; the second exceeds the quota of the namespace once the first is there.
    quotas = "/api/v1/namespaces/default/resourcequotas"
    hard = {"count/bgppeers.networking.gke.io": "1"}
    cluster.request(
        "POST",
        quotas,
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}, "spec": {"hard": hard}},
    )
    used = {"status": {"hard": hard, "used": {"count/bgppeers.networking.gke.io": "0"}}}
    cluster.merge(f"{quotas}/one/status", used)
    config = document(CLUSTER_CIDR_CONFIG, "c", spec={"ipv4": {"cidr": "10.1.0.0/16", "perNodeMaskSize": 24}})
    peers = [peer(name, ip=f"10.0.1.{number}") for number, name in enumerate(("first", "second"), 1)]
    for each in peers:
        each["metadata"]["namespace"] = "default"
    given = [manifest(CLUSTER_CIDR_CONFIG, config), *(manifest(BGP_PEER, each) for each in peers)]
    given.append(manifest(SECRET, secret()))
    try:
        with pytest.raises(StoreError, match="exceeded quota") as error:
            await store.apply(given)
    finally:
        cluster.request("DELETE", f"{quotas}/one")
    assert str(error.value).splitlines()[1:] == [
        "2 of 4 objects are as the manifests say; apply them again to go on",
        "  written: ClusterCIDRConfig c created",
        "  written: BGPPeer default/first created",
        "  not written: BGPPeer default/second",
        "  not written: Secret kube-system/password",
    ]
    assert [each.meta.name for each in (await store.list(BGP_PEER)).items] == ["first"]
    assert [applied.verb for applied in await store.apply(given)] == ["unchanged", "unchanged", "created", "created"]


async def test_a_node_keeps_what_others_wrote_into_its_spec_and_status(cluster: ApiServer, store: Store) -> None:
    await store.create(NODE, node(spec={"podCIDRs": ["10.1.0.0/24"]}))
    cluster.merge("/api/v1/nodes/node-01", {"spec": {"providerID": "x://1", "unschedulable": True}})
    cluster.merge("/api/v1/nodes/node-01/status", {"status": {"phase": "Running"}})
    before = await store.get(NODE, "node-01")
    assert before is not None
    await store.apply([manifest(NODE, node(address="10.0.9.9", labels={"rack": "1"}))])
    after = await store.get(NODE, "node-01")
    assert after is not None
    assert (after.document["spec"], after.document["status"]) == (before.document["spec"], before.document["status"])
    assert after.meta.labels == {"rack": "1"}


async def test_who_wrote_which_field_is_nobodys_business_here(store: Store) -> None:
    made = await store.create(BGP_PEER, peer())
    (listed,) = (await store.list(BGP_PEER)).items
    (shown,) = await store.preview([manifest(BGP_PEER, peer(asn=64999))])
    for each in (made, listed, shown):
        assert "managedFields" not in each.document["metadata"]
