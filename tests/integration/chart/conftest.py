"""An API server for the tests of the chart alone: what they put in and take away concerns the whole cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.helm import HELM_VERSIONS, Helm
from support.kubernetes import ApiServer, api_servers


@pytest.fixture(params=HELM_VERSIONS)
def helm(request: pytest.FixtureRequest, tmp_path: Path) -> Helm:
    """Each helm that is in use, without a cluster."""
    return Helm(request.param, tmp_path)


@pytest.fixture(scope="session")
def helm4(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The newer one, for what concerns the chart and not helm."""
    return Helm("4", tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="package")
def cluster() -> Iterator[ApiServer]:
    """A cluster in which nothing is installed, whenever a test begins."""
    with api_servers() as (server,):
        server.create_namespace()
        yield server
