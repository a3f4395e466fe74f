"""How the program starts, and how each of its commands ends."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest

from flatbgp import __version__
from flatbgp.cli.lazy import Entry
from flatbgp.cli.main import COMMANDS, cli, main
from flatbgp.store.protocol import Conflict, Unreachable

SPEAKER = ["speaker", "--node", "n", "--gobgp", "unix:///x"]
HEAVY = {"grpc", "google.protobuf", "pyroute2", "kubernetes", "structlog", "prometheus_client", "hypothesis"}


@click.command()
@click.argument("how")
def failing(how: str) -> None:
    """Fail in the way that is asked for."""
    match how:
        case "unexpected":
            raise KeyError("that")
        case "store":
            raise Unreachable("store /x: locked by another process; wait or end it")
        case "two":
            raise ExceptionGroup("all", [Conflict("one"), ExceptionGroup("inner", [Conflict("two"), Conflict("one")])])
        case "half-known":
            raise ExceptionGroup("tasks", [Conflict("one"), KeyError("that")])
        case "file":
            raise FileNotFoundError(2, "No such file or directory", "/nowhere")
        case "interrupt":
            raise KeyboardInterrupt


@pytest.fixture
def fail(monkeypatch, capsys):
    module = ModuleType("failing_command")
    module.failing = failing
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "failing", Entry("failing_command:failing", "Fail."))

    def run(how: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["flatbgp", "failing", how])
        status = main()
        captured = capsys.readouterr()
        assert captured.out == ""
        return status, captured.err

    return run


def modules_after(arguments: list[str]) -> set[str]:
    script = (
        "import sys, json\n"
        "from flatbgp.cli.main import main\n"
        f"sys.argv = ['flatbgp', *{arguments!r}]\n"
        "main()\n"
        "sys.stderr.write(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def test_help_lists_every_command_and_loads_none(program):
    done = program("--help")
    assert done.returncode == 0
    assert all(re.search(rf"^  {name} ", done.stdout, re.MULTILINE) for name in COMMANDS)
    loaded = modules_after(["--help"])
    assert not loaded & HEAVY
    assert not loaded & {"asyncio", "yaml", "msgspec", "sqlite3"}
    assert not any(f"flatbgp.cli.{name}" in loaded for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_each_commands_help_loads_without_the_libraries_of_the_roles(name):
    assert not modules_after([name, "--help"]) & HEAVY


@pytest.mark.parametrize("name", list(COMMANDS))
def test_the_groups_line_on_a_command_is_a_sentence(name):
    entry = COMMANDS[name]
    assert entry.help.endswith(".")
    assert len(entry.help) <= 62
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_version(program):
    assert program("--version").stdout == f"flatbgp {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["aply"], "did you mean apply?"),
        (["frobnicate"], "there are apply,"),
        (["get"], "Missing argument"),
        (["get", "bgppeers", "--frob"], "No such option"),
        (["--frob"], "No such option"),
        (["apply"], "'-f' / '--filename'"),
        (["get", "bgppeers", "-o", "xml"], "'xml'"),
        (["speaker", "--gobgp", "unix:///x"], "'--node'"),
        (["speaker", "--node", "n", "--gobgp", "nonsense"], "'nonsense' is no Unix socket: write unix:///PATH"),
        (["speaker", "--node", "n", "--gobgp", "127.0.0.1:50051"], "never listens on TCP"),
        (["speaker", "--node", "n", "--gobgp", "unix:///x", "--interface", "a/b"], "no interface name"),
        (["controller", "--metrics-bind", "9100"], "is not HOST:PORT"),
        (["controller", "--metrics-bind", "[::1]:70000"], "is not HOST:PORT"),
        (["controller", "--lease-duration", "0"], "is no duration"),
        (["controller", "--lease-duration", "1.5s"], "whole seconds"),
        (["controller", "--renew-interval", "4s"], "0.45 x (4 - 4) = 0 s would be left for an answer"),
        (
            [*SPEAKER, "--renew-interval", "4s"],
            "a renewal every 4 s: it must be more than 0 and at most half",
        ),
        ([*SPEAKER, "--lease-duration", "11s"], "a lease of 11 s: it must be 2 to 10 whole seconds"),
        ([*SPEAKER, "--lease-duration", "2s"], "floor(lease 2 - 0.3) - renewal 1 - 0.1 = -0.1 s"),
        (["admin"], "'--admin-store'"),
        (["admin", "--admin-store", "nonsense"], "'nonsense' is no store"),
        (["controller", "--store", "nonsense"], "'nonsense' is no store"),
        (["controller", "--secret-namespace", "a.b"], "'a.b' is no namespace name"),
        (["admin", "--admin-store", "sqlite:x", "--cluster-namespace", "A"], "'A' is no namespace name"),
        (["speaker", "--node", "Node_1", "--gobgp", "unix:///x"], "'Node_1' is no object name"),
        (["drain", "n", "--timeout", "soon"], "is no duration"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_wrong(program, arguments, said):
    done = program(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["get", "--help"]])
def test_a_call_without_arguments_shows_the_help(program, arguments):
    done = program(*arguments)
    assert "Usage: flatbgp" in done.stdout + done.stderr
    assert done.returncode == (0 if arguments else 2)


def test_an_unexpected_error_is_two_lines_and_no_traceback(fail):
    status, said = fail("unexpected")
    assert status == 1
    assert len(said.splitlines()) == 2
    assert "KeyError: 'that'" in said
    assert "FLATBGP_DEBUG=1" in said
    assert "Traceback" not in said


def test_an_unexpected_error_shows_its_traceback_when_asked_to(fail, monkeypatch):
    monkeypatch.setenv("FLATBGP_DEBUG", "1")
    status, said = fail("unexpected")
    assert status == 1
    assert said.startswith("Traceback (most recent call last):")


def test_an_error_of_the_store_is_its_own_line(fail):
    assert fail("store") == (1, "error: store /x: locked by another process; wait or end it\n")


def test_errors_of_several_tasks_are_a_line_each_once(fail):
    assert fail("two") == (1, "error: one\nerror: two\n")


def test_an_unexpected_error_among_known_ones_is_not_hidden(fail):
    status, said = fail("half-known")
    assert status == 1
    assert "nobody foresaw" in said


def test_an_error_of_a_file_names_it(fail):
    assert fail("file") == (1, "error: /nowhere: No such file or directory\n")


def test_ctrl_c_ends_quietly_with_130(fail):
    status, said = fail("interrupt")
    assert status == 130
    assert said.strip() == ""


def test_a_reader_that_goes_away_is_no_error_message():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "flatbgp.cli.main", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_that_cannot_be_written_is_said():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flatbgp.cli.main", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr
