"""What a write makes of an object, whatever was there: properties over generated objects."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.node import NODE
from flatbgp.store import documents
from flatbgp.store.documents import Marks

NAMES = st.sampled_from(["a", "b", "c"])
MARKS = st.dictionaries(NAMES, st.sampled_from(["1", "2"]), max_size=3)
VALUES = st.recursive(
    st.integers(0, 3) | st.booleans() | st.sampled_from(["x", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)
SPECS = st.dictionaries(NAMES, VALUES, max_size=3)
NULLABLE = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["x"]),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    meta = {
        "name": "router",
        "namespace": "kube-system",
        "labels": draw(MARKS),
        "annotations": draw(MARKS),
        "finalizers": draw(st.lists(NAMES, unique=True, max_size=2)),
    }
    return {"metadata": meta, "spec": draw(SPECS), "status": draw(SPECS)}


def stored(value: dict[str, Any], *, status: dict[str, Any]) -> dict[str, Any]:
    new = documents.created(BGP_PEER, value, now="2026-01-01T00:00:00Z", uid="uid")
    return documents.patched(BGP_PEER, new, {"status": status}, "status")


@given(written(), written(), SPECS)
def test_applying_twice_is_applying_once(first: dict[str, Any], second: dict[str, Any], status: dict[str, Any]) -> None:
    old = stored(first, status=status)
    once = documents.applied(BGP_PEER, old, second, documents.marks_of(first))
    twice = documents.applied(BGP_PEER, once, second, documents.marks_of(second))
    assert twice == once


@given(written(), written(), SPECS, MARKS)
def test_apply_owns_the_spec_and_its_own_marks_and_nothing_else(
    first: dict[str, Any], second: dict[str, Any], status: dict[str, Any], theirs: dict[str, str]
) -> None:
    old = stored(first, status=status)
    foreign = {f"theirs-{name}": text for name, text in theirs.items()}
    old = documents.patched(BGP_PEER, old, {"metadata": {"labels": foreign}}, "")
    new = documents.applied(BGP_PEER, old, second, documents.marks_of(first))

    assert new["spec"] == second["spec"]
    assert new.get("status", {}) == status
    assert documents.labels_of(new) == second["metadata"]["labels"] | foreign
    assert set(documents.finalizers_of(new)) >= set(documents.finalizers_of(old))
    for name in ("uid", "creationTimestamp", "name", "namespace"):
        assert new["metadata"][name] == old["metadata"][name]
    grown = new["metadata"]["generation"] - old["metadata"]["generation"]
    assert grown == (new["spec"] != old["spec"])


@given(written(), SPECS, st.fixed_dictionaries({"metadata": NULLABLE, "spec": NULLABLE, "status": NULLABLE}))
def test_a_patch_of_one_side_leaves_the_other(
    value: dict[str, Any], status: dict[str, Any], patch: dict[str, Any]
) -> None:
    old = stored(value, status=status)
    by_status = documents.patched(BGP_PEER, old, patch, "status")
    assert {**by_status, "status": None} == {**old, "status": None}
    by_main = documents.patched(BGP_PEER, old, patch, "")
    assert by_main.get("status") == old.get("status")
    assert by_main["metadata"]["name"] == "router"
    assert by_main["metadata"]["uid"] == "uid"


@given(written())
def test_an_object_never_shares_what_is_changed_later(value: dict[str, Any]) -> None:
    old = stored(value, status={})
    before = repr(old)
    documents.applied(BGP_PEER, old, {"metadata": {"name": "router"}, "spec": {"z": 1}}, Marks(frozenset("abc")))
    documents.patched(BGP_PEER, old, {"metadata": {"labels": {"a": None}}, "spec": {"a": None}}, "")
    assert repr(old) == before


def test_a_selector_wants_all_its_pairs() -> None:
    assert documents.matches({"a": "1", "b": "2"}, {"a": "1", "b": "2"})
    assert not documents.matches({"a": "1"}, {"a": "1", "b": "2"})
    assert not documents.matches({}, {"a": ""})
    assert documents.matches({}, {})
    assert documents.matches({}, None)


def test_the_single_pod_cidr_follows_the_list() -> None:
    old = documents.created(NODE, {"metadata": {"name": "n"}}, now="", uid="u")
    new = documents.patched(
        NODE, old, {"spec": {"podCIDRs": ["10.0.0.0/24", "fd00::/64"], "podCIDR": "1.2.3.0/24"}}, ""
    )
    assert new["spec"]["podCIDR"] == "10.0.0.0/24"
