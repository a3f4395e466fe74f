"""The engines under test: one in memory, and a gobgpd of each generation with two FRR routers."""

import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from engine_network import GOBGPD, R1, R2, STANDING, Network, network
from engine_rig import FakeRig, GobgpRig, Rig

from flatbgp.lab.commands import LabError
from flatbgp.lab.frr import daemon

KINDS = ("fake", "v3", "v4")
ROUTERS = (R1, R2)


@pytest.fixture(scope="session")
def net() -> Iterator[Network]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        daemon("bgpd")
    except LabError as error:
        pytest.skip(str(error))
    with network() as built:
        yield built


@pytest.fixture(scope="session")
def make(request: pytest.FixtureRequest) -> Callable[..., Rig]:
    """Return what makes a rig of a kind; the network is built for the first one that needs it."""

    def made(kind: str, **options: int) -> Rig:
        if kind == "fake":
            return FakeRig()
        if shutil.which(GOBGPD[kind]) is None:
            pytest.skip(f"gobgpd {kind} is not at {GOBGPD[kind]}: 'make test' puts it there")
        return GobgpRig(request.getfixturevalue("net"), kind, **options)

    return made


@pytest_asyncio.fixture(params=KINDS, loop_scope="module")
async def rig(request: pytest.FixtureRequest, make: Callable[..., Rig]) -> AsyncIterator[Rig]:
    """An engine whose daemon nobody has used yet."""
    made = make(request.param)
    yield made
    await made.close()


@pytest_asyncio.fixture(params=KINDS[1:], loop_scope="module")
async def real(request: pytest.FixtureRequest, make: Callable[..., Rig]) -> AsyncIterator[GobgpRig]:
    """A gobgpd that nobody has used yet."""
    made = make(request.param)
    assert isinstance(made, GobgpRig)
    yield made
    await made.close()


@pytest_asyncio.fixture(params=KINDS, scope="module", loop_scope="module")
async def standing_rig(request: pytest.FixtureRequest, make: Callable[..., Rig]) -> AsyncIterator[Rig]:
    """An engine with sessions to both routers, shared by tests that leave them up: version 3 needs 9 s for one."""
    options = {} if request.param == "fake" else {"role": STANDING}
    made = make(request.param, **options)
    await made.start()
    neighbors = [made.neighbor(router) for router in ROUTERS]
    for neighbor in neighbors:
        await made.engine.add_neighbor(neighbor)
    await made.up(*ROUTERS)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def standing(standing_rig: Rig) -> AsyncIterator[Rig]:
    """The same, and every test leaves it with both sessions and no path."""
    yield standing_rig
    observed = await standing_rig.engine.observe()
    await standing_rig.engine.withdraw(list(observed.paths.values()))
    for router in ROUTERS:
        await standing_rig.has_routes(router, [])
