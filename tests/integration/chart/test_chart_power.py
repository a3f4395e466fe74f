"""The containers' power is enough: what a speaker and its gobgpd do, done with what the chart leaves them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from flatbgp.engine.gobgpd import UMASK, answers, command, version_of
from flatbgp.lab.commands import LabError, run
from flatbgp.lab.gobgpd import find_gobgpd
from flatbgp.lab.processes import start
from flatbgp.lab.waiting import wait_until
from support.helm import Document, Helm, named
from support.sandbox import Sandbox


@pytest.fixture(scope="module")
def pod(helm4: Helm) -> Document:
    spec: Document = named(helm4.template(), "DaemonSet", "flatbgp-speaker")["spec"]["template"]["spec"]
    return spec


def confined(pod: Document, container: Document) -> tuple[str, ...]:
    """Return what a command begins with to have the user, groups and capabilities of a container and no more."""
    context = {**pod["securityContext"], **container["securityContext"]}
    assert context["capabilities"]["drop"] == ["ALL"]
    added = "".join(f",+{name.lower()}" for name in context["capabilities"].get("add", ()))
    user = ("--reuid", str(context["runAsUser"]), "--regid", str(context["runAsGroup"]))
    groups = ("--groups", str(context["fsGroup"]))
    return ("setpriv", *user, *groups, "--inh-caps=-all", f"--bounding-set=-all{added}", "--no-new-privs")


@contextmanager
def volume(path: Path, pod: Document) -> Iterator[Path]:
    """Make an emptyDir as a kubelet does for a Pod with an fsGroup."""
    path.mkdir()
    run(("chgrp", str(pod["securityContext"]["fsGroup"]), str(path)))
    path.chmod(0o2777)
    yield path


def test_s84_the_speaker_reaches_a_gobgpd_that_has_no_power_and_no_stranger_does(
    sandbox: Sandbox, pod: Document
) -> None:
    (gobgpd,), (speaker,) = pod["initContainers"], pod["containers"]
    with volume(sandbox.directory / "socket", pod) as directory:
        socket = directory / "gobgpd.sock"
        program = find_gobgpd()
        line = command(program, version_of(program), socket, plain_log=True)
        masked = ("sh", "-c", f'umask {UMASK:03o}; exec "$@"', "gobgpd", *line)
        log = sandbox.directory / "gobgpd.log"
        sandbox.owns(start("gobgpd", (*confined(pod, gobgpd), *masked), log))
        wait_until("gobgpd's socket", lambda: answers(socket))
        ask = (sys.executable, "-m", "flatbgp.cli.main", "health", f"--gobgp=unix://{socket}")
        assert run((*confined(pod, speaker), *ask))
        stranger = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs")
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect({str(socket)!r})"
        run((*confined(pod, speaker), "/usr/bin/python3", "-c", connect))
        with pytest.raises(LabError, match="Permission denied"):
            run((*stranger, "/usr/bin/python3", "-c", connect))


def test_s84_the_speaker_may_do_on_its_host_what_floating_ips_need(sandbox: Sandbox, pod: Document) -> None:
    (speaker,) = pod["containers"]
    host = sandbox.host("host")
    lifetime = ("valid_lft", "5", "preferred_lft", "5")
    host.run(*confined(pod, speaker), "ip", "address", "add", "192.0.2.1/32", "dev", "lo", *lifetime)
    hear = "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3)"
    host.run(*confined(pod, speaker), "/usr/bin/python3", "-c", hear)
    host.run(*confined(pod, speaker), "ss", "-K", "src", "192.0.2.1")
    (gobgpd,) = pod["initContainers"]
    for forbidden in (("ip", "address", "add", "192.0.2.2/32", "dev", "lo"), ("/usr/bin/python3", "-c", hear)):
        with pytest.raises(LabError):
            host.run(*confined(pod, gobgpd), *forbidden)


def test_s84_the_speaker_keeps_its_state_and_opens_nothing_of_others(sandbox: Sandbox, pod: Document) -> None:
    (speaker,) = pod["containers"]
    state = sandbox.directory / "state"
    state.mkdir(mode=0o755)
    write = f"mkdir -m 700 {state}/speaker && echo x > {state}/speaker/store-identity"
    run((*confined(pod, speaker), "sh", "-c", write))
    theirs = sandbox.directory / "theirs"
    theirs.write_text("secret")
    theirs.chmod(0o600)
    run(("chown", "65534", str(theirs)))
    with pytest.raises(LabError, match="ermission denied"):
        run((*confined(pod, speaker), "cat", str(theirs)))
