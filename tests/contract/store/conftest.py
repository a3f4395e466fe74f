"""The stores that the contract suite runs against.

A new store joins by one more :class:`~storedocs.Backend`; the tests do not change. One on a server takes its objects
away after each test.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from storedocs import Backend, opened

from flatbgp.resources.kinds import ALL
from flatbgp.store.protocol import Store
from support import definitions
from support.faultyproxy import FaultyProxy, faulty_proxy
from support.kubernetes import ApiServer, api_servers

ONLY_EMBEDDED = ("test_an_applied_node_brings_its_status_and_keeps_its_pod_cidrs[kubernetes]",)
"""On Kubernetes a Node's status is the kubelet's, so there is nothing to test."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    out = [item for item in items if item.name in ONLY_EMBEDDED]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="flatbgp-store-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def path(directory: Path) -> Path:
    """Where a test of the embedded store has its file."""
    return directory / "store.db"


@pytest.fixture(scope="session")
def cluster(api_server: ApiServer) -> ApiServer:
    """The API server with the chart's definitions."""
    definitions.install(api_server)
    return api_server


@pytest.fixture
def kubernetes_url(cluster: ApiServer) -> Iterator[str]:
    """The store on the API server; what is put there goes at the end."""
    yield cluster.url()
    cluster.clear(ALL)


@pytest.fixture(params=["sqlite-file", "sqlite-memory", "kubernetes"])
async def backend(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Backend]:
    match request.param:
        case "sqlite-file":
            backend = Backend(f"sqlite:{directory}/store.db")
        case "sqlite-memory":
            backend = Backend("sqlite::memory:")
        case _:
            backend = Backend(request.getfixturevalue("kubernetes_url"), embedded=False)
    yield backend
    await backend.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.connect()


@pytest.fixture
def other(backend: Backend, store: Store) -> Store:  # noqa: ARG001 - the other one comes second
    """Another client of the same store."""
    return backend.connect()


@pytest.fixture(scope="module")
def fragile() -> Iterator[ApiServer]:
    """A server of one file's own, which its tests may stop, replace and restore."""
    with api_servers() as (server,):
        definitions.install(server)
        yield server


@pytest.fixture
def server(fragile: ApiServer) -> Iterator[ApiServer]:
    """The same with nothing in it; it runs again and is empty again at the end."""
    yield fragile
    fragile.resume()
    fragile.start()
    fragile.clear(ALL)


@pytest.fixture
async def direct(server: ApiServer) -> AsyncIterator[Store]:
    """A client with a way of its own."""
    async with opened(server.url()) as store:
        yield store


@pytest.fixture
async def proxy(server: ApiServer) -> AsyncIterator[FaultyProxy]:
    async with faulty_proxy(server.port) as proxy:
        yield proxy
