"""``make bench-failover``: every fault of the benchmark many times, in a table, with all samples kept.

Several clusters run beside each other, each in namespaces of its own, so that waiting for Leases does not take an hour;
a cluster that waits needs a tenth of a core. Exit 1 when a figure exceeds its bound. ``--write`` puts the table into
docs/failover.md.
"""

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

sys.path.append(str(Path(__file__).parents[1] / "tests" / "integration"))  # the sandboxed cluster of the tests

import failover
from failover import SCENARIOS, Scenario
from figures import Figures, keep, quantile

_RUNS: Final = 20
_PARALLEL: Final = 3
_PAGE: Final = Path(__file__).parents[1] / "docs" / "failover.md"
_BEGIN: Final = "<!-- make bench-failover writes from here -->"
_END: Final = "<!-- to here -->"


def table(measured: Mapping[str, Figures]) -> str:
    """Return all figures as a table, in the order of the scenarios."""
    lines = [
        "| fault | GoBGP | figure | p50 | p99 | worst | n | bound |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, scenario in SCENARIOS.items():
        lines += [_line(scenario, figure, samples) for figure, samples in measured.get(name, {}).items()]
    return "\n".join(lines)


def _line(scenario: Scenario, figure: str, samples: list[float]) -> str:
    p50, p99, worst = statistics.median(samples), quantile(samples, 0.99), max(samples)
    whole = all(sample == int(sample) for sample in samples)
    numbers = [f"{value:g}" if whole else f"{value:.2f}" for value in (p50, p99, worst)]
    bounds = zip(("p50", "p99"), scenario.bounds.get(figure, (None, None)), strict=True)
    bound = ", ".join(f"{word} {value:g}" for word, value in bounds if value is not None)
    return f"| {scenario.title} | {scenario.gobgp} | {figure} | {' | '.join(numbers)} | {len(samples)} | {bound} |"


def exceeded(measured: Mapping[str, Figures]) -> list[str]:
    """Return a sentence for each figure that is worse than its bound."""
    found = []
    for name, figures in measured.items():
        for figure, (low, high) in SCENARIOS[name].bounds.items():
            samples = figures[figure]
            for word, value, bound in (
                ("p50", statistics.median(samples), low),
                ("p99", quantile(samples, 0.99), high),
            ):
                if bound is not None and value > bound:
                    found.append(f"{name}: {figure}: {word} is {value:.2f}, more than {bound:g}")
    return found


def write(text: str) -> None:
    """Put the table into the page."""
    page = _PAGE.read_text(encoding="utf-8")
    before, rest = page.split(_BEGIN)
    after = rest.split(_END)[1]
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}", encoding="utf-8")


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="FAULT", help=f"what to measure (all): {', '.join(SCENARIOS)}")
    parser.add_argument("--runs", type=int, default=_RUNS, help="how often each (%(default)s)")
    parser.add_argument("--parallel", type=int, default=_PARALLEL, help="clusters beside each other (%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/failover.md")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in SCENARIOS]:
        parser.error(f"there is no fault {unknown[0]}; there are {', '.join(SCENARIOS)}")
    began = time.monotonic()
    measured: dict[str, Figures] = {}
    try:
        with ProcessPoolExecutor(options.parallel, mp_context=multiprocessing.get_context("spawn")) as pool:
            work = {pool.submit(failover.measure, name, options.runs): name for name in options.names or SCENARIOS}
            for done in as_completed(work):
                measured[work[done]] = done.result()
                print(f"{time.monotonic() - began:6.0f} s  {work[done]} (load {os.getloadavg()[0]:.1f})", flush=True)
    finally:
        if measured:
            print(f"every sample: {keep(measured)}")
    text = table(measured)
    print(text)
    if options.write:
        write(text)
    problems = exceeded(measured)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
