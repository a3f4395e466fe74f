"""`make containers` on a machine that lacks something: one sentence says what, and what to do; nothing is started."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.composelab import PROJECT
from support.dockerengine import CHECKOUT, Engine

SHELL_PROGRAMS = ("sh", "dirname", "tail", "sed")


@pytest.fixture
def network(engine: Engine) -> Iterator[str]:
    """A network of somebody else that has addresses of the lab's."""
    name = "flatbgp-test-somebody-elses"
    made = engine.docker("network", "create", "--subnet", "10.0.0.0/22", name)
    assert made.returncode == 0, made.stderr
    yield name
    removed = engine.docker("network", "rm", name)
    assert removed.returncode == 0, removed.stderr


def with_compose(engine: Engine, directory: Path) -> str:
    """Return a DOCKER_CONFIG with which ``docker compose`` is the Compose of the tests."""
    if engine.compose_command == ("docker", "compose"):
        return os.environ.get("DOCKER_CONFIG", str(Path.home() / ".docker"))
    plugins = directory / "cli-plugins"
    plugins.mkdir(parents=True)
    (plugins / "docker-compose").symlink_to(engine.compose_command[0])
    return str(directory)


def said(environment: dict[str, str]) -> str:
    """Return the one line that the command says on its way to a status of 1."""
    command = [str(CHECKOUT / "tools" / "containers"), "--no-build"]
    done = subprocess.run(
        command, env={"COMPOSE_PROJECT_NAME": PROJECT, **environment}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, ""), done
    (line,) = done.stderr.splitlines()
    return line


def test_without_docker_it_says_how_to_install_it(tmp_path: Path) -> None:
    for name in SHELL_PROGRAMS:
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    line = said({"PATH": str(tmp_path)})
    assert line.startswith("containers: Docker is not installed: ")
    assert "apt-get install docker.io" in line


def test_without_an_engine_it_says_which_one_did_not_answer(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/docker.sock"
    line = said({**os.environ, "DOCKER_HOST": host})
    assert line.startswith(f"containers: no Docker engine answers at {host}: start it ")
    assert "DOCKER_HOST" in line


def test_without_compose_v2_it_says_which_plugin_is_missing(engine: Engine, tmp_path: Path) -> None:
    without = tmp_path / "docker"  # a plugin may be installed for everybody, where no setting leaves it out
    without.write_text(f'#!/bin/sh\n[ "$1" != compose ] && exec {shutil.which("docker")} "$@"\nexit 1\n')
    without.chmod(0o755)
    line = said({**engine.environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert line.startswith("containers: Docker Compose v2 is not installed: ")


def test_a_network_that_is_in_use_is_named_with_its_owner(engine: Engine, network: str, tmp_path: Path) -> None:
    line = said({**engine.environment(), "DOCKER_CONFIG": with_compose(engine, tmp_path)})
    assert line.startswith(
        f"containers: the lab's network 10.0.1.0/24 is in use: Docker network {network} has 10.0.0.0/22; "
    )
    assert f"docker network rm {network}" in line
