"""What an API server's answers mean, and what is sent to it."""

from typing import Any

import msgspec
import pytest
from storedocs import NAMESPACE, node, peer

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.lease import LEASE
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET
from flatbgp.store.kubernetes import errors, objects, paths
from flatbgp.store.kubernetes.errors import About
from flatbgp.store.kubernetes.transport import MERGE_PATCH, Answer
from flatbgp.store.kubernetes.watching import Lines
from flatbgp.store.protocol import (
    AlreadyExists,
    Conflict,
    Expired,
    NotFound,
    NotServed,
    Refused,
    StoreError,
    Unreachable,
)

WHERE = "https://10.0.0.1:6443"
ABOUT = About("patch", BGP_PEER, NAMESPACE, "router")


def raised(answer: Answer, about: About = ABOUT) -> StoreError:
    with pytest.raises(StoreError) as error:
        errors.check(answer, about, WHERE)
    return error.value


def status(code: int, message: str = "", reason: str = "", **details: object) -> Answer:
    body = {"kind": "Status", "code": code, "message": message, "reason": reason, "details": details}
    return Answer(code, msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (NODE, "/api/v1/nodes/x"),
        (SECRET, "/api/v1/namespaces/kube-system/secrets/x"),
        (LEASE, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x"),
        (BGP_PEER, "/apis/networking.gke.io/v1/namespaces/kube-system/bgppeers/x"),
    ],
)
def test_each_kind_is_where_its_group_and_scope_say(kind: Any, expected: str) -> None:
    assert paths.get(kind, NAMESPACE, "x").path == expected
    assert paths.collection(kind, None) == expected.replace("/namespaces/kube-system", "").removesuffix("/x")


def test_a_name_cannot_lead_elsewhere() -> None:
    assert paths.get(NODE, "", "../secrets/x?watch=1").path == "/api/v1/nodes/..%2Fsecrets%2Fx%3Fwatch%3D1"


def test_a_patch_is_strict_has_an_author_and_is_a_compare_and_swap_where_a_version_is_given() -> None:
    plain = paths.patch(BGP_SESSION, NAMESPACE, "s", {"status": {}}, subresource="status")
    assert plain.path.endswith("/bgpsessions/s/status")
    assert plain.query == {"fieldManager": "flatbgp", "fieldValidation": "Strict"}
    assert (plain.body, plain.content_type) == ({"status": {}}, MERGE_PATCH)
    change = {"metadata": {"labels": {"a": "b"}}}
    swap = paths.patch(BGP_SESSION, NAMESPACE, "s", change, version="7", dry=True)
    assert swap.body == {"metadata": {"labels": {"a": "b"}, "resourceVersion": "7"}}
    assert swap.query["dryRun"] == "All"
    assert change == {"metadata": {"labels": {"a": "b"}}}
    assert paths.delete(NODE, "", "n", "7").body == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"resourceVersion": "7"},
    }


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (status(404, "", "NotFound", name="router", kind="bgppeers"), NotFound, "BGPPeer kube-system/router not found"),
        (Answer(404, b"404 page not found\n"), NotServed, "crds.install=true"),
        (status(409, "", "AlreadyExists", name="router"), AlreadyExists, "router exists already"),
        (status(409, "newer version", "Conflict"), Conflict, "newer version"),
        (status(410, "too old resource version: 5 (9)", "Expired"), Expired, "list again"),
        (status(413, "too large"), Refused, "too large"),
        (status(500, "etcdserver: request timed out"), Unreachable, "etcdserver: request timed out"),
        (Answer(502, b"<html>Bad Gateway</html>"), Unreachable, "Bad Gateway"),
        (status(503, "shutting down"), Unreachable, "shutting down"),
        (status(405, "not allowed"), StoreError, "cannot patch BGPPeer kube-system/router: 405 not allowed"),
    ],
)
def test_each_refusal_has_its_error(answer: Answer, error: type[StoreError], said: str) -> None:
    found = raised(answer)
    assert type(found) is error
    assert said in str(found)


def test_a_refused_object_is_refused_fault_by_fault() -> None:
    causes = [
        {"field": "spec.peerIP", "message": "must be an address"},
        {"field": "<nil>", "message": "some fields were not checked"},
    ]
    found = raised(status(422, "is invalid", "Invalid", causes=causes))
    assert isinstance(found, Refused)
    assert [str(fault) for fault in found.faults] == [
        "BGPPeer kube-system/router: spec.peerIP: must be an address",
        "BGPPeer kube-system/router: some fields were not checked",
    ]


def test_a_policy_that_forbids_is_a_refusal_and_a_missing_right_is_not() -> None:
    policy = raised(status(403, 'bgppeers.networking.gke.io "router" is forbidden: exceeded quota: one', "Forbidden"))
    assert isinstance(policy, Refused)
    message = (
        'bgppeers.networking.gke.io "router" is forbidden: User "me" cannot patch resource "bgppeers" in API group'
    )
    right = raised(status(403, message, "Forbidden"))
    assert not isinstance(right, Refused | Unreachable)
    assert 'apiGroups ["networking.gke.io"], resources ["bgppeers"], verbs ["patch"]' in str(right)


def test_what_is_asked_for_by_retry_after_travels_with_the_error() -> None:
    body = status(429, "too many requests").body
    found = raised(Answer(429, body, retry_after=3.0))
    assert isinstance(found, Unreachable)
    assert found.retry_after == 3.0
    assert "asks for 3 s of rest" in str(found)


def test_lines_come_whole_however_the_bytes_are_cut() -> None:
    text = b'{"a":1}\n{"b":"\xc3\xa4"}\n\n{"c":3}\n{"rest'
    for size in range(1, len(text) + 1):
        lines = Lines()
        found = [line for at in range(0, len(text), size) for line in lines.complete(text[at : at + size])]
        assert found == text.split(b"\n")[:-1]


def test_a_new_object_has_nothing_that_only_the_server_decides() -> None:
    given = peer(
        uid="u", resourceVersion="5", generation=3, creationTimestamp="2001-01-01T00:00:00Z", labels={"a": "b"}
    )
    assert objects.new(BGP_PEER, given)["metadata"] == {
        "name": "router",
        "namespace": NAMESPACE,
        "labels": {"a": "b"},
    }


def test_a_listed_node_is_kept_without_its_bulk() -> None:
    given = node(labels={"a": "b"}, managedFields=[{"manager": "kubelet"}])
    given["status"] |= {"images": [{"names": ["x"]}], "conditions": [{"type": "Ready", "status": "True"}]}
    del given["kind"]  # the objects of core lists come without
    found = objects.listed(NODE, msgspec.json.encode(given))
    assert found.document["kind"] == "Node"
    assert found.document["metadata"] == {"name": "node-01", "labels": {"a": "b"}}
    assert found.document["status"] == {
        "addresses": [{"type": "InternalIP", "address": "10.0.1.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    assert found.status is not None
    assert found.status.addresses[0].address == "10.0.1.1"
