"""What gobgpd 3 and 4 tell routers over sessions that stay up."""

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from engine_network import LOCAL_ASN, R1, R2
from engine_rig import GobgpRig, eventually, paths

from flatbgp.engine.model import ExportAttributes
from flatbgp.lab.commands import run

FOUR = paths("10.20.0.0/24", "10.20.1.0/24", "10.20.2.128/25", "2001:db8:20::/64")

pytestmark = [
    pytest.mark.contract,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("standing_rig", ["v3", "v4"], indirect=True, scope="module"),
]


class TestPaths:
    async def test_s56_attributes_are_exact_and_no_tag_leaks(self, standing: GobgpRig) -> None:
        plain = standing.neighbor(R1)
        export = ExportAttributes(
            communities=(LOCAL_ASN << 16 | 7, LOCAL_ASN << 16 | 8), large_communities=((LOCAL_ASN, 1, 2),), med=50
        )
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        await standing.has_routes(R2, FOUR)
        session, updates = standing.session(R1), standing.updates(R2)

        await standing.engine.update_neighbor(replace(plain, export=export))
        await eventually("attributes", lambda: _details(standing, R1, "2001:db8:20::/64"), lambda d: "community" in d)
        for prefix in ("10.20.0.0/24", "2001:db8:20::/64"):
            seen, other = _details(standing, R1, prefix), _details(standing, R2, prefix)
            assert seen["community"]["string"] == f"{LOCAL_ASN}:7 {LOCAL_ASN}:8"
            assert seen["largeCommunity"]["string"] == f"{LOCAL_ASN}:1:2"
            assert seen["metric"] == 50
            assert seen["aspath"]["string"] == str(LOCAL_ASN)
            assert seen["origin"] == "IGP"
            assert not {"community", "largeCommunity"} & other.keys()
            assert other.get("metric", 0) == 0
        await standing.engine.update_neighbor(plain)

        await eventually("them to go", lambda: _details(standing, R1, "10.20.0.0/24"), lambda d: "community" not in d)
        assert "largeCommunity" not in _details(standing, R1, "10.20.0.0/24")
        assert (standing.session(R1), standing.updates(R2)) == (session, updates)

    async def test_s53_ipv6_over_ipv4_is_valid_at_the_router(self, standing: GobgpRig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)

        assert _details(standing, R1, "2001:db8:20::/64")["valid"]

    async def test_s61_a_route_refresh_sends_everything_again(self, standing: GobgpRig) -> None:
        await standing.engine.announce(FOUR)
        await standing.has_routes(R1, FOUR)
        session, updates = standing.session(R1), standing.updates(R1)

        standing.network.routers[R1].process.vty.execute(f"clear bgp ipv4 unicast {standing.local} soft in")
        await eventually("prefixes again", lambda: standing.updates(R1), lambda n: n > updates)

        assert standing.session(R1) == session
        await standing.has_routes(R1, FOUR)

    async def test_s57_what_a_router_sends_is_neither_used_nor_passed_on(self, standing: GobgpRig) -> None:
        offered = ["0.0.0.0/0", "10.20.0.0/24", "198.51.100.7/32"]
        router = standing.network.routers[R1]
        await standing.engine.announce(FOUR)
        await standing.has_routes(R2, FOUR)
        router.originate(*offered)
        try:
            await eventually("it to arrive", lambda: standing.state(R1), lambda s: _received(s) >= len(offered))

            assert await standing.engine.path_count() == len(FOUR)
            observed = await standing.another().observe()
            assert set(observed.paths) == {p.prefix for p in FOUR}
            await standing.has_routes(R2, FOUR)
        finally:
            router.stop_originating(*offered)

    async def test_a_path_that_somebody_else_added_goes_nowhere_and_is_seen(self, standing: GobgpRig) -> None:
        await standing.engine.announce(FOUR)
        client = str(standing.daemon.binary.with_name("gobgp"))
        target = f"unix://{standing.daemon.socket}"
        run((client, "--target", target, "global", "rib", "add", "192.0.2.0/24", "nexthop", "10.99.0.77"))

        observed = await standing.engine.observe()
        await standing.engine.announce(paths("10.22.0.0/24"))  # would come after it
        await standing.has_routes(R1, [*FOUR, *paths("10.22.0.0/24")])
        actions = await standing.reach(standing.desired([standing.neighbor(r) for r in (R1, R2)], FOUR))

        assert len(observed.paths) == len(FOUR) + 1
        assert [str(action) for action in actions] == [
            "Withdraw 2 routes: 10.22.0.0/24 via 10.99.0.77 and 192.0.2.0/24 via 10.99.0.77."
        ]
        assert await standing.engine.path_count() == len(FOUR)


def _details(rig: GobgpRig, router: IPv4Address, prefix: str) -> dict[str, Any]:
    """Return all that a router knows of our path to a prefix."""
    family = "ipv6" if ":" in prefix else "ipv4"
    found = rig.network.routers[router].json(f"show bgp {family} unicast {prefix} json")
    [details] = [p for p in found["paths"] if p["peer"]["peerId"] == str(rig.local)]
    return dict(details)


def _received(state: Any) -> int:
    return sum(family.received for family in state.families.values())
