"""One cluster for many faults: each test begins with one that is whole, and most leave one that heals.

A cluster takes some ten seconds to start, so a worker keeps it from test to test as long as they want the same setup.
After each test everything is mended, and must become whole again by itself (P5): a cluster that does not fails the test
that broke it, and is thrown away.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faultcluster import FaultCluster
from support.sandbox import SANDBOX, Sandbox
from support.setups import DEFAULT, Setup


class Pool:
    """The one cluster of this worker."""

    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._cluster: FaultCluster | None = None

    def get(self, setup: Setup) -> FaultCluster:
        """Return a cluster with this setup: the one that there is, or one that is about to start."""
        if self._cluster is not None and (self._cluster.setup != setup or self._cluster.spoiled):
            self.close()
        if self._cluster is None:
            self._sandbox = Sandbox().__enter__()
            self._cluster = FaultCluster(self._sandbox, setup)
        return self._cluster

    def close(self) -> None:
        """Take it down."""
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)
        self._sandbox = self._cluster = None


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    place = Pool()
    yield place
    place.close()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, pool: Pool) -> Iterator[FaultCluster]:
    """A whole cluster; ``indirect`` parameters are Setups."""
    found = pool.get(getattr(request, "param", DEFAULT))
    request.node.stash[SANDBOX] = found.sandbox
    found.spoiled, before = True, found.spoiled  # unless all goes well
    if not found.roles:
        found.start()
        found.await_whole()
    found.spoiled = before
    yield found
    if found.spoiled:
        return
    found.spoiled = True
    found.heal()
    found.await_whole()
    found.spoiled = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bound the time of each fault, and let those follow each other that want the same cluster.

    The default setup, with most of the tests, comes near the end: what is left then can be divided among the workers.
    """
    places = [place for place, item in enumerate(items) if item.path.is_relative_to(Path(__file__).parent)]
    faults = [items[place] for place in places]
    for item in faults:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(240))
    for place, item in zip(places, sorted(faults, key=_setup, reverse=True), strict=True):
        items[place] = item


def _setup(item: pytest.Item) -> str:
    """Return the setup of a test in words; empty for those without one."""
    call = getattr(item, "callspec", None)
    return "" if call is None else str(call.params.get("cluster", DEFAULT))
