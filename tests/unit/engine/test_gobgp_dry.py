"""The calls that manifests lead to, without a daemon, and what is made of calls: a script, a replay's preparation."""

import json
import re
from ipaddress import IPv4Address, ip_address, ip_network

import pytest

from flatbgp.engine.gobgp.dry import dry_calls
from flatbgp.engine.gobgp.replay import Call, prepared
from flatbgp.engine.gobgp.script import grpcurl_script
from flatbgp.engine.gobgp.transcript import prefix_of
from flatbgp.engine.gobgp.words import message_lines, path_text
from flatbgp.engine.model import Desired, Neighbor, Path
from flatbgp.resources.secrets import Password

APIS = ("v3", "v4")
ROUTER = IPv4Address("10.0.1.254")
FOUR = Path(ip_network("10.1.0.0/24"), ip_address("10.0.1.1"))
SIX = Path(ip_network("2001:db8:1::/64"), ip_address("2001:db8::1"))


def desired(password: str | None = None) -> Desired:
    secret = Password(password) if password is not None else None
    neighbor = Neighbor(ROUTER, ROUTER - 1, 65001, 65002, password=secret)
    return Desired(IPv4Address("192.0.2.1"), "marker", {ROUTER: neighbor}, {p.prefix: p for p in (FOUR, SIX)})


@pytest.mark.parametrize("api", APIS)
async def test_the_calls_come_in_the_order_that_keeps_packets_flowing(api: str) -> None:
    calls = await dry_calls(desired(), api)
    assert [call.method.name for call in calls] == [
        "StartBgp",
        "SetPolicies",
        "SetPolicyAssignment",
        "SetPolicyAssignment",
        "SetPolicies",
        "AddPathStream",
        "SetPolicies",
        "AddPeer",
    ]
    assert {call.method.api for call in calls} == {api}


@pytest.mark.parametrize("api", APIS)
async def test_paths_of_both_families_are_in_the_form_of_the_generation(api: str) -> None:
    [call] = [call for call in await dry_calls(desired(), api) if call.method.name == "AddPathStream"]
    [request] = call.requests
    assert [prefix_of(path) for path in request["paths"]] == [FOUR.prefix, SIX.prefix]
    assert [path["family"] for path in request["paths"]] == [
        {"afi": "AFI_IP", "safi": "SAFI_UNICAST"},
        {"afi": "AFI_IP6", "safi": "SAFI_UNICAST"},
    ]
    assert [path_text(path) for path in request["paths"]] == [
        "10.1.0.0/24  via 10.0.1.1  tags 4290000179:0:0",
        "2001:db8:1::/64  via 2001:db8::1  tags 4290000179:0:0",
    ]
    nlri = request["paths"][0]["nlri"]
    assert (
        nlri
        == {
            "v3": {"@type": "type.googleapis.com/apipb.IPAddressPrefix", "prefixLen": 24, "prefix": "10.1.0.0"},
            "v4": {"prefix": {"prefixLen": 24, "prefix": "10.1.0.0"}},
        }[api]
    )


@pytest.mark.parametrize("api", APIS)
async def test_a_password_is_in_no_form_of_the_calls(api: str) -> None:
    calls = await dry_calls(desired("sesame"), api)
    lines = [line for call in calls for request in call.requests for line in message_lines(request)]
    script = grpcurl_script(calls, api, "A title.")
    assert "sesame" not in "\n".join([script, *lines, *(json.dumps(call.requests) for call in calls)])
    assert any('authPassword": "***"' in line for line in lines)
    assert "# The password of 10.0.1.254 is left out" in script
    assert '"adminDown": true' in script
    assert "authPassword" not in re.sub(r"^#.*$", "", script, flags=re.MULTILINE)


@pytest.mark.parametrize("api", APIS)
async def test_a_script_names_service_and_protos_and_holds_each_request_as_json(api: str) -> None:
    calls = await dry_calls(desired(), api)
    script = grpcurl_script(calls, api, "A title.")
    assert f"-proto {api}/gobgp.proto" in script
    assert {"v3": "apipb.GobgpApi/", "v4": "api.GoBgpService/"}[api] in script
    bodies = re.findall(r"^call (\w+) <<'END_OF_REQUEST'\n(.*?)^END_OF_REQUEST$", script, re.MULTILINE | re.DOTALL)
    assert [(name, json.loads(body)) for name, body in bodies] == [(c.method.name, c.requests[0]) for c in calls]


class TestReplay:
    async def add_peer(self, password: str | None = None) -> Call:
        return (await dry_calls(desired(password), "v4"))[-1]

    async def test_a_neighbour_opens_no_session_unless_asked_to(self) -> None:
        [request] = (await self.add_peer()).requests
        shut, remark = prepared(request, sessions=False)
        assert shut["peer"]["conf"]["adminDown"] is True
        assert "no session is opened" in remark
        assert prepared(request, sessions=True) == (request, "")

    async def test_without_its_password_it_never_does_and_says_so(self) -> None:
        [request] = (await self.add_peer("sesame")).requests
        for sessions in (True, False):
            shut, remark = prepared(request, sessions=sessions)
            assert shut["peer"]["conf"]["adminDown"] is True
            assert "authPassword" not in shut["peer"]["conf"]
            assert "the password of 10.0.1.254 is not in a trace" in remark
