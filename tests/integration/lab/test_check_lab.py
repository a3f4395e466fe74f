"""``flatbgp check`` where everything works: the lab, from before its first session to after."""

import json
import subprocess
import sys

import pytest

from support.machine import Machine
from support.sandbox import Sandbox

_STORE = "sqlite:/run/flatbgp-lab/user.db"


def check(machine: Machine, node: str) -> subprocess.CompletedProcess[str]:
    daemon = f"unix:///run/flatbgp-lab/{node}/gobgpd.sock"
    flatbgp = (sys.executable, "-m", "flatbgp.cli.main", "check", "-o", "json", "--store", _STORE)
    return machine.run("ip", "netns", "exec", f"flatbgp-{node}", *flatbgp, "--node", node, "--gobgp", daemon)


@pytest.mark.timeout(240)
def test_a_gateway_with_sessions_has_no_problem(sandbox: Sandbox) -> None:
    machine = Machine(sandbox)
    machine.bring_lab_up()
    for node in ("node-02", "node-03"):
        done = check(machine, node)
        assert done.returncode == 0, done.stdout + done.stderr
        found = [(each["level"], each["subject"], each["message"]) for each in json.loads(done.stdout)["findings"]]
        assert not [each for each in found if each[0] == "problem"]
        assert ("ok", "floating IP 10.0.3.100", "node-02 holds it") in found
        daemon = next(message for _, subject, message in found if subject == "gobgpd")
        assert node == "node-03" or "a speaker has started BGP in it" in daemon
        routers = {subject.split()[1]: message for _, subject, message in found if subject.startswith("router ")}
        assert routers.keys() == {"10.0.1.254", "10.0.3.254"}
    # The sessions that were up before are so still: being looked at costs them nothing.
    assert machine.flatbgp("lab", "status").stdout.count(" Established ") == 4
