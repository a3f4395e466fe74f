"""What an API server admits, ``flatbgp validate`` accepts, and the reverse: the real server over the one table."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from resource_samples import SAMPLES, Document, broken, put, sample
from resource_table import BAD_FIELDS, FIXED_FIELDS, GOOD_FIELDS, MUTABLE_FIELDS, UNKNOWN_FIELDS

from flatbgp.resources import kinds
from flatbgp.resources.changes import changes
from flatbgp.resources.codec import decode
from flatbgp.resources.crd import DEFINED
from flatbgp.resources.faults import errors
from flatbgp.resources.validate import check_files
from support.definitions import collection, install
from support.kubernetes import ApiError, ApiServer

OURS = [name for name, document in SAMPLES.items() if document["apiVersion"].partition("/")[0].endswith(".gke.io")]
"""The samples of the kinds that are defined by us; a Node or a Secret has Kubernetes' own rules."""


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> Iterator[ApiServer]:
    api_server.create_namespace("cluster-bm")
    install(api_server)
    yield api_server
    api_server.clear(DEFINED)


def admit(server: ApiServer, document: Document) -> str:
    """Return why the server would refuse to create an object; empty if it would not."""
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    metadata = document.get("metadata")
    namespace = metadata.get("namespace", "") if isinstance(metadata, dict) else "cluster-bm"
    query = "?dryRun=All&fieldValidation=Strict"
    try:
        server.request("POST", collection(kind, namespace if kind.namespaced else "") + query, document)
    except ApiError as error:
        return str(error)
    return ""


def validated(document: Document) -> tuple[str, ...]:
    return tuple(str(fault) for fault in errors(check_files([("f", json.dumps(document).encode())]).faults))


@pytest.mark.parametrize("name", OURS)
def test_every_sample_is_admitted(server: ApiServer, name: str) -> None:
    assert admit(server, sample(name)) == ""


@pytest.mark.parametrize(("name", "path", "value"), [row for row in GOOD_FIELDS if row[0] in OURS])
def test_what_validate_accepts_is_admitted(server: ApiServer, name: str, path: str, value: Any) -> None:
    document = broken(name, path, value)
    assert validated(document) == ()
    assert admit(server, document) == ""


@pytest.mark.parametrize(("name", "path", "value"), [row[:3] for row in BAD_FIELDS if row[0] in OURS])
def test_what_validate_refuses_is_not_admitted(server: ApiServer, name: str, path: str, value: Any) -> None:
    document = broken(name, path, value)
    assert validated(document)
    assert admit(server, document), "admitted, though validate refuses it"


@pytest.mark.parametrize(("name", "path", "right"), [row for row in UNKNOWN_FIELDS if row[0] in OURS])
def test_an_unknown_field_is_not_admitted(server: ApiServer, name: str, path: str, right: str) -> None:
    document = broken(name, path, "x")
    assert any(f"did you mean {right}?" in fault for fault in validated(document))
    assert "unknown field" in admit(server, document)


