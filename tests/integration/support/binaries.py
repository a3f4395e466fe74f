"""The programs that tests run against, and where each of them is."""

import shutil
from pathlib import Path

import pytest

GOBGP_4 = Path.home() / ".cache" / "flatbgp-test" / "gobgp-4.8.0"
"""``make test`` builds it there (see tools/test.py)."""

GOBGPD_VERSIONS = ("3.10", "4.8")


def gobgpd(version: str) -> str:
    """Return the path of a gobgpd, or skip the test where there is none."""
    return _program("gobgpd", version)


def gobgp(version: str) -> str:
    """Return the path of the command line client of a gobgpd."""
    return _program("gobgp", version)


def _program(name: str, version: str) -> str:
    if version == "4.8":
        if not (GOBGP_4 / name).exists():
            pytest.skip(f"{name} 4.8 is not at {GOBGP_4}: 'make test' builds it where Go is installed")
        return str(GOBGP_4 / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: 'make setup' as root installs it")
    return found
