"""What gobgpd 3 and 4 put on the wire when we drive them, as FRR and tcpdump see it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest
from engine_network import (
    LOCAL_ASN,
    MD5,
    NO_GR,
    PASSWORD,
    R1,
    R2,
    WRONG_ASN,
    local,
)
from engine_rig import GobgpRig, eventually, path, paths

from flatbgp.engine.model import Exit, SessionState
from flatbgp.resources.secrets import Password
from support.capture import Capture, MessageType, start_capture
from support.sandbox import Sandbox

pytestmark = [pytest.mark.contract, pytest.mark.asyncio(loop_scope="module")]

FOUR = paths("10.20.0.0/24", "10.20.1.0/24", "10.20.2.128/25", "2001:db8:20::/64")


@pytest.fixture
def capture(real: GobgpRig) -> Iterator[Capture]:
    """All TCP of the host."""
    with Sandbox() as sandbox:
        yield start_capture(sandbox, real.daemon.namespace, "eth0", "tcp")


def sent(capture: Capture, source: IPv4Address, *kinds: MessageType) -> list[Any]:
    return [message for message in capture.messages(*kinds) if message.source == source]


def _withdrawn(update: bytes) -> Iterator[str]:
    """Yield the IPv4 prefixes that an UPDATE withdraws (RFC 4271 section 4.3)."""
    field = update[2 : 2 + int.from_bytes(update[:2])]
    while field:
        size = (field[0] + 7) // 8
        yield f"{IPv4Address(field[1 : 1 + size].ljust(4, bytes(1)))}/{field[0]}"
        field = field[1 + size :]


class TestExits:
    async def test_a_removal_is_withdrawals_and_one_cease(self, real: GobgpRig, capture: Capture) -> None:
        await real.reach(real.desired([real.neighbor(R1), real.neighbor(R2)], FOUR))
        await real.up(R1, R2)
        await real.has_routes(R1, FOUR)
        await real.has_routes(R2, FOUR)

        await real.engine.remove_neighbor(R1, Exit.REMOVAL)

        await eventually("it to be caught", lambda: sent(capture, real.local, MessageType.NOTIFICATION))
        [notification] = sent(capture, real.local, MessageType.NOTIFICATION)
        assert notification.destination == R1
        assert notification.body[:2] == bytes([6, 2])  # Cease, Administrative Shutdown (RFC 4486)
        assert b"no longer configured" in notification.body  # RFC 9003
        to_r1 = [m for m in sent(capture, real.local, MessageType.UPDATE) if m.destination == R1]
        withdrawn = [network for m in to_r1 for network in _withdrawn(m.body)]
        assert sorted(withdrawn) == ["10.20.0.0/24", "10.20.1.0/24", "10.20.2.128/25"]
        assert max(m.time for m in to_r1) < notification.time
        await real.has_routes(R2, FOUR)

    async def test_a_move_sends_no_byte_and_the_router_keeps_the_routes(self, real: GobgpRig, capture: Capture) -> None:
        await real.reach(real.desired([real.neighbor(R1)], FOUR))
        await real.up(R1)
        await real.has_routes(R1, FOUR)
        address = f"{real.local}/32"
        said = len(sent(capture, real.local))
        try:
            real.daemon.namespace.ip(f"address delete {address} dev eth0")
            real.cut()
            await real.engine.remove_neighbor(R1, Exit.MOVE)
        finally:
            real.daemon.namespace.ip(f"address replace {address} dev eth0")
        # The address is back, as it is on the next holder: whatever the old session still had to say would leave now.
        # The router says something, and so learns that nobody is there.
        router = real.network.routers[R1]
        router.process.vty.execute(f"clear bgp ipv4 unicast {real.local} soft in")
        await eventually("the router to find out", lambda: router.session(real.local), lambda session: session is None)
        await eventually("its question to be caught", lambda: capture.messages(MessageType.ROUTE_REFRESH))

        assert len(sent(capture, real.local)) == said
        assert set(router.routes(real.local)) == {str(p.prefix) for p in FOUR}


class TestRestart:
    async def test_s38_all_routes_are_kept_while_a_killed_daemon_is_replaced(self, real: GobgpRig) -> None:
        many = [path(f"10.{20 + i // 256}.{i % 256}.0/24") for i in range(1000)]
        wanted = {str(p.prefix) for p in many}
        await real.reach(real.desired([real.neighbor(R1)], many))
        await real.up(R1)
        await real.has_routes(R1, many)
        router = real.network.routers[R1]
        session, ceases = real.session(R1), real.ceases(R1)

        real.restart()
        await real.reach(real.desired([real.neighbor(R1)], many))

        def kept_and_back() -> bool:
            assert set(router.routes(real.local)) == wanted, "a route was gone for a moment"
            return real.session(R1) not in (None, session)

        await eventually("the new session", kept_and_back)
        await real.has_routes(R1, many)
        assert real.ceases(R1) == ceases


class TestTransport:
    async def test_s20_nothing_listens(self, real: GobgpRig) -> None:
        await real.reach(real.desired([real.neighbor(R1)], FOUR))

        assert real.daemon.namespace.run("ss", "-Hltn").strip() == ""

    async def test_s7_md5_with_the_right_password_comes_up_and_with_another_does_not(self, real: GobgpRig) -> None:
        source = local(real.host, MD5)
        router = real.network.routers[R1]
        wrong = real.neighbor(R1, local_address=source, password=Password("something-else"))
        await real.reach(real.desired([wrong], FOUR))
        await eventually("two refused SYNs", lambda: _rejected(real), lambda n: n >= 2)
        assert (await real.state(R1)).state is SessionState.ACTIVE

        right = real.neighbor(R1, local_address=source, password=Password(PASSWORD))
        await real.reach(real.desired([right], FOUR))

        await eventually("the session", lambda: router.session(source))

    async def test_s10_without_multihop_a_packet_lives_for_one_hop(self, real: GobgpRig, capture: Capture) -> None:
        await real.reach(real.desired([real.neighbor(R1, multihop=False)], FOUR))
        await real.up(R1)

        await eventually("packets", lambda: _lifetimes(real, capture))
        assert _lifetimes(real, capture) == {1}

    async def test_s6_a_wrong_asn_is_told_by_counters_and_heals_within_15_s(self, real: GobgpRig) -> None:
        source = local(real.host, WRONG_ASN)
        await real.reach(real.desired([real.neighbor(R1, local_address=source)], FOUR))
        await eventually("a NOTIFICATION", lambda: real.state(R1), lambda s: s.notifications_received > 0)

        right = real.neighbor(R1, local_address=source, local_asn=LOCAL_ASN + 1)
        await real.reach(real.desired([right], FOUR))

        await eventually("the session", lambda: real.network.routers[R1].session(source), deadline=15)


def _lifetimes(rig: GobgpRig, capture: Capture) -> set[int]:
    """Return the TTLs of what gobgpd sent; a kernel's resets for a router that tries to connect are left out."""
    ours = [frame for _, frame in capture.frames() if frame[26:30] == rig.local.packed]
    return {frame[22] for frame in ours if not frame[47] & 4}


