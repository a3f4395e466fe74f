"""Setting an address's lifetime: in whole seconds, never past the Lease, never shorter, never by accident anew."""

from ipaddress import ip_address

import pytest

from flatbgp.planning.gateway.actions import PutAddress

ADDRESS = ip_address("10.0.1.100")


@pytest.mark.parametrize(
    ("deadline", "expires", "now", "lifetime"),
    [
        (105.0, None, 100.0, 4),  # floor(5 - 0.3)
        (105.0, None, 100.69, 4),
        (105.0, None, 100.71, 3),
        (105.0, 104.0, 100.25, 4),  # later than what is set
        (105.0, 104.25, 101.0, 0),  # sooner: left alone
        (105.0, None, 104.0, 0),  # less than a whole second is left
        (105.0, None, 106.0, 0),
    ],
)
def test_a_lifetime_ends_before_the_lease_and_is_never_shortened(
    deadline: float, expires: float | None, now: float, lifetime: int
) -> None:
    assert PutAddress(ADDRESS, "eth0", deadline, expires).lifetime(now) == lifetime


def test_an_address_that_may_be_gone_is_not_created_without_a_live_lease() -> None:
    put = PutAddress(ADDRESS, "eth0", deadline=110.0, expires=104.0, create=False)
    assert put.lifetime(103.9) == 5
    assert put.still_valid(103.9)
    assert put.lifetime(104.0) == 0
    assert not put.still_valid(104.0)
    assert PutAddress(ADDRESS, "eth0", 110.0, None, create=False).lifetime(100.0) == 0


def test_an_address_that_was_taken_away_is_put_back_while_the_lease_is_live() -> None:
    put = PutAddress(ADDRESS, "eth0", deadline=110.0, expires=None)
    assert put.lifetime(104.0) == 5
    assert put.still_valid(109.9)
    assert not put.still_valid(110.0)
