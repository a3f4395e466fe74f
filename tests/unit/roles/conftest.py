from collections.abc import AsyncIterator

import pytest

from flatbgp.store.protocol import Store
from flatbgp.store.sqlite.store import SqliteStore


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """An empty store in memory."""
    opened = SqliteStore(None)
    yield opened
    await opened.close()
