"""One engine for all tests of containers, and the images that they run, built once as a person builds them."""

from collections.abc import Iterator

import pytest

from support.composelab import build_images
from support.dockerengine import Engine
from support.dockerengine import engine as provide_engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine with the base images, or stand-ins under the same tags."""
    with provide_engine() as running:
        yield running


@pytest.fixture(scope="session")
def images(engine: Engine) -> Engine:
    """The engine with the images of the lab."""
    build_images(engine)
    return engine
