import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flatbgp.resources.documents import SIZE_LIMIT, Document, normalised, read_documents
from flatbgp.resources.faults import Fault
from flatbgp.resources.scalars import Ambiguous

EXAMPLES = Path(__file__).parents[3] / "examples"


def read(text: str | bytes) -> tuple[list[Any], list[str]]:
    content = text.encode() if isinstance(text, str) else text
    documents, faults = read_documents(content, "f.yaml")
    return [document.value for document in documents], [str(fault) for fault in faults]


def test_several_documents_are_counted_with_the_empty_ones() -> None:
    documents, faults = read_documents(b"# head\n---\na: 1\n---\n---\n# nothing\n---\nb: 2\n...\n", "f.yaml")
    assert faults == ()
    assert documents == (Document({"a": 1}, "f.yaml", 1), Document({"b": 2}, "f.yaml", 4))


@pytest.mark.parametrize(
    "text", ["", "   \n\n", "---\n", "---\n---\n", "# only a comment\n", "null\n", "{\n}".replace("{\n}", "~")]
)
def test_a_file_without_an_object_is_an_error(text: str) -> None:
    assert read(text) == ([], ["f.yaml: has no object in it"])


def test_line_ends_of_windows_and_a_byte_order_mark_are_fine() -> None:
    assert read(b"\xef\xbb\xbfa: 1\r\nb: |\r\n  x\r\n  y\r\n") == ([{"a": 1, "b": "x\ny\n"}], [])
    assert read(b"a: 1\n---\n\xef\xbb\xbfb: 2\n") == ([{"a": 1}, {"b": 2}], [])


def test_json_is_read_one_value_or_several() -> None:
    assert read('{"a": 1}') == ([{"a": 1}], [])
    assert read('\ufeff {"a": 1}\n\n{"b": [true, null]}\n') == ([{"a": 1}, {"b": [True, None]}], [])
    assert read('{\n\t"a":\t"\\ud83d\\ude00"}') == ([{"a": "\U0001f600"}], [])
    assert read('{"a": 1}\n---\n{"b": 2}\n') == ([{"a": 1}, {"b": 2}], [])


@pytest.mark.parametrize("content", [b"\xff\xfea\x00:\x00", b"a: \xe4\n", b"\x80"])
def test_text_that_is_not_utf8_is_a_fault(content: bytes) -> None:
    values, faults = read(content)
    assert values == []
    assert "is not UTF-8 text" in faults[0]


def test_utf16_is_named() -> None:
    assert "looks like UTF-16" in read("a: 1".encode("utf-16"))[1][0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is there twice in one map (line 3)"),
        ('a: 1\n"a": 2\n', "(line 2)"),
        ('{"x": {"a": 1,\n "a": 2}}', "the key 'a' is there twice in one map (line 2)"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(text: str, expected: str) -> None:
    _, faults = read(text)
    assert len(faults) == 1
    assert expected in faults[0]


def test_every_duplicate_of_every_document_is_told() -> None:
    _, faults = read("a: 1\na: 2\nb: {c: 1, c: 2}\n---\nd: 1\nd: 1\n")
    assert [fault.split(": ")[1] for fault in faults] == ["document 1", "document 1", "document 2"]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("a: 1\nb: [1\n", 3, "neither YAML nor JSON"),
        ("a:\n\tb: 1\n", 2, "tab in the indentation"),
        ("a: *x\n", 1, "has no anchor"),
        ("a: &x [*x]\n", 1, "has no anchor"),
        ("a: 1\nb: !!python/object:os.system ls\n", 2, "is not allowed"),
        ("a: !!python/tuple [1]\n", 1, "is not allowed"),
        ("a: !!binary aGk=\n", 1, "is not allowed"),
        ("a: !!set {x}\n", 1, "is not allowed"),
        ("a: !mine x\n", 1, "is not allowed"),
        ("a: !!int x\n", 1, "does not fit its tag"),
        ("? [1]\n: 2\n", 1, "keys are strings"),
        ("? {a: 1}\n: 2\n", 1, "keys are strings"),
        ("x: &a [1]\n*a : 2\n", 2, "is no string"),
        ("a: 1\nb: \x01\n", 2, "neither YAML nor JSON"),
        ("x:\n  <<: 3\n", 2, "needs a map"),
        ("[" * 101, 1, "nested more than 100 deep"),
        ('{"a":' * 5000, 1, "nested more than 100 deep"),
        ("- " * 2000, 1, "nested more than 100 deep"),
        ("%YAML 3.0\n---\na: 1\n", 1, "neither YAML nor JSON"),
    ],
)
def test_what_cannot_be_read_is_a_fault_with_its_line(text: str, line: int, expected: str) -> None:
    values, faults = read(text)
    assert values == []
    assert f"line {line}:" in faults[0]
    assert expected in faults[0]


