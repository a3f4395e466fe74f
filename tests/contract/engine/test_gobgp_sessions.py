"""Sessions of three kinds on one gobgpd: ASNs of 32 bits, iBGP, and IPv6."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
import pytest_asyncio
from engine_network import IBGP, R1, R1_V6, R2, R2_ASN, WIDE, WIDE_ASN, local, local6
from engine_rig import GobgpRig, Rig, eventually, paths

from flatbgp.engine.model import ExportAttributes, SessionState

FOUR = paths("10.20.0.0/24", "10.20.1.0/24", "10.20.2.128/25", "2001:db8:20::/64")

pytestmark = [pytest.mark.contract, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(params=["v3", "v4"], scope="module", loop_scope="module")
async def three(request: pytest.FixtureRequest, make: Callable[..., Rig]) -> AsyncIterator[GobgpRig]:
    """A gobgpd with all three, each from an address of its own."""
    rig = make(request.param)
    assert isinstance(rig, GobgpRig)
    neighbors = [
        rig.neighbor(R1, local_address=local(rig.host, WIDE), local_asn=WIDE_ASN),
        rig.neighbor(
            R2, local_address=local(rig.host, IBGP), local_asn=R2_ASN, export=ExportAttributes(local_pref=250)
        ),
        rig.neighbor(R1, address=R1_V6, local_address=local6(rig.host)),
    ]
    await rig.reach(rig.desired(neighbors, FOUR))
    for neighbor in neighbors:
        router = rig.network.routers[R2 if neighbor.address == R2 else R1]
        routes = partial(router.routes, neighbor.local_address)
        await eventually(f"the routes from {neighbor.local_address}", routes, lambda seen: len(seen) == len(FOUR))
    yield rig
    await rig.close()


async def test_s12_asns_of_32_bits_are_in_the_path_and_s1_the_source_is_what_was_given(three: GobgpRig) -> None:
    routes = three.network.routers[R1].routes(local(three.host, WIDE))

    assert routes["10.20.0.0/24"]["path"] == str(WIDE_ASN)
    assert (await three.state(R1)).local_address == local(three.host, WIDE)


async def test_s11_ibgp_has_local_pref_and_keeps_the_next_hop(three: GobgpRig) -> None:
    route = three.network.routers[R2].routes(local(three.host, IBGP))["10.20.0.0/24"]

    assert route["locPrf"] == 250
    assert [hop["ip"] for hop in route["nexthops"]] == ["10.99.0.77"]
    assert route["path"] == ""


async def test_an_ipv6_session_carries_both_families(three: GobgpRig) -> None:
    state = (await three.engine.neighbors())[R1_V6]

    assert state.state is SessionState.ESTABLISHED
    assert state.local_address == local6(three.host)
    assert all(family.negotiated for family in state.families.values())
