"""``flatbgp lab`` as a person uses it, on a machine of its own."""

import os
import re

import pytest

from flatbgp.lab.waiting import wait_until
from support.machine import CHECKOUT, Machine, press_ctrl_c
from support.sandbox import Sandbox


@pytest.fixture
def machine(sandbox: Sandbox) -> Machine:
    return Machine(sandbox)


def assert_nothing_is_left(machine: Machine) -> None:
    assert machine.network_namespaces() == []
    assert machine.lab_directory() == []
    assert machine.processes() == []


@pytest.mark.timeout(240)
def test_a_lab_is_brought_up_looked_at_and_taken_down(machine: Machine) -> None:
    up = machine.flatbgp("lab", "up")
    assert up.returncode == 0, up.stderr
    assert "2 racks, 2 routers, 3 nodes" in up.stdout
    assert {"flatbgp-node-01", "flatbgp-node-02", "flatbgp-node-03", "flatbgp-router-1", "flatbgp-router-2"} <= set(
        machine.network_namespaces()
    )

    status = machine.flatbgp("lab", "status")
    assert status.returncode == 0
    assert status.stdout.startswith("up, since ")
    assert status.stdout.count("  running") == 2 * 2 + 3 + 2 + 3

    second = machine.flatbgp("lab", "up")
    assert second.returncode == 1
    assert second.stderr.startswith("error: a lab is up since")
    assert "flatbgp lab down" in second.stderr

    down = machine.flatbgp("lab", "down")
    assert (down.returncode, down.stdout) == (0, "the lab is down\n")
    assert_nothing_is_left(machine)
    assert machine.flatbgp("lab", "down").stdout == "no lab was up\n"
    assert machine.flatbgp("lab", "status").returncode == 1


@pytest.mark.timeout(240)
def test_the_lab_opens_no_port_outside_its_namespaces(machine: Machine) -> None:
    before = machine.run("ss", "-Hltun").stdout
    assert machine.flatbgp("lab", "up").returncode == 0

    assert machine.run("ss", "-Hltun").stdout.split() == before.split()


@pytest.mark.timeout(240)
def test_s21_a_person_kills_the_gateway_and_sees_no_ping_lost(machine: Machine) -> None:
    early = machine.flatbgp("lab", "kill-gateway")
    assert (early.returncode, early.stderr) == (1, "error: no lab is up: 'flatbgp lab up' starts one\n")
    machine.bring_lab_up()

    alone = machine.flatbgp("lab", "kill-gateway", "node-02")
    assert alone.returncode == 1
    assert "node-02 is the only node of rack-2" in alone.stderr
    nobody = machine.flatbgp("lab", "kill-gateway", "node-09")
    assert "there is no node node-09 in this lab; there are node-01, node-02, node-03" in nobody.stderr

    killed = machine.flatbgp("lab", "kill-gateway")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    dead, heir = re.search(r"^(node-0[13]) holds 10\.0\.1\.100; (node-0[13]) can take over", killed.stdout).groups()
    assert re.search(rf"^ +\d\.\d\d s  10\.0\.1\.100 is on {heir}$", killed.stdout, re.MULTILINE)
    for router in ("router-1", "router-2"):
        assert re.search(
            rf"^ +\d+\.\d\d s  {router}: session with 10\.0\.1\.100 Established$", killed.stdout, re.MULTILINE
        )
    assert re.search(r"^\d+ pings sent, 0 lost; ", killed.stdout, re.MULTILINE)
    assert "no router missed any of its 3 routes at any moment" in killed.stdout
    assert killed.stdout.endswith(f"{dead} is back. It takes nothing back: a healthy holder keeps what it has.\n")

    status = machine.flatbgp("lab", "status")
    assert status.returncode == 0, "the machine is whole again"
    assert status.stdout.count("  running") == 2 * 2 + 3 + 2 + 3
    again = machine.flatbgp("lab", "kill-gateway")
    assert again.stdout.startswith(f"{heir} holds 10.0.1.100; {dead} can take over"), "and can take over in turn"
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.timeout(240)
def test_s30a_a_session_that_the_heir_cannot_have_is_not_missed(machine: Machine, sandbox: Sandbox) -> None:
    file = sandbox.directory / "two-addresses.yaml"
    guide = (CHECKOUT / "examples" / "single-stack-ipv4.yaml").read_text()
    guide = guide.replace("  - 10.0.3.100", "  - 10.0.1.101\n  - 10.0.3.100")
    file.write_text(guide.replace("sessions: 2", "sessions: 3"))
    machine.bring_lab_up("-f", str(file), sessions=6)

    killed = machine.flatbgp("lab", "kill-gateway")

    assert killed.returncode == 0, killed.stdout + killed.stderr
    for router in ("router-1", "router-2"):
        assert re.search(
            rf"^ +\d+\.\d\d s  {router}: session with 10\.0\.1\.10[01] instead, which is on the same node$",
            killed.stdout,
            re.MULTILINE,
        )
    assert re.search(r"^\d+ pings sent, 0 lost; ", killed.stdout, re.MULTILINE)


@pytest.mark.timeout(240)
def test_what_is_declared_on_the_user_cluster_itself_needs_no_admin_role(machine: Machine, sandbox: Sandbox) -> None:
    file = sandbox.directory / "user.yaml"
    file.write_text(USER_CLUSTER)
    machine.bring_lab_up("-f", str(file), sessions=1)

    status = machine.flatbgp("lab", "status")

    assert status.returncode == 0
    assert not re.search(r"^admin ", status.stdout, re.MULTILINE)
    assert machine.flatbgp("lab", "kill-gateway", "node-09").stderr.startswith("error: there is no node node-09")


