"""What is on disk about a lab."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flatbgp.lab.commands import LabError
from flatbgp.lab.processes import ProcessRecord
from flatbgp.lab.state import LabState, load, locked, save

STATE = LabState(
    manifests="examples/single-stack-ipv4.yaml",
    prefix="flatbgp-",
    since=datetime(2026, 11, 24, 12, 0, tzinfo=UTC),
    processes=(ProcessRecord("router-1 bgpd", 4711, 123, ("bgpd", "-f", "x"), Path("/run/x.log")),),
    ready=True,
)


def test_a_state_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    save(tmp_path, STATE)

    assert load(tmp_path) == STATE


def test_nothing_written_is_no_lab(tmp_path: Path) -> None:
    assert load(tmp_path / "missing") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"manifests": 1'])
def test_a_file_of_another_version_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)

    with pytest.raises(LabError, match=r"lab\.json was written by another version"):
        load(tmp_path)


def test_a_second_holder_of_the_lock_is_told_at_once(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LabError, match="another 'flatbgp lab' is at work"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_call_that_made_nothing_leaves_no_directory_and_one_that_made_something_does(tmp_path: Path) -> None:
    directory = tmp_path / "lab"
    with pytest.raises(LabError, match="no lab"), locked(directory):
        raise LabError("no lab is up")
    assert not directory.exists()
    with locked(directory):
        (directory / "user.db").touch()
    assert (directory / "user.db").exists()


def test_daemons_that_gave_up_root_can_reach_their_directories(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        with locked(tmp_path / "lab"):
            assert (tmp_path / "lab").stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(old)
