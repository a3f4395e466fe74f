"""Twenty thousand routes: from what is planned until gobgpd has acknowledged the last of them."""

import asyncio
import gc
import time
from ipaddress import IPv4Address, ip_address, ip_network

from bench_cluster import gobgpd_binary
from figures import Figures, note

from flatbgp.engine.diff import Announce, Start, Withdraw, diff
from flatbgp.engine.gobgp.adapter import GobgpEngine
from flatbgp.engine.model import Desired, Path
from flatbgp.lab.gobgpd import start_gobgpd
from flatbgp.resources.ip import IPNetwork
from support.sandbox import Sandbox, remove_leftovers

ROUTES = 20_000
RUNS = 5
ROUTER_ID = IPv4Address("192.0.2.1")
MARKER = "flatbgp-bench"


def paths(next_hop: int) -> dict[IPNetwork, Path]:
    found: dict[IPNetwork, Path] = {}
    for number in range(ROUTES // 2):
        four = ip_network(f"10.{number // 256}.{number % 256}.0/24")
        six = ip_network(f"2001:db8:{number:x}::/64")
        found[four] = Path(four, ip_address(f"192.0.2.{next_hop}"))
        found[six] = Path(six, ip_address(f"2001:db8:ffff::{next_hop}"))
    return found


async def _reach(engine: GobgpEngine, desired: Desired) -> None:
    for action in diff(desired, await engine.observe()):
        match action:
            case Start():
                await engine.start(action.router_id, action.marker)
            case Announce():
                await engine.announce(action.paths)
            case Withdraw():
                await engine.withdraw(action.paths)
            case _:
                raise AssertionError(f"nothing else was asked for: {action}")


async def _timed(figures: Figures, name: str, engine: GobgpEngine, desired: Desired) -> None:
    gc.collect()
    begun, used = time.perf_counter(), time.process_time()
    await _reach(engine, desired)
    note(figures, f"{name}, s", time.perf_counter() - begun)
    note(figures, f"{name}, own CPU s", time.process_time() - used)
    if await engine.path_count() != len(desired.paths):
        raise AssertionError(f"gobgpd has {await engine.path_count()} paths, not {len(desired.paths)}")


async def _measure(target: str, figures: Figures) -> None:
    engine = GobgpEngine(target)
    try:
        await _reach(engine, Desired(ROUTER_ID, MARKER))
        for run in range(RUNS):
            wanted = Desired(ROUTER_ID, MARKER, paths=paths(run + 1))
            await _timed(figures, f"{ROUTES} routes from plan to acknowledged by gobgpd (<=1 s)", engine, wanted)
            await _timed(figures, f"nothing changed among {ROUTES} routes", engine, wanted)
            one = dict(wanted.paths)
            changed = next(iter(one))
            one[changed] = Path(changed, IPv4Address("192.0.2.99"))
            await _timed(figures, f"one changed among {ROUTES} routes", engine, Desired(ROUTER_ID, MARKER, {}, one))
            await _timed(figures, f"{ROUTES} routes withdrawn", engine, Desired(ROUTER_ID, MARKER))
    finally:
        await engine.close()


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    remove_leftovers()
    with Sandbox() as sandbox:
        api = sandbox.directory / "gobgpd.sock"
        sandbox.owns(start_gobgpd("gobgpd", sandbox.host("bench"), api, binary=gobgpd_binary()))
        asyncio.run(_measure(f"unix://{api}", figures))
    return figures
