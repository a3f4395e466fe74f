"""What the lab says where it cannot run."""

import os
from pathlib import Path

import pytest

from flatbgp.lab.commands import LabError, run
from flatbgp.lab.lifecycle import check_machine, check_root


def test_somebody_who_is_not_root_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(LabError, match="sudo"):
        check_root()
    with pytest.raises(LabError, match="sudo"):
        check_machine()


def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(LabError) as caught:
        check_machine()

    for missing in ("ip is not installed", "ping is not installed", "gobgpd is not installed", "make setup"):
        assert missing in str(caught.value)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(LabError, match="no-such-program is not installed"):
        run(("no-such-program", "--help"))


def test_a_failed_command_is_an_error_with_its_own_message() -> None:
    with pytest.raises(LabError, match="'sh -c echo oops >&2; exit 3' failed: oops"):
        run(("sh", "-c", "echo oops >&2; exit 3"))


def test_a_command_that_hangs_is_ended_by_its_deadline() -> None:
    with pytest.raises(LabError, match=r"'sleep 60' did not end within 0\.05 s"):
        run(("sleep", "60"), deadline=0.05)
