from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resource_samples import Document, broken, put, sample

from flatbgp.resources import kinds
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.kind import Column
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.resource import Resource
from flatbgp.resources.table import age, cell, columns, table, values_at

NOW = datetime(2026, 1, 2, 3, 4, 7, tzinfo=UTC)


def decoded(document: Document) -> Resource[Any, Any]:
    kind = kinds.of(document["apiVersion"], document["kind"])
    assert kind is not None
    return decode(kind, document)


def session(peer: str, node: str, local: str, state: str) -> Resource[Any, Any]:
    document = sample("session")
    document["metadata"]["name"] = f"{peer}-{node}"
    document["spec"] |= {"localASN": 65500, "peerASN": 65000, "localIP": local, "peerIP": peer, "nodeName": node}
    document["status"] |= {"state": state}
    return decoded(document)


def test_sessions_are_printed_as_the_guide_shows_them() -> None:
    sessions = [
        session("10.0.1.1", "node-01", "10.0.1.100", "Established"),
        session("10.0.1.1", "node-02", "10.0.3.100", "NotEstablished"),
    ]
    assert table(BGP_SESSION, sessions, NOW, namespaces=True) == (
        "NAMESPACE     NAME               LOCAL ASN   PEER ASN   LOCAL IP     PEER IP    STATE            LAST REPORT",
        "kube-system   10.0.1.1-node-01   65500       65000      10.0.1.100   10.0.1.1   Established      2s",
        "kube-system   10.0.1.1-node-02   65500       65000      10.0.3.100   10.0.1.1   NotEstablished   2s",
    )


def test_routes_are_printed_with_a_blank_metric_unless_there_is_one() -> None:
    routes = [decoded(sample("route"))]
    assert table(BGP_ADVERTISED_ROUTE, routes, NOW, namespaces=True) == (
        "NAMESPACE     NAME                 PREFIX         METRIC",
        "kube-system   route-via-10-0-1-1   222.2.0.0/24",
    )
    routes = [decoded(broken("route", "spec.metric", 50))]
    assert table(BGP_ADVERTISED_ROUTE, routes, NOW)[1] == "route-via-10-0-1-1   222.2.0.0/24   50"


def test_modes_are_printed_with_their_age_and_the_namespace_only_where_there_is_one() -> None:
    created = (NOW - timedelta(days=2, hours=17, minutes=50)).isoformat()
    admin = decoded(broken("mode", "metadata.creationTimestamp", created))
    assert table(ADMIN_FLAT_IP_MODE, [admin], NOW, namespaces=True) == (
        "NAMESPACE    NAME      AGE",
        "cluster-bm   default   2d17h",
    )
    user = decoded(broken("user-mode", "metadata.creationTimestamp", created))
    assert table(FLAT_IP_MODE, [user], NOW, namespaces=True) == ("NAME      AGE", "default   2d17h")


def test_wide_tables_have_further_columns() -> None:
    document = sample("group")
    document["status"] = {
        "floatingIPs": [
            {"address": "10.0.1.100", "node": "node-01", "reason": "Held"},
            {"address": "10.0.3.100", "reason": "NoGateway"},
        ]
    }
    head, row = table(NETWORK_GATEWAY_GROUP, [decoded(document)], NOW, wide=True)
    assert head.split() == ["NAME", "FLOATING", "IPS", "NODES", "REASONS", "AGE"]
    assert row.split() == ["default", "10.0.1.100,10.0.3.100", "node-01,", "Held,NoGateway", "<unknown>"]
    assert table(NETWORK_GATEWAY_GROUP, [decoded(document)], NOW)[0] == "NAME      AGE"


def test_names_can_be_qualified_and_headers_left_out() -> None:
    assert table(NODE, [decoded(sample("node"))], NOW, headers=False, qualified=True)[0].startswith("node/node-01   ")
    assert table(FLAT_IP_MODE, [decoded(sample("user-mode"))], NOW, headers=False, qualified=True) == (
        "flatipmode.networking.gke.io/default   <unknown>",
    )


def test_no_objects_make_no_table() -> None:
    assert table(NODE, [], NOW) == ()


def test_an_object_that_is_wrong_is_still_printed() -> None:
    row = table(BGP_SESSION, [decoded(broken("session", "spec", {"localASN": "x\ny"}))], NOW)[1]
    assert "x y" in row
    assert table(BGP_SESSION, [decoded({**sample("session"), "spec": 7, "status": []})], NOW)[1] == "10.0.1.254-node-01"


def test_a_time_that_is_none_is_unknown() -> None:
    document = put(broken("session", "status.lastReport", "yesterday"), "metadata.creationTimestamp", "x")
    assert cell(document, Column("LAST REPORT", ".status.lastReport", "date"), NOW) == "<unknown>"
    assert cell({}, Column("LAST REPORT", ".status.lastReport", "date"), NOW) == ""
    assert cell({}, Column("AGE", ".metadata.creationTimestamp", "date"), NOW) == "<unknown>"


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".a", [1]),
        (".b.c", ["x"]),
        (".list[*].n", ["p", "", "q"]),
        (".plain[*]", [1, 2]),
        (".absent", []),
        (".a.deeper", []),
        (".absent[*].n", []),
        (".flag", [False]),
    ],
)
def test_paths_pick_values(path: str, values: list[Any]) -> None:
    document = {"a": 1, "b": {"c": "x"}, "list": [{"n": "p"}, {}, {"n": "q"}], "plain": [1, 2], "flag": False}
    assert values_at(document, path) == values


def test_booleans_print_as_json_does() -> None:
    assert cell({"a": True}, Column("A", ".a"), NOW) == "true"
    assert cell({"a": False}, Column("A", ".a"), NOW) == "false"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-2, "<invalid>"),
        (-1.5, "0s"),
        (0, "0s"),
        (0.9, "0s"),
        (2, "2s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (659, "10m"),
        (3600 * 3 - 1, "179m"),
        (3600 * 3, "3h"),
        (3600 * 3 + 60, "3h1m"),
        (3600 * 8 - 60, "7h59m"),
        (3600 * 8 + 60, "8h"),
        (3600 * 48 - 1, "47h"),
        (3600 * 48, "2d"),
        (3600 * 65, "2d17h"),
        (86400 * 8 - 1, "7d23h"),
        (86400 * 8 + 3600, "8d"),
        (86400 * 730 - 1, "729d"),
        (86400 * 730, "2y"),
        (86400 * 800, "2y70d"),
        (86400 * 365 * 8, "8y"),
        (86400 * 365 * 20 + 86400, "20y"),
    ],
)
def test_ages_are_abbreviated_as_kubectl_does(seconds: float, text: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == text


_CELLS = st.text(alphabet=st.characters(codec="ascii", min_codepoint=33), max_size=9)


@given(st.lists(st.tuples(_CELLS, _CELLS, _CELLS), min_size=1))
def test_columns_begin_at_one_place(rows: list[tuple[str, str, str]]) -> None:
    lines = columns(rows)
    widths = [max(len(row[index]) for row in rows) + 3 for index in range(3)]
    for row, line in zip(rows, lines, strict=True):
        assert line == line.rstrip()
        padded = line.ljust(sum(widths))
        assert padded[: widths[0]].rstrip() == row[0]
        assert padded[widths[0] : widths[0] + widths[1]].rstrip() == row[1]
        assert padded[widths[0] + widths[1] :].rstrip() == row[2]
