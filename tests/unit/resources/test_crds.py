import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from flatbgp.resources.admission import binding, policy
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import CLUSTER_CIDR_CONFIG
from flatbgp.resources.codec import encode_status
from flatbgp.resources.crd import DEFINED, definition
from flatbgp.resources.kinds import AnyKind
from flatbgp.resources.networkgatewaygroup import (
    NETWORK_GATEWAY_GROUP,
    FloatingIPStatus,
    NetworkGatewayGroupStatus,
    printed,
)
from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import ObjectShape, shape_of
from flatbgp.resources.table import cell

ROOT = Path(__file__).parents[3]
FILES = ROOT / "charts" / "flatbgp" / "files"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_crds", ROOT / "tools" / "generate_crds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def schema(kind: AnyKind, path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for step in path.split("."):
        if step:
            found = found["properties"][step.removesuffix("[]")]
            found = found["items"] if step.endswith("[]") else found
    return found


def every_schema(kind: AnyKind) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each part of a kind's schema with its path."""
    rest = [("", schema(kind))]
    while rest:
        path, part = rest.pop()
        yield path, part
        rest.extend((f"{path}.{name}", below) for name, below in part.get("properties", {}).items())
        for word, mark in (("items", "[]"), ("additionalProperties", "{}")):
            if word in part:
                rest.append((path + mark, part[word]))


def test_the_files_of_the_chart_are_up_to_date(generator: ModuleType) -> None:
    made = dict(generator.files())
    there = {
        str(path.relative_to(FILES)): path.read_text(encoding="utf-8")
        for folder in ("crds/user", "crds/admin", "policies")
        for path in (FILES / folder).iterdir()
    }
    assert there == made, "run make generate"


def test_kinds_of_admin_clusters_lie_apart(generator: ModuleType) -> None:
    folders = {name.split("/")[1] for name in generator.files() if ".baremetal.cluster.gke.io" in name}
    assert folders == {"admin"}
    assert sum(name.startswith("crds/user/") for name in generator.files()) == 6


def test_no_definition_is_made_for_what_kubernetes_brings_along() -> None:
    assert {kind.name for kind in DEFINED}.isdisjoint({"Node", "Secret", "Lease"})


def test_documents_are_plain_yaml(generator: ModuleType) -> None:
    for text in generator.files().values():
        for document in yaml.safe_load_all(text):
            assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
            assert document["metadata"]["labels"] == {"app.kubernetes.io/part-of": "flatbgp"}


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_every_field_is_described(kind: AnyKind) -> None:
    for path, part in every_schema(kind):
        name = path.rpartition(".")[2]
        if name and not name.endswith(("]", "}")):
            assert part.get("description"), path
            assert "``" not in part["description"]


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_every_list_says_how_writers_share_it(kind: AnyKind) -> None:
    for path, part in every_schema(kind):
        if part.get("type") == "array":
            assert part["x-kubernetes-list-type"] in {"atomic", "set", "map"}, path
        if path.endswith(".conditions"):
            assert part["x-kubernetes-list-map-keys"] == ["type"]


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_what_people_write_is_bounded_so_that_rules_cost_little(kind: AnyKind) -> None:
    for path, part in every_schema(kind):
        if not path.startswith(".spec"):
            continue
        if part.get("type") == "array":
            assert "maxItems" in part, path
        if part.get("type") == "string" and "enum" not in part:
            assert "maxLength" in part, path


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_nothing_is_defaulted_and_a_status_has_no_rules(kind: AnyKind) -> None:
    for path, part in every_schema(kind):
        assert "default" not in part
        if path.startswith(".status"):
            assert "x-kubernetes-validations" not in part


def test_only_a_cluster_keeps_unknown_fields() -> None:
    for kind in DEFINED:
        for path, part in every_schema(kind):
            open_ = "x-kubernetes-preserve-unknown-fields" in part
            assert open_ is (kind is CLUSTER and part["type"] == "object"), (kind.name, path)


def test_tables_have_the_columns_that_flatbgp_get_prints() -> None:
    for kind in DEFINED:
        printed = definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]
        assert [(each["name"], each["jsonPath"], each["type"], each.get("priority", 0)) for each in printed] == [
            (column.header, column.printed or column.path, column.type, int(column.wide)) for column in kind.columns
        ]


