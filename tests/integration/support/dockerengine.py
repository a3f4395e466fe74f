"""A Docker engine for tests: the one that DOCKER_HOST names, else one of our own that ends with the tests.

An engine that runs on the machine is somebody's: without DOCKER_HOST nothing here touches it. Ours keeps its images
outside the checkout, so that a second run builds nothing. Where it cannot pull the base images of the Dockerfiles,
stand-ins under the same tags are made from a Debian that `make test` has bootstrapped.
"""

import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from flatbgp.lab.processes import start
from flatbgp.lab.waiting import wait_until

CHECKOUT = Path(__file__).parents[3]
CACHE = Path.home() / ".cache" / "flatbgp-test" / "docker"
"""`make test` puts Compose and a Debian there (see tools/dockerprograms.py)."""

_RUN = Path("/run/flatbgp-test-docker")
_USUAL_SOCKET = Path("/var/run/docker.sock")
_BRIDGE = "flatbgp-test0"
_BRIDGE_ADDRESS = "198.19.254.1/24"  # of the range for tests (RFC 2544), where no company has its machines
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = ("filter", "nat", "mangle", "raw")
_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")

_DEBIAN = "debian:trixie-slim"
_PYTHON = "python:3.13-slim-trixie"
_GOLANG = "golang:1.26-trixie"

