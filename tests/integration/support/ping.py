"""A hundred pings a second, counted exactly: which were lost, and how long the longest silence was."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress
from support.sandbox import Sandbox

INTERVAL = 0.01
"""Seconds between two pings."""

_PINGER = Path(__file__).with_name("pinger.py")


@dataclass(frozen=True, slots=True)
class PingResult:
    """``lost`` are sequence numbers from 1; ``longest_gap`` is seconds between two answers that followed each other."""

    sent: int
    lost: tuple[int, ...]
    longest_gap: float


class Ping:
    """Pings that run until :meth:`stop`."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def stop(self) -> PingResult:
        """Stop sending, wait half a second for the last answers, and count."""
        status = self._process.stop()
        assert status == 0, self._process.output
        result = json.loads(self._process.output.splitlines()[-1])
        return PingResult(result["sent"], tuple(result["lost"]), result["longest_gap"])


def start_ping(sandbox: Sandbox, namespace: Namespace, source: IPAddress, target: IPAddress) -> Ping:
    """Start to ping ``target`` from ``source``, an address of the namespace; it pings when this returns."""
    command = (sys.executable, str(_PINGER), str(source), str(target), str(INTERVAL))
    name = f"ping-{source}-{target}".replace(":", "-")
    log = sandbox.directory / f"{namespace.name}-{name}.log"
    process = sandbox.owns(namespace.start(name, *command, log=log))
    wait_until("the first ping", lambda: "ready" in process.output or not process.alive, deadline=10)
    assert process.alive, process.output
    return Ping(process)
