"""How gobgpd is started: no port whatever the version, and never in the way of one that works."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from flatbgp.engine.errors import EngineError
from flatbgp.engine.gobgpd import answers, command, parse_version, prepare_socket, version_of

API = Path("/run/flatbgp/gobgpd.sock")


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "gobgpd.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        yield path


@pytest.mark.parametrize("version", [(3, 10), (3, 37), (4, 8)])
def test_the_only_door_is_the_unix_socket(version: tuple[int, int]) -> None:
    line = command("gobgpd", version, API, plain_log=False)

    assert line[:3] == ("gobgpd", "--api-hosts", f"unix://{API}")
    assert "--pprof-disable" in line
    assert ("--metrics-path=" in line) == (version >= (3, 14)), "3.10 does not know the option, later ones open a port"
    assert not any(each.startswith("--syslog") for each in line), "version 4 refuses to start with it"


def test_a_version_is_read_from_what_the_program_prints() -> None:
    assert parse_version("gobgpd version 4.8.0\n", "gobgpd") == (4, 8)
    with pytest.raises(EngineError, match="/bin/echo is no gobgpd"):
        version_of("/bin/echo")
    with pytest.raises(EngineError, match="cannot run /no/such/gobgpd: No such file or directory; install gobgpd"):
        version_of("/no/such/gobgpd")


def test_a_socket_that_a_killed_daemon_left_is_removed(listener: Path, tmp_path: Path) -> None:
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(stale))

    prepare_socket(stale)

    assert not stale.exists()
    assert listener.exists()


def test_a_daemon_that_answers_keeps_its_socket(listener: Path) -> None:
    with pytest.raises(EngineError, match=r"a gobgpd answers on .* already: end that one first"):
        prepare_socket(listener)

    assert answers(listener)


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="too long for a Unix socket"):
        prepare_socket(tmp_path / ("x" * 108))