def _rejected(rig: GobgpRig) -> int:
    """Return how many packets the router dropped over a wrong or missing MD5 signature (see netstat)."""
    text = rig.network.routers[R1].namespace.run("nstat", "-asz", "TcpExtTCPMD5Failure", "TcpExtTCPMD5Unexpected")
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith("TcpExt"))


async def _read(events: AsyncIterator[object]) -> None:
    async for _ in events:
        pass


class TestGracefulRestart:
    async def test_s62_a_router_without_it_gets_its_routes_beside_one_with_it(self, real: GobgpRig) -> None:
        source = local(real.host, NO_GR)
        with_it, without = real.neighbor(R1), real.neighbor(R2, local_address=source)
        await real.reach(real.desired([], FOUR))
        reader = asyncio.create_task(_read(real.engine.events()))
        # The one without comes last: then version 3.10 leaves it out, unless it is reminded.
        await real.engine.add_neighbor(with_it)
        await real.up(R1)
        await real.has_routes(R1, FOUR)
        await real.engine.add_neighbor(without)
        router = real.network.routers[R2]
        await eventually("the session", lambda: router.session(source))

        # Version 3.10 may make it wait for the whole deferral time of 3 s.
        await eventually("its routes", lambda: router.routes(source), lambda r: len(r) == len(FOUR), deadline=4)
        assert not (await real.engine.neighbors())[R2].graceful_restart
        reader.cancel()

    async def test_s30b_a_router_that_is_down_delays_no_other(self, real: GobgpRig) -> None:
        nobody = real.neighbor(R2, address=IPv4Address("10.99.0.200"))
        await real.reach(real.desired([nobody, real.neighbor(R1)], FOUR))
        await real.up(R1)

        await eventually("its routes", lambda: real.routes(R1), lambda r: len(r) == len(FOUR), deadline=4)

    async def test_the_open_says_restarting_with_forwarding_state_for_both_families(
        self, real: GobgpRig, capture: Capture
    ) -> None:
        await real.reach(real.desired([real.neighbor(R1)], FOUR))
        await real.up(R1)

        await eventually("it to be caught", lambda: sent(capture, real.local, MessageType.OPEN))
        assert _lifetimes(real, capture) == {255}  # s10: any number of hops
        [opened] = sent(capture, real.local, MessageType.OPEN)

        # RFC 4724 section 3: code 64, R flag and 60 s, then AFI, SAFI and F flag of each family.
        assert b"\x40\x0a\x80\x3c\x00\x01\x01\x80\x00\x02\x01\x80" in opened.body
