"""Two clusters with the chart in them, as the guide has them."""

from collections.abc import Iterator

import pytest

from support.charted import ADMIN_CLUSTER, USER_CLUSTER, Chart, Clusters
from support.kubernetes import api_servers


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clusters]:
    """Both, for all tests of this process: what a test puts there it takes away."""
    chart = Chart(tmp_path_factory.mktemp("helm"))
    with api_servers(2) as (admin, user):
        chart.install(admin, ADMIN_CLUSTER)
        chart.install(user, USER_CLUSTER)
        yield Clusters(admin, user)
