"""The live cluster that the benchmark measures: gobgpd 4.8 where it was built, FRR, and the roles as processes."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from flatbgp.lab.waiting import wait_until
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
    with cluster_of(example(name), gobgpd_binary()) as place:
        yield place


@contextmanager
def cluster_of(
    manifests: str, gobgpd: str | None, *, speaker: Sequence[str] = (), sessions: int | None = None
) -> Iterator[Cluster]:
    """Have a cluster of some manifests; ``speaker`` are further options of the speakers.

    ``sessions`` is how many each router gets, where that is not as many as it is configured for.
    """
    remove_leftovers()
    with Sandbox() as sandbox:
        place = Cluster(sandbox, manifests, gobgpd_binary=gobgpd, extra={"speaker": speaker})
        try:
            place.start()
            await_sessions(place, sessions)
            place.await_routes(deadline=_SETTLE_SECONDS)
        except Exception:  # whatever it was: the daemons' logs say why, and go with the sandbox
            for log, text in sandbox.logs(15).items():
                print(f"--- {log}\n{text}", file=sys.stderr)
            raise
        yield place


def await_sessions(place: Cluster, sessions: int | None = None) -> None:
    """Wait until each router has so many Established sessions, or all that it is configured for."""
    if sessions is None:
        place.await_sessions(_SETTLE_SECONDS)
        return
    for router in place.routers:
        wait_until(
            f"{sessions} sessions of {router}",
            lambda router=router: sum(each.up for each in place.sessions(router).values()),
            lambda up: up == sessions,
            deadline=_SETTLE_SECONDS,
        )


def resident(pid: int) -> float:
    """Return the memory that a process has in RAM, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
