"""How long the command line takes to start: what a person waits for, and the CPU time of it."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figures, note

RUNS = 20
_NODES = 20
_FLATBGP = Path(sys.executable).with_name("flatbgp")


def _node(number: int) -> str:
    return f"apiVersion: v1\nkind: Node\nmetadata: {{name: node-{number:02}}}\n---\n"


def _timed(figures: Figures, name: str, *arguments: str) -> None:
    for _ in range(RUNS):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run((_FLATBGP, *arguments), check=True, stdout=subprocess.DEVNULL)
        note(figures, f"{name}, s", time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        note(figures, f"{name}, CPU s", after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure() -> Figures:
    """Return the samples of every figure."""
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="flatbgp-bench-") as directory:
        url, nodes = f"sqlite:{directory}/store.db", Path(directory) / "nodes.yaml"
        nodes.write_text("".join(_node(number) for number in range(_NODES)), encoding="utf-8")
        subprocess.run((_FLATBGP, "apply", "-f", nodes, "--store", url), check=True, stdout=subprocess.DEVNULL)
        one = Path(directory) / "one.yaml"
        one.write_text(_node(0), encoding="utf-8")
        _timed(figures, "flatbgp --help", "--help")
        _timed(figures, f"flatbgp get nodes ({_NODES} of them)", "get", "nodes", "--store", url)
        _timed(figures, "flatbgp apply of one unchanged Node", "apply", "-f", str(one), "--store", url)
    return figures
