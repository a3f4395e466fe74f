"""At which routers a speaker knocks, and when."""

from ipaddress import ip_address

import pytest

from flatbgp.engine.model import Neighbor
from flatbgp.host.fake import FakeHost, FakeLan
from flatbgp.resources.secrets import Password
from flatbgp.roles.speaker.knocking import AT_ONCE, Knocking

A, B = ip_address("10.0.1.100"), ip_address("10.0.1.101")
R1, R2, R3 = (ip_address(f"10.0.1.{number}") for number in (251, 252, 253))
NEIGHBORS = [
    Neighbor(R1, A, 65001, 65002, password=Password("x")),
    Neighbor(R2, A, 65001, 65002, multihop=False),
    Neighbor(R3, B, 65001, 65001, multihop=False),
]


class Clocked(FakeHost):
    """A host with a clock that a test sets."""

    time = 100.0

    def now(self) -> float:
        return self.time


@pytest.fixture
async def host() -> Clocked:
    return Clocked(FakeLan(), "02:00:00:00:00:01", ["10.0.1.11/24"])


async def test_the_routers_of_an_address_that_came_are_knocked_at_once_and_as_its_sessions_would(
    host: Clocked,
) -> None:
    knocking = Knocking(host)
    await knocking.knock(NEIGHBORS, {R1})
    assert host.knocks == []
    knocking.taken_over(A)
    await knocking.knock(NEIGHBORS, {R1})
    assert sorted(host.knocks, key=lambda knock: knock[1]) == [(A, R1, 255, Password("x")), (A, R2, 1, None)]
    await knocking.knock(NEIGHBORS, {R1})
    assert len(host.knocks) == 2
    knocking.taken_over(B)
    await knocking.knock(NEIGHBORS, ())
    assert host.knocks[2:] == [(B, R3, 255, None)], "iBGP has no limit of one hop"


async def test_a_router_that_gobgpd_may_have_dialled_is_not_knocked_at_later(host: Clocked) -> None:
    knocking = Knocking(host)
    knocking.taken_over(A)
    host.time += 2 * AT_ONCE
    await knocking.knock(NEIGHBORS, {R1})
    assert host.knocks == [(A, R2, 1, None)]
