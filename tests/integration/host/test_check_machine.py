"""``flatbgp check`` on a machine: its kernel, its LAN, its routers, its gobgpd, all real."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flatbgp.lab.gobgpd import start_gobgpd
from flatbgp.lab.waiting import wait_until
from host.hostrig import FLOATING, FLOATING6, INTERFACE, Lan, Machine
from support.binaries import gobgp
from support.objects import LABELS, in_user_namespace, node, peer
from support.sandbox import Sandbox

_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")
_LISTENER = """
import socket, sys
listener = socket.socket(socket.AF_INET6)
listener.bind(("::", 179))
listener.listen()
print("listening", flush=True)
accepted = []
while True:
    accepted.append(listener.accept())
"""

Findings = dict[str, tuple[str, str]]


class Checked:
    """The findings by subject, each with level and message, and the exit status."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        assert done.returncode in (0, 1), done.stderr
        self.status = done.returncode
        self.findings: Findings = {
            each["subject"]: (each["level"], each["message"]) for each in json.loads(done.stdout)["findings"]
        }

    def __getitem__(self, subject: str) -> tuple[str, str]:
        return self.findings[subject]


@pytest.fixture
def store(sandbox: Sandbox, lan: Lan) -> str:
    url = f"sqlite:{sandbox.directory / 'store.db'}"
    mode = {
        "apiVersion": "networking.gke.io/v1alpha1",
        "kind": "FlatIPMode",
        "metadata": {"name": "default"},
        "spec": {"enableBGPIPv4": True, "peerSelector": LABELS},
    }
    group = {
        "apiVersion": "networking.gke.io/v1",
        "kind": "NetworkGatewayGroup",
        "metadata": {"name": "default", "namespace": "kube-system"},
        "spec": {"floatingIPs": [str(FLOATING), str(FLOATING6)]},
    }
    manifests = [
        json.dumps(mode),
        json.dumps(group),
        in_user_namespace(peer("four", str(lan.router.four))),
        in_user_namespace(peer("six", str(lan.router.six))),
        node("node-01", str(lan.a.four)),
    ]
    applied = subprocess.run(
        [*_FLATBGP, "apply", "-f", "-", "--store", url],
        input="\n---\n".join(manifests),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert applied.returncode == 0, applied.stderr
    return url


def check(machine: Machine, store: str, *options: str, through: tuple[str, ...] = ()) -> Checked:
    arguments = ("check", "--node", "node-01", "--store", store, "-o", "json", *options)
    command = machine.namespace.command(*through, *_FLATBGP, *arguments)
    return Checked(subprocess.run(command, capture_output=True, text=True, timeout=90, check=False))


def listen(sandbox: Sandbox, machine: Machine) -> None:
    log = sandbox.directory / "listener.log"
    process = sandbox.owns(machine.namespace.start("listener", sys.executable, "-c", _LISTENER, log=log))
    wait_until("the router to listen", lambda: "listening" in process.output, deadline=20)


def test_a_machine_and_a_router_that_are_ready(sandbox: Sandbox, lan: Lan, store: str) -> None:
    listen(sandbox, lan.router)
    found = check(lan.a, store)
    assert found["kernel"][0] == "ok"
    for name, address, own in (("four", lan.router.four, lan.a.four), ("six", lan.router.six, lan.a.six)):
        assert found[f"router {address} (BGPPeer {name})"] == ("ok", f"accepts TCP on port 179 from {own}")
    assert found.status == 0


def test_a_router_is_never_tried_from_a_floating_ip_nor_beside_a_connection(
    sandbox: Sandbox, lan: Lan, store: str
) -> None:
    listen(sandbox, lan.router)
    lan.a.namespace.ip(f"addr add {FLOATING}/32 dev {INTERFACE}")
    found = check(lan.a, store)
    assert found[f"router {lan.router.four} (BGPPeer four)"] == ("ok", f"accepts TCP on port 179 from {lan.a.four}")

    with lan.a.socket(socket.AF_INET, socket.SOCK_STREAM) as session:
        session.bind((str(FLOATING), 0))
        session.settimeout(5)
        session.connect((str(lan.router.four), 179))
        found = check(lan.a, store)
    assert found[f"router {lan.router.four} (BGPPeer four)"] == (
        "ok",
        f"has a TCP connection with {FLOATING}, so it is not tried",
    )
    assert found[f"router {lan.router.six} (BGPPeer six)"][1].startswith("accepts TCP")


def test_s13_routers_that_do_not_take_a_connection_are_told_apart(lan: Lan, store: str) -> None:
    lan.router.namespace.run("ip6tables", "-A", "INPUT", "-p", "tcp", "--dport", "179", "-j", "DROP")
    found = check(lan.a, store)
    level, message = found[f"router {lan.router.four} (BGPPeer four)"]
    assert (level, f"refuses TCP on port 179 from {lan.a.four}" in message) == ("problem", True)
    level, message = found[f"router {lan.router.six} (BGPPeer six)"]
    assert (level, "does not answer TCP on port 179" in message) == ("problem", True)
    assert found.status == 1

    lan.cable("router", plugged=False)
    found = check(lan.a, store)
    level, message = found[f"router {lan.router.four} (BGPPeer four)"]
    assert level == "problem"
    assert "No route to host" in message or "does not answer" in message


@pytest.mark.parametrize("address", [FLOATING, FLOATING6], ids=["IPv4", "IPv6"])
def test_s33_a_floating_ip_that_another_host_has_is_a_problem(lan: Lan, store: str, address: object) -> None:
    free = check(lan.a, store)
    assert "answers" not in free[f"floating IP {address}"][1]
    lan.b.namespace.ip(f"addr add {address}/{32 if address is FLOATING else 128} dev {INTERFACE} nodad")
    level, message = check(lan.a, store)[f"floating IP {address}"]
    assert level == "problem"
    assert f"{lan.b.mac} answers for it already" in message


def test_the_look_states_nothing_about_a_floating_ip(lan: Lan, store: str) -> None:
    with lan.leaving("a") as capture:
        check(lan.a, store)
        frames = capture.incoming()
    senders = {frame[28:32] for frame in frames if frame[12:14] == b"\x08\x06"}
    assert senders == {lan.a.four.packed}


def test_settings_and_capabilities_that_are_missing(lan: Lan, store: str) -> None:
    lan.a.namespace.sysctl({f"net.ipv4.conf.{INTERFACE}.arp_ignore": "8"})
    level, message = check(lan.a, store)["kernel"]
    assert (level, "arp_ignore" in message) == ("problem", True)
    for capability in ("net_raw", "net_admin"):
        dropped = ("setpriv", f"--bounding-set=-{capability}", f"--inh-caps=-{capability}")
        done = subprocess.run(
            lan.a.namespace.command(*dropped, *_FLATBGP, "check", "--node", "node-01", "--store", store),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 1
        assert f"CAP_{capability.upper()} is missing" in done.stdout


def test_the_gobgpd_beside_a_speaker(sandbox: Sandbox, lan: Lan, store: str, gobgpd_binary: str) -> None:
    api = sandbox.directory / "gobgpd.sock"
    target = f"unix://{api}"
    level, message = check(lan.a, store, "--gobgp", target)["gobgpd"]
    assert (level, "start it" in message) == ("problem", True)

    sandbox.owns(start_gobgpd("gobgpd", lan.a.namespace, api, binary=gobgpd_binary))
    level, message = check(lan.a, store, "--gobgp", target)["gobgpd"]
    assert level == "ok"
    assert f"(API {'v4' if 'gobgp-4' in gobgpd_binary else 'v3'}" in message

    client = gobgp("4.8" if "gobgp-4" in gobgpd_binary else "3.10")
    subprocess.run(
        [client, "--target", target, "global", "as", "64512", "router-id", "192.0.2.1"], check=True, timeout=20
    )
    level, message = check(lan.a, store, "--gobgp", target)["gobgpd"]
    assert (level, "started by somebody else" in message) == ("problem", True)


def test_a_check_before_anything_is_there(lan: Lan, tmp_path: Path) -> None:
    found = check(lan.a, f"sqlite:{tmp_path / 'none.db'}")
    assert found.status == 0
    assert found["configuration"][0] == "warning"
    assert not (tmp_path / "none.db").exists()
