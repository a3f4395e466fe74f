"""Secrets: passwords are read, and no fault shows one."""

from typing import Any

import pytest
from resource_samples import check, sample

from flatbgp.resources import kinds
from flatbgp.resources.codec import decode
from flatbgp.resources.faults import Severity, errors
from flatbgp.resources.kind import Kind


@pytest.mark.parametrize(
    ("fields", "path", "expected"),
    [
        ({"data": {"password": "hunter2!"}}, "data.password", "must be base64"),
        ({"data": {"password": ""}}, "data.password", "is empty"),
        ({"data": {"password": "aHVudGVyMgo="}}, "data.password", "ends in a line break"),
        ({"data": {"password": "//79"}}, "data.password", "must be UTF-8"),
        ({"data": {"password": "AGh1bnRlcjI="}}, "data.password", "null character"),
        ({"data": {"password": 7}}, "data.password", "put it in quotes"),
        ({"data": "hunter2"}, "data", "must be an object"),
        ({"data": None, "stringData": {"password": "hunter2" * 20}}, "stringData.password", "has 140 bytes"),
        ({"type": ["hunter2"]}, "type", "must be a string"),
    ],
)
def test_faults_of_a_secret_never_show_what_is_in_it(fields: dict[str, Any], path: str, expected: str) -> None:
    faults = errors(check({**sample("secret"), **fields}))
    assert [fault.path for fault in faults] == [path]
    assert expected in faults[0].problem
    for fault in faults:
        assert "hunter2" not in str(fault)
        assert "aHVudGVy" not in str(fault)


@pytest.mark.parametrize(
    "spec", [{"passwordSecretRef": "hunter2"}, {"passwordSecretRef": {"name": "hunter2!"}}, {"password": "hunter2"}]
)
def test_a_password_in_the_wrong_place_is_not_shown(spec: dict[str, Any]) -> None:
    document = sample("peer")
    document["spec"] |= spec
    faults = check(document)
    assert len(faults) == 1
    assert "hunter2" not in str(faults[0])


@pytest.mark.parametrize(
    "values", [{"data": None, "stringData": {"password": "caf\u00e9"}}, {"data": {"password": "aHVu\ndGVyMg=="}}]
)
def test_passwords_are_read(values: dict[str, Any]) -> None:
    assert check({**sample("secret"), **values}) == ()


def test_string_data_goes_before_data() -> None:
    document = {**sample("secret"), "stringData": {"password": "other"}}
    kind: Kind[Any, Any] | None = kinds.of("v1", "Secret")
    assert kind is not None
    assert decode(kind, document).spec.password.reveal() == "other"


def test_a_secret_that_no_bgppeer_can_use_is_a_warning() -> None:
    assert [fault.severity for fault in check({**sample("secret"), "type": "Opaque"})] == [Severity.WARNING]
    assert [fault.severity for fault in check({**sample("secret"), "data": {"username": "eA=="}})] == [Severity.WARNING]
