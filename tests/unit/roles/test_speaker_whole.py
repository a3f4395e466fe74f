"""A whole speaker over a store, a daemon and a LAN in memory: from an idle node to a session and back."""

from base64 import b64encode
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from roles_rig import COMMON, eventually, put, put_node, running, runtime
from structlog.testing import capture_logs

from flatbgp.engine.fake import FakeEngine
from flatbgp.host.fake import FakeHost, FakeLan, Station
from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION, BGPSessionStatus, SessionStatusState
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.secret import SECRET
from flatbgp.roles.options import SpeakerOptions
from flatbgp.roles.runtime import Runtime
from flatbgp.roles.speaker.memory import Memory
from flatbgp.roles.speaker.speaker import Speaker
from flatbgp.store.protocol import Store, Unreachable
from flatbgp.store.sqlite.store import SqliteStore

ROUTER = ip_address("10.0.1.254")
SESSION = "10.0.1.254-node-01"
OWN = {
    "node": "node-01",
    "gobgp": "unix:///nowhere",
    "interface": None,
    "instance": "test",
    "report_interval": 10.0,
    "trace_rpc": None,
    "trace_limit": 0,
}


class RefusingStore(SqliteStore):
    """A store that can refuse to list Secrets, or to take sessions (and counts how often)."""

    refusing = False
    full = False
    refusals = 0

    async def patch(self, kind: Kind[Any, Any], *arguments: Any, **options: Any) -> Any:
        if kind is BGP_SESSION and self.full:
            self.refusals += 1
            raise Unreachable("disk full")
        return await super().patch(kind, *arguments, **options)

    async def list(self, kind: Kind[Any, Any], *arguments: Any) -> Any:
        if kind is SECRET and self.refusing:
            raise Unreachable("no")
        return await super().list(kind, *arguments)


@pytest.fixture
async def store() -> AsyncIterator[RefusingStore]:
    opened = RefusingStore(None)
    labels = {"flatip-peer": "true"}
    await put_node(opened, "node-01", "10.0.1.11")
    await put(opened, NETWORK_GATEWAY_GROUP, "default", {"floatingIPs": ["10.0.1.100"]})
    await put(opened, FLAT_IP_MODE, "default", {"enableBGPIPv4": True, "enableBGPIPv6": False, "peerSelector": labels})
    peer = {"localASN": 65001, "peerASN": 65002, "peerIP": str(ROUTER)}
    await put(opened, BGP_PEER, "router", peer, labels=labels)
    route = {"prefix": "222.2.0.0/24", "nextHop": "10.0.1.11", "nodeName": "node-01"}
    await put(opened, BGP_ADVERTISED_ROUTE, "route-via-10-0-1-11", route)
    yield opened
    await opened.close()


async def test_who_takes_an_address_over_knocks_at_its_routers_once_and_the_first_holder_does_not(
    store: Store, tmp_path: Path
) -> None:
    lan = FakeLan()
    lan.attach(Station("02:00:00:00:00:fe", {ROUTER}))
    knocks = []
    for number in (1, 2):
        name, engine, role = f"node-0{number}", FakeEngine(), runtime()
        await put_node(store, name, f"10.0.1.1{number}")
        host = FakeHost(lan, f"02:00:00:00:00:0{number}", [f"10.0.1.1{number}/24"])
        options = SpeakerOptions(**(COMMON | OWN | {"node": name}))
        speaker = Speaker(options, role, store, host, engine, Memory.of(tmp_path, options.store, name), "test")
        async with running(speaker.run()):
            await eventually(lambda host=host: _true(host.has(ip_address("10.0.1.100"))), "the address")
            await eventually(lambda engine=engine: _known(engine), "the session is in the daemon")
            await speaker.stop()
        knocks.append(host.knocks)
    assert knocks == [[], [(ip_address("10.0.1.100"), ROUTER, 255, None)]]


async def _true(value: bool) -> bool:
    return value


async def _known(engine: FakeEngine) -> bool:
    return ROUTER in (await engine.observe()).neighbors


async def _status(store: Store) -> BGPSessionStatus | None:
    found = await store.get(BGP_SESSION, SESSION, "kube-system")
    return found.status if found is not None else None


def _samples(role: Runtime) -> dict[str, float]:
    return {sample.name: sample.value for source in role.samples for sample in source()}


