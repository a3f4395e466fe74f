"""The commands that run a role: in the foreground, logs on stderr, a quick and orderly end."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from flatbgp.cli.roles import default_state_dir


class Role:
    """A role as a process, whose log lines can be waited for."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flatbgp.cli.main", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.lines: list[str] = []
        self._text = b""

    def wait_for(self, word: str) -> None:
        assert self.process.stderr is not None
        deadline = time.monotonic() + 30
        while not any(word in line for line in self.lines):
            ready, _, _ = select.select([self.process.stderr], [], [], deadline - time.monotonic())
            assert ready, f"{word!r} was not logged within 30 s: {self.lines}"
            chunk = self.process.stderr.read1()
            assert chunk, f"the role ended: {self.lines}"
            *lines, self._text = (self._text + chunk).split(b"\n")
            self.lines += [line.decode() for line in lines]

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit status and the seconds that it took."""
        sent = time.monotonic()
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=30)
        assert output == b""
        self.lines += (self._text + errors).decode().splitlines()
        return self.process.returncode, time.monotonic() - sent


@pytest.fixture
def start(environment, tmp_path) -> Iterator[object]:
    running: list[Role] = []

    def run(*arguments: str) -> Role:
        running.append(Role(environment, *arguments, "--state-dir", str(tmp_path / "state")))
        return running[-1]

    yield run
    for role in running:
        role.process.kill()
        role.process.communicate()


@pytest.fixture
def commands(store_url) -> dict[str, list[str]]:
    return {
        "controller": ["controller"],
        "admin": ["admin", "--admin-store", store_url, "--cluster-namespace", "cluster-bm"],
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("name", ["controller", "admin"])
def test_a_role_leads_and_ends_in_time_when_asked_to(start, commands, name, number):
    role = start(*commands[name])
    role.wait_for("leading")
    status, seconds = role.end(number)
    assert status == 0
    assert seconds < 5
    assert all(json.loads(line)["role"] == name for line in role.lines)


def test_a_log_can_be_text(start, commands):
    role = start(*commands["controller"], "--log-format", "text")
    role.wait_for("leading")
    assert not role.lines[0].startswith("{")


@pytest.mark.parametrize("name", ["controller", "admin"])
def test_a_port_that_is_taken_ends_a_role_with_the_reason(start, commands, name):
    first = start(*commands[name], "--health-bind", "127.0.0.1:18377")
    first.wait_for("leading")
    second = start(*commands[name], "--health-bind", "127.0.0.1:18377")
    second.wait_for("cannot listen on 127.0.0.1 port 18377")
    assert second.process.wait(timeout=30) == 1
    assert not any("Traceback" in line for line in second.lines)


def test_state_goes_where_systemd_says_or_root_or_the_user(monkeypatch):
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/one:/var/lib/two")
    assert str(default_state_dir()) == "/var/lib/one"
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert str(default_state_dir()) == "/var/lib/flatbgp"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert str(default_state_dir()) == "/home/someone/.local/state/flatbgp"
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert str(default_state_dir()) == "/state/flatbgp"
    monkeypatch.setenv("XDG_STATE_HOME", "relative/is/ignored")
    assert str(default_state_dir()) == "/home/someone/.local/state/flatbgp"
