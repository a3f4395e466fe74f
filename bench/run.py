"""The benchmark: measures speed and memory of all or some parts, prints medians and spreads, keeps every sample.

``bench/run.py`` measures everything; ``bench/run.py plan live --changes 50`` only what it is told to. The parts
"engine", "trace", "live", "memory" and "failover" need root, gobgpd and FRR, like the lab; "kubestore" needs
kube-apiserver and etcd, which ``make test`` builds; "kubernetes", the roles on them, needs both.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "integration"))  # the sandboxed cluster of the tests

import cli
import engine
import failover
import kuberoles
import kubestore
import live
import loop
import memory
import plan
import store
import tracing
from figures import Figures, keep, line

_FAILOVERS = 20
_CHANGES = 200


def _parts(failovers: int, changes: int) -> dict[str, Callable[[], Figures]]:
    return {
        "plan": plan.measure,
        "store": lambda: asyncio.run(store.measure()),
        "kubestore": kubestore.measure,
        "kubernetes": lambda: kuberoles.measure(changes),
        "loop": loop.measure,
        "cli": cli.measure,
        "engine": engine.measure,
        "trace": tracing.measure,
        "live": lambda: live.measure(changes),
        "memory": memory.measure,
        "failover": lambda: failover.measure("power-off", failovers),
    }


def main() -> None:
    """Do what the command line says."""
    names = tuple(_parts(0, 0))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"what to measure (all): {', '.join(names)}")
    parser.add_argument("--failovers", type=int, default=_FAILOVERS, help="gateways to kill (%(default)s)")
    parser.add_argument("--changes", type=int, default=_CHANGES, help="Nodes to add and delete (%(default)s)")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in names]:
        parser.error(f"there is no part {unknown[0]}; there are {', '.join(names)}")
    measured: dict[str, Figures] = {}
    try:
        for name, measure in _parts(options.failovers, options.changes).items():
            if options.parts and name not in options.parts:
                continue
            print(f"--- {name} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs)", flush=True)
            measured[name] = measure()
            for figure, samples in measured[name].items():
                print(line(figure, samples), flush=True)
    finally:
        if measured:
            print(f"every sample: {keep(measured)}")


if __name__ == "__main__":
    main()
