"""What every part of the benchmark hands back, how it is printed, and where the raw samples are kept."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

Figures = dict[str, list[float]]
"""Name with unit, and the samples."""

RESULTS = Path(__file__).parent / "results"
_NAME_WIDTH = 72


def note(figures: Figures, name: str, value: float) -> None:
    """Add a sample."""
    figures.setdefault(name, []).append(value)


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the sample below which ``share`` of them lie (nearest rank, so that it is one that was measured)."""
    ordered = sorted(samples)
    return ordered[round(share * (len(ordered) - 1))]


def line(name: str, samples: Sequence[float]) -> str:
    """Return a figure as a line: best, median, 99th percentile, worst and number of the samples.

    The best is what a machine with nothing else to do takes, which a busy one shows now and then.
    """
    columns = (
        ("best", min(samples)),
        ("p50", statistics.median(samples)),
        ("p99", quantile(samples, 0.99)),
        ("worst", max(samples)),
    )
    return (
        f"{name:{_NAME_WIDTH}} "
        + "  ".join(f"{label} {value:9.3f}" for label, value in columns)
        + f"  n {len(samples)}"
    )


def keep(parts: Mapping[str, Figures]) -> Path:
    """Write all samples to a file of their own, with what the machine was like; return its path."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    document = {
        "time": now.isoformat(timespec="seconds"),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "parts": parts,
    }
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}-{'-'.join(parts)}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path