def test_names_and_scopes_are_those_of_the_kinds() -> None:
    names = definition(CLUSTER_CIDR_CONFIG)["spec"]["names"]
    assert names == {
        "kind": "ClusterCIDRConfig",
        "listKind": "ClusterCIDRConfigList",
        "plural": "clustercidrconfigs",
        "singular": "clustercidrconfig",
        "shortNames": ["ccc"],
    }
    assert definition(CLUSTER_CIDR_CONFIG)["spec"]["scope"] == "Cluster"
    assert definition(BGP_PEER)["spec"]["scope"] == "Namespaced"


def test_descriptions_tell_the_meaning_the_bounds_and_the_default() -> None:
    assert schema(BGP_PEER, "spec.sessions")["description"] == (
        "From how many floating IPs sessions are opened, each held by another node."
        " A whole number, 1 to 2147483647. Default: 1."
    )
    assert schema(CLUSTER, "spec.clusterNetwork.flatIPv4")["description"].endswith("Default: false. Never changes.")
    assert schema(CLUSTER_CIDR_CONFIG, "spec")["description"].endswith("nodeSelector is mutable.")


def test_the_order_of_floating_ips_is_kept_by_all_writers() -> None:
    assert schema(NETWORK_GATEWAY_GROUP, "spec.floatingIPs")["x-kubernetes-list-type"] == "atomic"


def test_an_absent_spec_is_refused_where_an_empty_one_is() -> None:
    assert {kind.name for kind in DEFINED if "required" in schema(kind)} == {
        "ClusterCIDRConfig",
        "NetworkGatewayGroup",
        "BGPPeer",
        "BGPSession",
        "BGPAdvertisedRoute",
    }


@pytest.mark.parametrize("kind", DEFINED, ids=lambda kind: kind.full_name)
def test_rules_between_fields_name_fields_that_are_there(kind: AnyKind) -> None:
    for rule in kind.cel_rules:
        names = {known.name for known in _at(shape_of(kind.spec_type), rule.at).properties}
        assert set(re.findall(r"\bself\.\??(\w+)", rule.cel)) <= names


def _at(shape: ObjectShape, path: str) -> ObjectShape:
    found: Any = shape
    for step in path.split(".")[1:]:
        found = next(known.shape for known in found.properties if known.name == step.removesuffix("[]"))
        found = getattr(found, "item", found)
    assert isinstance(found, ObjectShape)
    return found


def test_the_policy_is_bound_and_matches_every_kind() -> None:
    assert binding()["spec"] == {"policyName": policy()["metadata"]["name"], "validationActions": ["Deny"]}
    rules = policy()["spec"]["matchConstraints"]["resourceRules"]
    matched = {(group, plural) for rule in rules for group in rule["apiGroups"] for plural in rule["resources"]}
    assert matched == {(kind.group, kind.plural) for kind in DEFINED}


def test_a_printed_column_has_one_value() -> None:
    # An API server prints the first of several, which would pass for all of them.
    for kind in DEFINED:
        for column in definition(kind)["spec"]["versions"][0]["additionalPrinterColumns"]:
            assert "*" not in column["jsonPath"]


def test_the_floating_ips_are_printed_by_an_api_server_as_by_us() -> None:
    entries = (
        FloatingIPStatus(ip_address("10.0.1.100"), "node-01", reason=Reason.HELD),
        FloatingIPStatus(ip_address("10.0.3.100"), reason=Reason.NO_GATEWAY),
    )
    document = {
        "metadata": {"name": "default"},
        "status": encode_status(NETWORK_GATEWAY_GROUP, NetworkGatewayGroupStatus(entries, printed(entries))),
    }
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for column in NETWORK_GATEWAY_GROUP.columns:
        if column.printed:
            assert cell(document, column, now) == cell(document, replace(column, path=column.printed), now) != ""
    assert printed(()) is None
