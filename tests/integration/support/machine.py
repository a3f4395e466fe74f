"""A machine of its own for ``flatbgp lab``, which allows one lab a machine: a mount namespace with an empty /run.

Network namespaces have their names under /run, and the lab its directory, so neither the machine's own lab nor another
test is seen or touched.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

from flatbgp.lab.processes import start
from flatbgp.lab.waiting import wait_until
from support.sandbox import Sandbox

CHECKOUT = Path(__file__).parents[3]
_MARK = "FLATBGP_TEST_MACHINE"
_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")


class Machine:
    """Runs commands in the mount namespace that one idle process holds open."""

    def __init__(self, sandbox: Sandbox) -> None:
        script = "mount -t tmpfs -o mode=755 tmpfs /run && echo ready && exec sleep 600"
        self._directory = sandbox.directory
        self._name = sandbox.prefix
        command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script)
        self._holder = sandbox.owns(start("machine", command, sandbox.directory / "machine.log"))
        wait_until("the machine", lambda: "ready" in self._holder.output, deadline=5)
        sandbox.finally_call(lambda: self.flatbgp("lab", "down"))

    def command(self, *command: str) -> tuple[str, ...]:
        """Return ``command`` so that it runs on the machine."""
        enter = ("nsenter", "--target", str(self._holder.pid), "--mount", "--root", f"--wdns={CHECKOUT}")
        return ("env", f"{_MARK}={self._name}", *enter, *command)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(self.command(*command), capture_output=True, text=True, timeout=200, check=False)

    def flatbgp(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``flatbgp`` to its end."""
        return self.run(*_FLATBGP, *arguments)

    def bring_lab_up(self, *options: str, sessions: int = 4) -> None:
        """Bring the guide's network up, or that of ``options``, and wait until its sessions are Established."""
        up = self.flatbgp("lab", "up", *options)
        assert up.returncode == 0, up.stderr
        wait_until(
            "all sessions",
            lambda: self.flatbgp("lab", "status").stdout,
            lambda shown: shown.count(" Established ") == sessions,
            deadline=60,
            interval=1,
        )

    def start_flatbgp(self, *arguments: str, log: str) -> subprocess.Popen[bytes]:
        """Start ``flatbgp`` as a terminal would: in a process group of its own, which Ctrl-C reaches as a whole."""
        with (self._directory / log).open("wb") as output:
            return subprocess.Popen(
                self.command(*_FLATBGP, *arguments), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def network_namespaces(self) -> list[str]:
        """Return the names of the machine's network namespaces."""
        return [line.split()[0] for line in self.run("ip", "netns").stdout.splitlines()]

    def processes(self) -> list[str]:
        """Return the command lines of all that was started on the machine and still runs."""
        mark = f"{_MARK}={self._name}\0".encode()
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (directory / "environ").read_bytes():
                    found.append((directory / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:  # it has ended in the meantime
                continue
        return [line for line in found if line]  # a zombie has none

    def lab_directory(self) -> list[str]:
        """Return what is in the lab's directory."""
        return self.run("sh", "-c", "ls /run/flatbgp-lab 2>/dev/null").stdout.split()


def press_ctrl_c(child: subprocess.Popen[bytes]) -> None:
    """Do what a terminal does on Ctrl-C: SIGINT to the whole foreground process group."""
    os.killpg(child.pid, signal.SIGINT)
