"""For all tests: where CI=true, a skipped test is a failed one, so that nothing is left out unseen."""

import asyncio
import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from support.kubernetes import ApiServer, api_servers

STRICT = os.environ.get("CI") == "true"

# A property says what is right, not how long one example takes: that depends on what else the machine does.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    # looptime's plugin asks for the thread's current loop before each test; unless told that there is none, asyncio
    # would make one that nobody closes, and the warning of that would fail whichever test runs when it is collected.
    asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """A real Kubernetes API server that all tests of this process share: take away what you put there."""
    with api_servers() as (server,):
        yield server


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped, and CI=true allows no skips: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
