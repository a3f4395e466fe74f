"""Calls as a shell script for grpcurl, which anybody can read, change and run. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flatbgp.engine.gobgp.methods import SERVICES
from flatbgp.engine.gobgp.readable import HIDDEN
from flatbgp.engine.gobgp.replay import Call

_HEAD = """\
#!/bin/sh
# {title}
# GoBGP API {api}. Needs grpcurl 1.9, and protos/ of flatbgp: run it in a checkout, or set PROTOS.
# Usage: sh SCRIPT /path/of/gobgpd.sock
set -eu
socket=${{1:?the path of the Unix socket on which gobgpd answers}}
call() {{
    grpcurl -plaintext -import-path "${{PROTOS:-protos}}" -proto {api}/gobgp.proto -d @ "unix://$socket" {service}/"$1"
}}
"""
_END = "END_OF_REQUEST"


def grpcurl_script(calls: Iterable[Call], api: str, title: str) -> str:
    """Return a script that makes these calls, which are of one generation of the API."""
    head = _HEAD.format(title=title, api=api, service=SERVICES[api])
    return head + "".join(text for call in calls for text in _call(call))


def _call(call: Call) -> Iterator[str]:
    yield "\n"
    requests = []
    for request in call.requests:
        shown, remark = _without_password(request)
        if remark:
            yield f"# {remark}\n"
        requests.append(json.dumps(shown, indent=2, ensure_ascii=False))
    yield f"call {call.method.name} <<'{_END}'\n"
    yield "".join(f"{text}\n" for text in requests)
    yield f"{_END}\n"


def _without_password(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Return a request with a neighbour shut down in place of its hidden password, and the remark that says so."""
    peer = request.get("peer", {})
    conf = peer.get("conf", {})
    if conf.get("authPassword") != HIDDEN:
        return request, ""
    kept = {name: value for name, value in conf.items() if name != "authPassword"} | {"adminDown": True}
    remark = (
        f"The password of {conf.get('neighborAddress')} is left out, so adminDown keeps its session closed: "
        'replace that line by "authPassword": "...".'
    )
    return {**request, "peer": {**peer, "conf": kept}}, remark
