"""One LAN for each test of the host shell."""

import pytest

from host.hostrig import Lan, build_lan
from support.sandbox import Sandbox


@pytest.fixture
def lan(sandbox: Sandbox) -> Lan:
    return build_lan(sandbox)