# A company's proxy may have a certificate authority of its own, which its hosts know: so do the stand-ins. It is copied
# last, since the package ca-certificates writes that file anew.
_CERTIFICATES = """
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
"""
_STAND_INS = {
    _PYTHON: "FROM debian:trixie-slim\n"
    "RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv"
    " && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/*" + _CERTIFICATES,
    _GOLANG: "FROM debian:trixie-slim\n"
    "ADD go.tar /usr/local/go\n"
    "ENV GOTOOLCHAIN=local GOPATH=/go PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin" + _CERTIFICATES,
}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers. ``host`` is its address as DOCKER_HOST has it."""

    host: str
    client: docker.DockerClient
    compose_command: Sequence[str]

    def environment(self) -> Mapping[str, str]:
        """Return what ``docker`` and Compose find in their environment.

        The classic builder: BuildKit needs a plugin that Debian 12 does not have.
        """
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", "COMPOSE_BAKE": "false"}

    def compose(self, *arguments: str, deadline: float = 120) -> subprocess.CompletedProcess[str]:
        """Run Docker Compose in the checkout."""
        return subprocess.run(
            (*self.compose_command, *arguments),
            cwd=CHECKOUT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )

    def build(self, tag: str, dockerfile: Path, context: Path, deadline: float = 900) -> None:
        """Build an image as a person would."""
        proxies = [f"--build-arg={name}" for each in _PROXIES for name in (each, each.upper()) if name in os.environ]
        command = ("docker", "build", *proxies, "--tag", tag, "--file", str(dockerfile), str(context))
        done = subprocess.run(
            command, env=self.environment(), capture_output=True, text=True, timeout=deadline, check=False
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    def docker(self, *arguments: str, deadline: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line; how it ended is the caller's to judge."""
        return subprocess.run(
            ("docker", *arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )


@contextmanager
def engine() -> Iterator[Engine]:
    """Use the engine that DOCKER_HOST names, or start one; ours is ended at the end."""
    compose = _compose_command()
    named = os.environ.get("DOCKER_HOST")
    if named:
        assert _answers(named), f"no Docker engine answers at DOCKER_HOST={named}"
        with closing(_client(named)) as client:
            yield Engine(named, client, compose)
        return
    if _USUAL_SOCKET.exists() and _answers(f"unix://{_USUAL_SOCKET}"):
        pytest.skip(
            "a Docker engine runs on this machine already: "
            f"DOCKER_HOST=unix://{_USUAL_SOCKET} lets the tests build and run in it"
        )
    with _our_own() as (host, client):
        running = Engine(host, client, compose)
        _provide_bases(running)
        yield running
        # What newer builds have replaced; not at once, since it is what the next build need not do again.
        client.images.prune(filters={"dangling": True, "until": "168h"})


def _compose_command() -> Sequence[str]:
    plugin = ("docker", "compose")
    if shutil.which("docker"):
        done = subprocess.run((*plugin, "version"), capture_output=True, check=False)
        if done.returncode == 0:
            return plugin
    if not (CACHE / "docker-compose").exists():
        pytest.skip(f"there is no Docker Compose v2, and none at {CACHE}: 'make test' builds it where Go is installed")
    return (str(CACHE / "docker-compose"),)


def _answers(host: str) -> bool:
    """Return whether an engine answers there, by the command line: the library leaks a socket that cannot connect."""
    command = ("docker", "--host", host, "version")
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


def _client(host: str) -> docker.DockerClient:
    return docker.DockerClient(base_url=host, timeout=300)


@contextmanager
def _our_own() -> Iterator[tuple[str, docker.DockerClient]]:
    if shutil.which("dockerd") is None:
        pytest.skip("dockerd is not installed, and DOCKER_HOST names no engine: 'make setup-dev' as root installs it")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock, ExitStack() as cleanup:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs of the tests on one machine take turns
        cleanup.enter_context(_network_restored())
        _RUN.mkdir(exist_ok=True)
        cleanup.callback(shutil.rmtree, _RUN, ignore_errors=True)
        host = f"unix://{_RUN / 'docker.sock'}"
        directories = ("--data-root", str(CACHE / "data"), "--exec-root", str(_RUN / "exec"))
        named = ("--host", host, "--pidfile", str(_RUN / "docker.pid"), "--bridge", _BRIDGE)
        command = ("dockerd", *directories, *named)
        process = start("dockerd", command, _RUN / "dockerd.log")
        cleanup.callback(process.stop, deadline=30)

        def answers() -> bool:
            assert process.alive, process.output[-2000:]
            return _answers(host)

        wait_until("dockerd to answer", answers, deadline=60, interval=0.1)
        yield host, cleanup.enter_context(closing(_client(host)))


@contextmanager
def _network_restored() -> Iterator[None]:
    """Make a bridge for containers that are on no network of their own, and leave the machine as it was before.

    dockerd leaves its chains in the packet filter, and forwarding switched on. What another dockerd put there stays.
    """
    saved = "".join(
        subprocess.run(("iptables-save", "-t", table), capture_output=True, text=True, check=True).stdout
        for table in _TABLES
    )
    forwarding = _FORWARDING.read_text()
    delete = f"link delete {_BRIDGE}".split()
    subprocess.run(("ip", *delete), capture_output=True, check=False)  # of a run that was killed
    try:
        for line in (f"link add {_BRIDGE} type bridge", f"address add {_BRIDGE_ADDRESS} dev {_BRIDGE}"):
            subprocess.run(("ip", *line.split()), check=True)
        yield
    finally:
        if "DOCKER" not in saved:
            subprocess.run(("iptables-restore",), input=saved, text=True, check=True)
        _FORWARDING.write_text(forwarding)
        subprocess.run(("ip", *delete), capture_output=True, check=False)


def _provide_bases(running: Engine) -> None:
    for tag in (_DEBIAN, _PYTHON, _GOLANG):
        present = running.docker("image", "inspect", tag).returncode == 0
        if not present and running.docker("pull", tag, deadline=600).returncode != 0:
            _stand_in(running, tag)


def _stand_in(running: Engine, tag: str) -> None:
    """Make an image of our own under the tag of a base image that cannot be pulled."""
    if tag == _DEBIAN:
        tar = CACHE / "debian-trixie.tar"
        if not tar.exists():
            pytest.skip(f"base images cannot be pulled, and there is no {tar}: 'make test' as root makes it")
        command = ("docker", "import", str(tar), tag)
        subprocess.run(command, env=running.environment(), check=True, capture_output=True, timeout=120)
        return
    with tempfile.TemporaryDirectory(prefix="stand-in-") as directory:
        place = Path(directory)
        (place / "Dockerfile").write_text(_STAND_INS[tag])
        if _HOST_CERTIFICATES.exists():
            shutil.copy(_HOST_CERTIFICATES, place / "ca-certificates.crt")
        else:
            (place / "ca-certificates.crt").touch()
        if tag == _GOLANG:
            _pack_go(place / "go.tar")
        running.build(tag, place / "Dockerfile", place)


def _pack_go(target: Path) -> None:
    """Pack this machine's Go without its own tests."""
    if shutil.which("go") is None:
        pytest.skip(f"{_GOLANG} cannot be pulled, and Go is not on PATH to stand in for it")
    root = subprocess.run(("go", "env", "GOROOT"), capture_output=True, text=True, check=True).stdout.strip()
    with tarfile.open(target, "w") as archive:
        for entry in sorted(Path(root).iterdir()):
            if entry.name not in {"test", "doc", "api"}:
                archive.add(entry, entry.name)
