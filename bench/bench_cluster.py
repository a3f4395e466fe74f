"""The live cluster that the benchmark measures: gobgpd 4.8 where it was built, FRR, and the roles as processes."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.binaries import GOBGP_4
from support.cluster import Cluster, example
from support.sandbox import Sandbox, remove_leftovers

_TICKS = os.sysconf("SC_CLK_TCK")
_SETTLE_SECONDS = 60.0


def gobgpd_binary() -> str | None:
    """Return gobgpd 4.8, or ``None`` (the distribution's) where nobody has built it."""
    path = GOBGP_4 / "gobgpd"
    if path.exists():
        return str(path)
    print(f"no gobgpd 4.8 at {GOBGP_4} ('make test' builds it): measuring the distribution's", file=sys.stderr)
    return None


@contextmanager
def cluster(name: str) -> Iterator[Cluster]:
    """Have an example's cluster with every session Established and exactly its routes."""
    remove_leftovers()
    with Sandbox() as sandbox:
        place = Cluster(sandbox, example(name), gobgpd_binary=gobgpd_binary())
        try:
            place.start()
            place.await_sessions(_SETTLE_SECONDS)
            place.await_routes(deadline=_SETTLE_SECONDS)
        except Exception:  # whatever it was: the daemons' logs say why, and go with the sandbox
            for log, text in sandbox.logs(15).items():
                print(f"--- {log}\n{text}", file=sys.stderr)
            raise
        yield place


def resident(pid: int) -> float:
    """Return the memory that a process has in RAM, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
