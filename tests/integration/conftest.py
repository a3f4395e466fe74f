"""For all integration tests: root, no leftovers, a sandbox each, and the daemons' logs when a test fails."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support.binaries import GOBGPD_VERSIONS, gobgpd
from support.sandbox import SANDBOX, Sandbox, remove_leftovers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session", autouse=True)
def _root_and_no_leftovers() -> None:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    remove_leftovers()


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A prefix, a directory and a clean-up of the test's own."""
    with Sandbox() as place:
        request.node.stash[SANDBOX] = place
        yield place


@pytest.fixture(scope="module")
def module_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The same for tests of one file that share a cluster, since each start of one takes its time."""
    with Sandbox() as place:
        request.node.stash[SANDBOX] = place
        yield place


@pytest.fixture(params=GOBGPD_VERSIONS)
def gobgpd_binary(request: pytest.FixtureRequest) -> str:
    """Each gobgpd that is supported, one after the other."""
    return gobgpd(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for place in (node.stash[SANDBOX] for node in item.listchain() if SANDBOX in node.stash):
            report.sections.extend(place.logs().items())
    return report
