"""The image: small, of no particular user, read-only, and with nothing in it that does not belong there."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from flatbgp.lab.waiting import wait_until
from support.dockerengine import CHECKOUT, Engine

pytestmark = pytest.mark.timeout(1500)  # the first build on a machine compiles GoBGP

IMAGE = "flatbgp:local"
MEGABYTE = 1000 * 1000
CONFINED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--network", "none")

KEY_HEADS = tuple(
    f"-----BEGIN {kind}PRIVATE KEY-----".encode() for kind in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
)
"""What a key file starts with: code that reads such files has the words, too, but no base64 after them."""


@contextmanager
def container(engine: Engine, *arguments: str) -> Iterator[str]:
    """Run a container in the background; it is removed at the end with its volumes."""
    done = engine.docker("run", "--detach", *arguments)
    assert done.returncode == 0, done.stderr
    name = done.stdout.strip()
    try:
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name)


def test_the_image_says_what_it_is_and_is_at_most_250_megabytes(images: Engine) -> None:
    found = images.client.images.get(IMAGE).attrs

    assert found["Size"] <= 250 * MEGABYTE
    assert found["Config"]["User"] == "65532:65532"
    assert found["Config"]["Entrypoint"] == ["flatbgp"]
    assert found["Config"]["Healthcheck"]["Test"] == ["CMD", "flatbgp", "health"]
    assert {"title", "description", "licenses", "version", "revision"} == {
        label.removeprefix("org.opencontainers.image.")
        for label in found["Config"]["Labels"]
        if label.startswith("org.opencontainers.image.")
    }


def test_it_runs_read_only_without_a_capability_as_nobody(images: Engine) -> None:
    for program in (("flatbgp", "--version"), ("gobgpd", "--version"), ("gobgp", "--version")):
        done = images.docker("run", "--rm", *CONFINED, "--entrypoint", program[0], IMAGE, *program[1:])

        assert (done.returncode, done.stderr) == (0, ""), program
        assert done.stdout.strip()


def test_its_gobgpd_is_healthy_ends_in_order_and_comes_back_after_a_kill(images: Engine) -> None:
    with container(images, *CONFINED, "--volume", "/run/flatbgp", IMAGE, "gobgpd") as name:

        def healthy() -> bool:
            return images.docker("exec", name, "flatbgp", "health").returncode == 0

        wait_until("gobgpd to answer", healthy, deadline=60, interval=0.2)
        assert images.docker("kill", name).returncode == 0  # its socket stays behind
        assert images.docker("start", name).returncode == 0
        wait_until("gobgpd to answer again", healthy, deadline=60, interval=0.2)

        assert images.docker("stop", "--time", "30", name).returncode == 0
        state = images.client.containers.get(name).attrs["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_a_missing_capability_is_one_sentence(images: Engine) -> None:
    examples = f"{CHECKOUT / 'examples'}:/examples:ro"
    command = ("lab", "node", "node-01", "-f", "/examples/single-stack-ipv4.yaml", "--store", "sqlite:/tmp/user.db")
    root = ("--user", "0:65532", "--volume", examples)
    done = images.docker("run", "--rm", *CONFINED, *root, IMAGE, *command)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: this container may not change routes: give it the capability NET_ADMIN (cap_add in the compose file)"
    ]


def test_the_build_sees_the_sources_and_nothing_else_of_the_checkout(engine: Engine, tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM debian:trixie-slim\nCOPY . /context\n")
    tag = "flatbgp-test-context:local"
    engine.build(tag, dockerfile, CHECKOUT)
    try:
        done = engine.docker("run", "--rm", "--network", "none", tag, "ls", "-A", "/context")
    finally:
        engine.client.images.remove(tag)

    assert set(done.stdout.split()) == {
        "LICENSE",
        "README.md",
        "controller",
        "generated",
        "pyproject.toml",
        "requirements",
    }


def test_no_key_and_no_checkout_of_anybody_is_in_a_layer(images: Engine, tmp_path: Path) -> None:
    history = images.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", IMAGE).stdout
    archive = tmp_path / "image.tar"
    assert images.docker("save", "--output", str(archive), IMAGE).returncode == 0

    assert "password" not in history.lower()
    files = 0
    with tarfile.open(archive) as image:
        for member in image:
            if member.isfile() and member.name.endswith("layer.tar"):
                layer = image.extractfile(member)
                assert layer is not None
                files += look_through(layer)
    assert files > 1000


def look_through(layer: IO[bytes]) -> int:
    """Look at every file of a layer; return how many there were."""
    count = 0
    with tarfile.open(fileobj=layer, mode="r|") as entries:
        for entry in entries:
            name = Path(entry.name)
            assert not {".git", ".ssh", ".kube", ".docker", ".cache", ".netrc", ".pypirc"} & set(name.parts), name
            file = entries.extractfile(entry) if entry.isfile() else None
            if file is not None:
                count += 1
                head = file.read(4096).lstrip()
                assert not head.startswith(KEY_HEADS), name
    return count