def test_documents_before_a_fault_are_still_read() -> None:
    values, faults = read("a: 1\n---\nb: [\n")
    assert values == [{"a": 1}]
    assert faults[0].startswith("f.yaml: document 2: line ")


def test_deep_json_that_the_parser_of_python_takes_is_refused_too() -> None:
    values, faults = read('{"a":' * 150 + "1" + "}" * 150)
    assert values == []
    assert "nested more than 100 deep" in faults[0]


def test_anchors_serve_to_share_settings() -> None:
    text = "base: &b {x: 1, y: 2}\nsame: *b\nmore:\n  <<: *b\n  y: 3\nboth:\n  <<: [{z: 9}, *b]\n'<<': quoted\n"
    assert read(text) == (
        [
            {
                "base": {"x": 1, "y": 2},
                "same": {"x": 1, "y": 2},
                "more": {"x": 1, "y": 3},
                "both": {"z": 9, "x": 1, "y": 2},
                "<<": "quoted",
            }
        ],
        [],
    )


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    values, faults = read("\n".join(lines))
    assert values == []
    assert "aliases make the file too large" in faults[0]


def test_a_bomb_of_one_long_text_is_refused() -> None:
    text = "a: &a " + "x" * 100_000 + "\nb: [" + ", ".join(["*a"] * 1000) + "]\n"
    assert "aliases make the file too large" in read(text)[1][0]


def test_a_bomb_of_merges_over_several_documents_is_refused() -> None:
    text = "a: &a {" + ", ".join(f"k{n}: v" for n in range(10_000)) + "}\nb:\n" + "  - {<<: *a}\n" * 100
    assert "aliases make the file too large" in read(text)[1][0]


def test_dates_and_base_60_numbers_stay_strings() -> None:
    assert read("a: 2024-01-01\nb: 65000:10\nc: 1:20\nd: 2222:3::/112\n") == (
        [{"a": "2024-01-01", "b": "65000:10", "c": "1:20", "d": "2222:3::/112"}],
        [],
    )


def test_keys_are_strings_as_written() -> None:
    assert read("1: a\nyes: b\n010: c\nnull: d\n") == ([{"1": "a", "yes": "b", "010": "c", "null": "d"}], [])


def test_quotes_and_tags_make_strings() -> None:
    assert read("a: '2'\nb: \"true\"\nc: !!str 3\nd: ! 4\ne: |-\n  5\n") == (
        [{"a": "2", "b": "true", "c": "3", "d": "4", "e": "5"}],
        [],
    )


def test_explicit_tags_of_plain_types_are_read() -> None:
    assert read('a: !!int "3"\nb: !!bool yes\nc: !!null ""\nd: !!float 2\n') == (
        [{"a": 3, "b": True, "c": None, "d": 2}],
        [],
    )


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ('{"a": {"b": ["\\ud800"]}}', "a.b[0]", "lone surrogate"),
        ('{"\\ud800": 1}', "", "lone surrogate"),
        ("a: 1e999\n", "a", "beyond the range"),
        ("a: 99999999999999999999\n", "a", "more than 64 bits"),
        ('{"a.b": -99999999999999999999}', '["a.b"]', "more than 64 bits"),
    ],
)
def test_what_json_cannot_hold_is_refused(text: str, path: str, expected: str) -> None:
    documents, faults = read_documents(text.encode(), "f.yaml")
    assert documents == ()
    assert faults[0].path == path
    assert expected in faults[0].problem