USER_CLUSTER = """\
apiVersion: networking.gke.io/v1alpha1
kind: FlatIPMode
metadata: {name: default}
spec: {enableBGPIPv4: true, peerSelector: {}}
---
apiVersion: networking.gke.io/v1alpha1
kind: ClusterCIDRConfig
metadata: {name: all}
spec: {ipv4: {cidr: 222.2.0.0/16, perNodeMaskSize: 24}}
---
apiVersion: networking.gke.io/v1
kind: NetworkGatewayGroup
metadata: {name: default, namespace: kube-system}
spec: {floatingIPs: [10.0.1.100]}
---
apiVersion: networking.gke.io/v1
kind: BGPPeer
metadata: {name: router, namespace: kube-system}
spec: {localASN: 65001, peerASN: 65002, peerIP: 10.0.1.254}
"""


@pytest.mark.timeout(240)
def test_ctrl_c_while_the_gateway_is_dead_brings_it_back(machine: Machine, sandbox: Sandbox) -> None:
    machine.bring_lab_up()
    child = machine.start_flatbgp("lab", "kill-gateway", log="kill.log")
    log = sandbox.directory / "kill.log"
    wait_until("the power cut", lambda: "power off" in log.read_text() or child.poll() is not None, deadline=20)
    press_ctrl_c(child)

    assert child.wait(30) == 130
    status = machine.flatbgp("lab", "status")
    assert status.stdout.count("  running") == 2 * 2 + 3 + 2 + 3
    assert not [line for line in machine.processes() if "pinger" in line]


@pytest.mark.timeout(240)
def test_status_names_what_has_ended(machine: Machine) -> None:
    assert machine.flatbgp("lab", "up").returncode == 0
    machine.run(
        "ip", "netns", "exec", "flatbgp-node-02", "sh", "-c", "kill -9 $(ip netns pids flatbgp-node-02 | head -n 1)"
    )

    status = wait_until("it to end", lambda: machine.flatbgp("lab", "status"), lambda seen: "ended, see" in seen.stdout)

    assert status.returncode == 1
    assert status.stdout.startswith("not whole, since ")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("moment", ["router-1/bgpd.vty", "node-01/gobgpd.sock", "user.db", "node-01/speaker.log"])
def test_ctrl_c_while_it_comes_up_leaves_nothing_behind(machine: Machine, moment: str) -> None:
    child = machine.start_flatbgp("lab", "up", log="up.log")
    wait_until(
        f"{moment} to be there",
        lambda: machine.run("test", "-e", f"/run/flatbgp-lab/{moment}").returncode == 0 or child.poll() is not None,
    )
    press_ctrl_c(child)

    assert child.wait(30) == 130
    assert_nothing_is_left(machine)


def test_what_a_crashed_lab_left_behind_is_taken_down(machine: Machine) -> None:
    child = machine.start_flatbgp("lab", "up", log="up.log")
    wait_until("a gobgpd", lambda: machine.run("test", "-e", "/run/flatbgp-lab/node-02/gobgpd.sock").returncode == 0)
    os.killpg(child.pid, 9)
    child.wait(5)
    assert machine.network_namespaces() != []

    assert machine.flatbgp("lab", "down").stdout == "the lab is down\n"
    assert_nothing_is_left(machine)


def test_namespaces_are_removed_also_when_the_record_is_lost(machine: Machine) -> None:
    machine.run("sh", "-c", "ip netns add flatbgp-node-09; ip netns add somebody-elses")

    assert machine.flatbgp("lab", "down").stdout == "the lab is down\n"

    assert machine.network_namespaces() == ["somebody-elses"]


def test_manifests_with_faults_make_no_lab(machine: Machine, sandbox: Sandbox) -> None:
    file = sandbox.directory / "bad.yaml"
    file.write_text((CHECKOUT / "examples" / "single-stack-ipv4.yaml").read_text().replace("10.0.1.254", "10.0.1.300"))

    up = machine.flatbgp("lab", "up", "-f", str(file))

    assert up.returncode == 1
    assert "10.0.1.300" in up.stderr
    assert "Traceback" not in up.stderr
    assert machine.network_namespaces() == []


@pytest.mark.parametrize(("missing", "advice"), [("/usr/lib/frr", "Debian package frr"), ("/usr/bin/gobgpd", "gobgpd")])
def test_what_is_missing_is_named_with_how_to_get_it(machine: Machine, missing: str, advice: str) -> None:
    machine.run("sh", "-c", f"mkdir /run/empty; touch /run/none; mount --bind /run/{_stand_in(missing)} {missing}")

    up = machine.flatbgp("lab", "up")

    assert up.returncode == 1
    assert advice in up.stderr
    assert "make setup" in up.stderr


def _stand_in(path: str) -> str:
    return "empty" if os.path.isdir(path) else "none"


@pytest.mark.timeout(300)
def test_the_demo_shows_everything_and_leaves_nothing_behind(machine: Machine) -> None:
    demo = machine.flatbgp("lab", "demo")

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "4 of 4 Established" in demo.stdout
    assert "0% packet loss" in demo.stdout
    assert re.search(r"^\d+ pings sent, 0 lost; ", demo.stdout, re.MULTILINE)
    for header in ("LAST REPORT", "PREFIX", "NAMESPACE"):
        assert header in demo.stdout
    assert_nothing_is_left(machine)


@pytest.mark.timeout(240)
def test_ctrl_c_in_the_demo_leaves_nothing_behind(machine: Machine, sandbox: Sandbox) -> None:
    child = machine.start_flatbgp("lab", "demo", log="demo.log")
    log = sandbox.directory / "demo.log"
    wait_until("the tables", lambda: "bgpsessions" in log.read_text() or child.poll() is not None, deadline=90)
    press_ctrl_c(child)

    assert child.wait(30) == 130
    assert_nothing_is_left(machine)
