"""``debug engine`` on a cluster: with the rights of the speaker in whose pod it is typed."""

import pytest

from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.roles.speaker.expected import expected_of_store, read_by_a_speaker
from flatbgp.store.protocol import StoreError
from flatbgp.store.url import open_store
from support.charted import PASSWORDS, Clusters
from support.kubernetes import NOBODY, SPEAKER

NODE_NAME = "debugged-node"


async def test_a_speakers_rights_are_enough_to_compare_its_daemon_with_the_plan(clusters: Clusters) -> None:
    document = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}
    clusters.user.request("POST", "/api/v1/nodes", document)
    store = open_store(clusters.user.url(SPEAKER))
    try:
        objects = await read_by_a_speaker(store, NODE_NAME, PASSWORDS)
        plan = expected_of_store(objects, NODE_NAME, await store.identity(), PASSWORDS)
    finally:
        await store.close()
        clusters.user.request("DELETE", f"/api/v1/nodes/{NODE_NAME}")
    assert [each.meta.name for each in objects if each.kind is NODE] == [NODE_NAME]
    assert all(each.meta.namespace == PASSWORDS for each in objects if each.kind is SECRET)
    assert plan.desired.marker.endswith(f"-{NODE_NAME}")


async def test_who_has_no_rights_is_told_which_one_is_missing(clusters: Clusters) -> None:
    store = open_store(clusters.user.url(NOBODY))
    try:
        with pytest.raises(StoreError, match="does not let this user read"):
            await read_by_a_speaker(store, NODE_NAME, PASSWORDS)
    finally:
        await store.close()