async def test_what_is_seen_of_a_session_is_said_in_its_object_and_its_metrics(store: Store, tmp_path: Path) -> None:
    lan, engine, role = FakeLan(), FakeEngine(), runtime()
    lan.attach(Station("02:00:00:00:00:fe", {ROUTER}))
    host = FakeHost(lan, "02:00:00:00:00:01", ["10.0.1.11/24"])
    options = SpeakerOptions(**(COMMON | OWN))
    speaker = Speaker(options, role, store, host, engine, Memory.of(tmp_path, options.store, options.node), "test")

    async def is_up(wanted: bool) -> bool:
        status = await _status(store)
        return status is not None and (status.state is SessionStatusState.ESTABLISHED) is wanted

    async def neighbour_there() -> bool:
        return ROUTER in (await engine.observe()).neighbors

    async with running(speaker.run()):
        await eventually(neighbour_there, "the session is in the daemon")
        await eventually(lambda: is_up(False), "the object of a session that is being opened")
        assert _samples(role)["flatbgp_session_up"] == 0

        engine.establish(ROUTER)
        await eventually(lambda: is_up(True), "an Established session")
        assert _samples(role)["flatbgp_session_up"] == 1
        assert _samples(role)["flatbgp_routes"] == 1
        assert [str(prefix) for prefix in engine.routes(ROUTER)] == ["222.2.0.0/24"]

        engine.drop(ROUTER)
        await eventually(lambda: is_up(False), "a session that went down")
        status = await _status(store)
        assert status is not None
        assert status.flaps == 1
        assert _samples(role)["flatbgp_session_flaps"] == 1

        await speaker.stop()
        assert not host.has(ip_address("10.0.1.100"))


async def test_s25_a_killed_speaker_that_cannot_read_the_password_yet_leaves_the_session_alone(
    store: RefusingStore, tmp_path: Path
) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "md5", "namespace": "kube-system"},
        "type": "kubernetes.io/basic-auth",
        "data": {"password": b64encode(b"a password").decode()},
    }
    await store.create(SECRET, secret)
    await store.patch(BGP_PEER, "router", "kube-system", {"spec": {"passwordSecretRef": {"name": "md5"}}})
    lan, engine = FakeLan(), FakeEngine()
    lan.attach(Station("02:00:00:00:00:fe", {ROUTER}))
    host = FakeHost(lan, "02:00:00:00:00:01", ["10.0.1.11/24"])
    options = SpeakerOptions(**(COMMON | OWN))

    def speaker() -> Speaker:
        memory = Memory.of(tmp_path, options.store, options.node)
        return Speaker(options, runtime(), store, host, engine, memory, "test")

    killed = speaker()
    async with running(killed.run()):
        await eventually(lambda: _known(engine), "the session is in the daemon")
        engine.establish(ROUTER)
        await eventually(lambda: _true(killed.memory.recall(killed.marker) is not None), "the plan on disk")

    store.refusing = True
    await engine.withdraw((await engine.observe()).paths.values())
    async with running(speaker().run()):
        await eventually(lambda: _paths(engine, 1), "the plan that was kept is made")
        store.refusing = False
        await eventually(lambda: _up(store), "the session is reported")
    assert engine.heard[ROUTER].count("open") == 1
    assert "cease" not in engine.heard[ROUTER]


async def _up(store: Store) -> bool:
    status = await _status(store)
    return status is not None and status.state is SessionStatusState.ESTABLISHED


async def test_a_report_that_fails_is_said_once_whatever_else_works(store: RefusingStore, tmp_path: Path) -> None:
    lan, engine = FakeLan(), FakeEngine()
    lan.attach(Station("02:00:00:00:00:fe", {ROUTER}))
    host = FakeHost(lan, "02:00:00:00:00:01", ["10.0.1.11/24"])
    options = SpeakerOptions(**(COMMON | OWN))
    store.full = True
    with capture_logs() as logs:
        speaker = Speaker(
            options, runtime(), store, host, engine, Memory.of(tmp_path, options.store, "node-01"), "test"
        )
        async with running(speaker.run()):
            await eventually(lambda: _known(engine), "the session is in the daemon")
            await eventually(lambda: _true(store.refusals > 0), "a report that fails")
            route = {"prefix": "222.2.1.0/24", "nextHop": "10.0.1.12", "nodeName": "node-02"}
            await put(store, BGP_ADVERTISED_ROUTE, "route-via-10-0-1-12", route)
            await eventually(lambda: _paths(engine, 2), "a plan that works meanwhile")
            before = store.refusals
            await eventually(lambda: _true(store.refusals > before), "another report that fails")
    about = [entry["event"] for entry in logs if entry.get("about") == "BGPSessions"]
    assert about == ["disk full"]
    assert "works again" not in [
        entry["event"] for entry in logs if entry.get("about") in ("BGPSessions", "store", "plan")
    ]


async def _paths(engine: FakeEngine, count: int) -> bool:
    return await engine.path_count() == count