# Values that readers are known to differ on, and those at the edges of the rules.
_ADDRESSES = [
    "1:2:3:4:5:6:7::",
    "::2:3:4:5:6:7:8",
    "1::2::3",
    "febf::1",
    "fec0::1",
    "64:ff9b::1.2.3.4",
    "1.2.3.4.5",
    "240.0.0.1",
    "255.255.255.254",
    "12345::",
    "::00001",
    "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::1.2.3.04",
    "0::0",
    "126.255.255.255",
    "223.255.255.255",
]
_RANGES = [
    "10.0.0.0/32",
    "128.0.0.0/1",
    "1.0.0.0/8",
    "2001:db8::/32",
    "2001:db8::1/128",
    "8000::/1",
    "fc00::/7",
    "fe00::/9",
    "::/16",
    "::1:0:0:0/80",
    "::fffe:0:0/96",
    "10.0.0.0/08",
    "10.0.0.0/+8",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "224.0.0.0/3",
    "240.0.0.0/4",
    "169.254.0.0/15",
]
_TEXTS = ["", "a.b/c", "a/" + "b" * 63, "a/" + "b" * 64, "\u0661:2", "a\n", "\u0000", "NO-EXPORT", "accept-own", "00:1"]
_TEXTS += ["65535:65535", "1:2:3", "4294967296:0:1", "In", "x" * 63, "x" * 64, ".a", "a..b", "true"]
_NUMBERS = [0, 1, 2, 3, -1, 16, 20, 32, 96, 112, 128, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63, 24.0, 1e3, 1.5, -0.0]
_VALUES = st.sampled_from([*_ADDRESSES, *_RANGES, *_TEXTS, *_NUMBERS, None, True, [], {}, [None], {"a": None}])


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every container of a value with each key or index in it."""
    for key, below in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(below, dict | list):
            yield from places(below)


@settings(
    max_examples=300, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), name=st.sampled_from(OURS), value=_VALUES)
def test_both_say_the_same_of_any_value_in_any_field(
    server: ApiServer, data: st.DataObject, name: str, value: Any
) -> None:
    document = sample(name)
    document["spec"] |= json.loads(json.dumps(_MORE_FIELDS.get(name, {})))
    spots = list(places(document["spec"]))
    container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
    container[key] = value
    faults, refusal = validated(document), admit(server, document)
    assert bool(faults) is bool(refusal), (document["spec"], faults, refusal)


_MORE_FIELDS: dict[str, Document] = {
    "peer": {
        "ebgpMultihop": True,
        "passwordSecretRef": {"name": "a"},
        "timers": {"holdTimeSeconds": 30, "keepAliveTimeSeconds": 10, "connectRetryTimeSeconds": 5},
        "gracefulRestart": {"enabled": True, "restartTimeSeconds": 60, "deferralTimeSeconds": 3},
        "communities": ["65000:1", "no-export"],
        "largeCommunities": ["1:2:3"],
        "med": 1,
        "localPref": 2,
        "prefixLimit": 5,
    },
    "config": {
        "nodeSelector": {
            "matchLabels": {"a": "b", "x/y": "z"},
            "matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}],
        }
    },
    "route": {"metric": 5},
}
"""The optional fields that the samples leave out."""


def test_a_namespace_is_the_servers_business_before_it_checks(server: ApiServer) -> None:
    # Why validate is stricter here: the server takes the namespace of the URL, and drops one that a kind does not have.
    sent = broken("user-mode", "metadata.namespace", "kube-system")
    kind = kinds.of(sent["apiVersion"], sent["kind"])
    assert kind is not None
    made = server.request("POST", f"{collection(kind)}?dryRun=All&fieldValidation=Strict", sent)
    assert "namespace" not in made["metadata"]
    assert any("must not be there" in fault for fault in validated(sent))


def existing(server: ApiServer, name: str) -> tuple[str, Document]:
    """Make a sample and return its path and what is there now."""
    document = sample(name)
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    place = collection(kind, document["metadata"].get("namespace", ""))
    path = f"{place}/{document['metadata']['name']}"
    server.clear([kind])
    return path, server.request("POST", place, document)


def change(server: ApiServer, name: str, path: str, value: Any) -> tuple[str, Document, Document]:
    """Return what the server says of a change (nothing if it takes it), and the object before and after."""
    place, before = existing(server, name)
    after = put(json.loads(json.dumps(before)), path, value)
    if path.endswith("ipv4.perNodeMaskSize") and "ipv6" in after["spec"]:
        put(after, "spec.ipv6.perNodeMaskSize", value + 96)
    try:
        server.request("PUT", f"{place}?dryRun=All&fieldValidation=Strict", after)
    except ApiError as error:
        return str(error), before, after
    return "", before, after


@pytest.mark.parametrize(("name", "path", "value", "where"), [row for row in FIXED_FIELDS if row[0] in OURS])
def test_s70_what_was_fixed_at_creation_is_kept(
    server: ApiServer, name: str, path: str, value: Any, where: str
) -> None:
    refusal, before, after = change(server, name, path, value)
    kind = kinds.of(before["apiVersion"], before["kind"])
    assert kind is not None
    assert changes(decode(kind, before), decode(kind, after))
    assert where in refusal
    assert "never changes" in refusal


@pytest.mark.parametrize(("name", "path", "value"), [row for row in MUTABLE_FIELDS if row[0] in OURS])
def test_what_may_change_is_admitted(server: ApiServer, name: str, path: str, value: Any) -> None:
    refusal, _, _ = change(server, name, path, value)
    assert refusal == ""
