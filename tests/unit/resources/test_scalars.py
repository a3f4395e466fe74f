import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatbgp.resources.scalars import Ambiguous, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("4294967295", 4294967295),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-.5", -0.5),
    ],
)
def test_words_on_which_all_readers_agree(text: str, value: Any) -> None:
    resolved = resolve(text)
    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "10.0.1.254",
        "1:20",
        "65000:10",
        "65000:100:7",
        "190:20:30",
        "2222:3::",
        "::1",
        "2024-01-01",
        "2024-01-01T10:00:00Z",
        "10.0.0.0/16",
        "cluster-bm",
        "nul",
        "tRue",
        "-",
        "+",
        ".",
        "..",
        "-a",
        "1_x",
        "0x",
        "9" * 500,
        "e3",
        "=",
    ],
)
def test_texts_that_look_like_something_stay_texts(text: str) -> None:
    assert resolve(text) == text
    assert type(resolve(text)) is str


@pytest.mark.parametrize(
    ("text", "value", "right"),
    [
        ("yes", True, "write true"),
        ("No", False, "write false"),
        ("on", True, "write true"),
        ("OFF", False, "write false"),
        ("y", True, "write true"),
        ("010", 8, "write 8"),
        ("00", 0, "write 0"),
        ("065001", 27137, "write 27137"),
        ("089", 89, "write 89"),
        ("0o17", 15, "write 15"),
        ("0x1F", 31, "write 31"),
        ("0b11", 3, "write 3"),
        ("1_000", 1000, "write 1000"),
        ("-0x10", -16, "write -16"),
        (".inf", ".inf", "finite"),
        (".NaN", ".NaN", "finite"),
    ],
)
def test_words_that_readers_differ_on_are_marked_with_advice(text: str, value: Any, right: str) -> None:
    resolved = resolve(text)
    assert isinstance(resolved, Ambiguous)
    assert resolved == text
    assert resolved.value == value
    assert right in resolved.advice


@given(st.text())
def test_any_text_resolves_to_a_json_scalar(text: str) -> None:
    value = resolve(text)
    assert value is None or isinstance(value, bool | int | float | str)
    if isinstance(value, str):
        assert value == text
    assert not (isinstance(value, float) and math.isnan(value))


@given(st.integers(-(10**30), 10**30))
def test_decimal_numbers_are_themselves(number: int) -> None:
    assert resolve(str(number)) == number
