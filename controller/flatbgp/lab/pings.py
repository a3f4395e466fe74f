"""A hundred pings a second between two pods of the lab, counted exactly: which were lost, and the longest silence."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.processes import Process
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import IPAddress

INTERVAL: Final = 0.01
"""Seconds between two pings."""


@dataclass(frozen=True, slots=True)
class PingResult:
    """``lost`` are sequence numbers from 1; ``longest_gap`` is seconds between two answers that followed each other."""

    sent: int
    lost: tuple[int, ...]
    longest_gap: float


class Ping:
    """Pings that run until :meth:`stop`."""

    def __init__(self, process: Process) -> None:
        """``process`` runs :mod:`flatbgp.lab.pinger`."""
        self.process = process

    def so_far(self) -> tuple[int, int]:
        """Return how many were sent by the last quarter of a second, and how many of them are lost."""
        lines = [line for line in self.process.output.split("\n")[:-1] if line.startswith("{")]
        document: dict[str, Any] = json.loads(lines[-1]) if lines else {"sent": 0, "lost": []}
        return document["sent"], len(document["lost"])

    def stop(self) -> PingResult:
        """Stop sending, wait half a second for the last answers, and count."""
        if self.process.stop() != 0:
            raise LabError(f"the pings ended by themselves: {self.process.output.strip()[-500:]}")
        result: dict[str, Any] = json.loads(self.process.output.splitlines()[-1])
        return PingResult(result["sent"], tuple(result["lost"]), result["longest_gap"])


def start_pings(namespace: Namespace, source: IPAddress, target: IPAddress, log: Path) -> Ping:
    """Start to ping ``target`` from ``source``, an address of the namespace; it pings when this returns."""
    command = (sys.executable, "-m", "flatbgp.lab.pinger", str(source), str(target), str(INTERVAL))
    log.unlink(missing_ok=True)
    process = namespace.start("ping", *command, log=log)
    wait_until("the first ping", lambda: "ready" in process.output or not process.alive, deadline=10)
    if not process.alive:
        raise LabError(f"cannot ping {target} from {source}: {process.output.strip()[-500:]}")
    return Ping(process)