@pytest.mark.parametrize("text", ["- a: 1\n", "just words\n", "3\n", "[]", "password: [\n- hunter2"])
def test_what_is_no_object_is_refused_without_showing_it(text: str) -> None:
    values, faults = read(text)
    assert values == []
    assert len(faults) == 1
    assert "hunter2" not in faults[0]


def test_lists_are_expanded_in_order() -> None:
    documents, faults = read_documents(
        b"apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: List\n  items: [{kind: B}, {kind: C}]\n- kind: D\n",
        "f.yaml",
    )
    assert faults == ()
    assert [(document.value["kind"], document.path) for document in documents] == [
        ("A", "items[0]"),
        ("B", "items[1].items[0]"),
        ("C", "items[1].items[1]"),
        ("D", "items[2]"),
    ]


def test_a_typed_list_gives_its_members_their_type() -> None:
    values, _ = read(
        '{"apiVersion": "networking.gke.io/v1", "kind": "BGPPeerList", "items": [{"metadata": {"name": "a"}}]}'
    )
    assert values == [{"apiVersion": "networking.gke.io/v1", "kind": "BGPPeer", "metadata": {"name": "a"}}]


def test_an_empty_list_has_no_object() -> None:
    assert read("apiVersion: v1\nkind: List\nitems: []\n") == ([], ["f.yaml: has no object in it"])


def test_a_member_of_a_list_that_is_no_object_is_told_by_its_place() -> None:
    _, faults = read("kind: List\nitems: [{kind: A}, 3]\n")
    assert faults == ["f.yaml: document 1: items[1]: must be an object, not a number"]


def test_a_file_of_more_than_10_mib_is_refused_unread() -> None:
    assert read_documents(b"a" * (SIZE_LIMIT + 1), "big.yaml") == (
        (),
        (Fault("is larger than 10 MiB; split it into several files", source="big.yaml"),),
    )


def test_normalised_values_are_what_kubectl_stores() -> None:
    value = read("a: yes\nb: [010, {c: 1_000}]\nd: x\n")[0][0]
    assert isinstance(value["a"], Ambiguous)
    assert normalised(value) == {"a": True, "b": [8, {"c": 1000}], "d": "x"}
    plain = {"a": [1, {"b": "c"}]}
    assert normalised(plain) is plain


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_mean_the_same_to_other_yaml_readers(path: Path) -> None:
    assert read(path.read_bytes()) == (list(yaml.safe_load_all(path.read_text())), [])


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_give_documents_or_faults(content: bytes) -> None:
    documents, faults = read_documents(content, "f.yaml")
    assert documents or faults
    for document in documents:
        json.dumps(normalised(document.value)).encode()


_YAML_PIECES = st.sampled_from(
    (
        *("a", "kind", "List", "items", "010", "yes", ": ", ":", "- ", "? ", "# ", ",", "{", "}", "[", "]", '"', "'"),
        *("\n", "\n  ", "\r\n", "\t", "\0", "\ufeff", "---\n", "...\n", "%YAML 1.1\n", "|\n", ">\n"),
        *("&a ", "*a", "<<", "!!str ", "!x "),
    )
)


@settings(max_examples=500)
@given(st.lists(_YAML_PIECES, max_size=40).map("".join))
def test_any_arrangement_of_yaml_gives_documents_or_faults(text: str) -> None:
    documents, faults = read_documents(text.encode(), "f.yaml")
    assert documents or faults
    for fault in faults:
        assert "\n" not in str(fault)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(
    st.dictionaries(
        st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8), _JSON, min_size=1, max_size=4
    )
)
def test_json_survives(value: dict[str, Any]) -> None:
    if str(value.get("kind", "")).endswith("List"):
        return
    assert read(json.dumps(value)) == ([value], [])
