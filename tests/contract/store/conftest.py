"""The stores that the contract suite runs against.

A new store joins by one more :class:`~storedocs.Backend`; the tests do not change.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from storedocs import Backend

from flatbgp.store.protocol import Store


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="flatbgp-store-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=["sqlite-file", "sqlite-memory"])
async def backend(request: pytest.FixtureRequest, directory: Path) -> AsyncIterator[Backend]:
    urls = {"sqlite-file": f"sqlite:{directory}/store.db", "sqlite-memory": "sqlite::memory:"}
    backend = Backend(urls[request.param])
    yield backend
    await backend.close()


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.connect()


@pytest.fixture
def other(backend: Backend, store: Store) -> Store:  # noqa: ARG001 - the other one comes second
    """Another client of the same store."""
    return backend.connect()
