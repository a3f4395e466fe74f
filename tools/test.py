"""Run every check and test that this machine can run; say what was left out and why; end with one count.

With CI=true nothing may be left out: a skipped test is a failed one. Arguments are passed on to pytest.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET  # reads only the reports that pytest wrote a moment ago
from dataclasses import dataclass, field
from pathlib import Path

from dockerprograms import build_compose, build_debian
from helmprograms import get_helm
from testprograms import build_gobgpd, build_grpcurl, build_kubernetes

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

NO_TESTS = 5
"""The status of pytest when a selection (``-k``) leaves nothing of a suite."""

CHECKS = (
    ("style", ["ruff", "check", "."]),
    ("format", ["ruff", "format", "--check", "."]),
    ("types", ["mypy"]),
    ("layers", ["lint-imports"]),
)

# Each suite by its name, its directories below tests/, and pytest's options. Tests in namespaces wait for daemons far
# more than they compute, so there are more of them at a time than cores. Those with API servers and Helm compute, and
# would be what delays the others, whose bounds are seconds: so they have a turn of their own. Those of containers share
# one engine and one lab, so they are one process; the first build takes minutes.
SUITES = (
    ("unit", ("unit",), ["-n", "2"]),
    ("contract", ("contract",), ["-n", "4", "--dist", "worksteal"]),
    ("network", ("integration/host", "integration/lab", "integration/roles"), ["-n", "4", "--dist", "worksteal"]),
    ("fault", ("integration/faults",), ["-n", "3", "--dist", "worksteal"]),
    ("cluster", ("integration/chart", "integration/kubernetes"), ["-n", "3", "--dist", "worksteal"]),
    ("container", ("integration/docker",), ["-o", "faulthandler_timeout=1400"]),
)


@dataclass
class Tally:
    """What came of it all: tests passed, names of what failed, and (name, reason) of what was skipped."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def read(self, suite: str, report: Path, status: int) -> None:
        """Count one suite's report. A suite that ended badly without a failed test has failed as a whole."""
        before = len(self.failed)
        if report.exists():
            for case in ET.parse(report).iter("testcase"):  # noqa: S314 - our own file
                name = f"{case.get('classname', '')}::{case.get('name', '')}".removeprefix("::")
                skip = case.find("skipped")
                if case.find("failure") is not None or case.find("error") is not None:
                    self.failed.append(name)
                elif skip is not None and skip.get("type") != "pytest.xfail":
                    self.skipped.append((name, skip.get("message") or "no reason given"))
                else:
                    self.passed += 1
        if status != 0 and len(self.failed) == before:
            self.failed.append(f"{suite}: pytest ended with status {status}")


def forgotten() -> list[str]:
    """Return the test files that are in no suite."""
    listed = [ROOT / "tests" / directory for _, directories, _ in SUITES for directory in directories]
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(each.relative_to(ROOT)) for each in files if not any(each.is_relative_to(path) for path in listed)]


def main(arguments: list[str]) -> int:
    """Run all steps, whatever fails on the way, and return the exit status."""
    # A shell starts background jobs with Ctrl-C ignored, and their children inherit that: tests of Ctrl-C would hang.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    ci = os.environ.get("CI") == "true"
    tally = Tally()
    tally.failed += [f"{file} is in no suite of tools/test.py" for file in forgotten()]
    for build in (build_gobgpd, build_grpcurl, build_kubernetes, get_helm, build_compose, build_debian):
        if (problem := build()) is not None:
            print(f"== {problem}", flush=True)
    for name, command in CHECKS:
        print(f"== {name}: {' '.join(command)}", flush=True)
        if subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, check=False).returncode != 0:
            tally.failed.append(f"{name} ({' '.join(command)})")
    with tempfile.TemporaryDirectory(prefix="flatbgp-test-") as reports:
        for suite, directories, options in SUITES:
            print(f"== {suite} tests", flush=True)
            report = Path(reports, f"{suite}.xml")
            paths = [f"tests/{directory}" for directory in directories]
            command = [sys.executable, "-m", "pytest", *paths, "-q", f"--junitxml={report}", *options]
            status = subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode
            tally.read(suite, report, 0 if status == NO_TESTS and arguments else status)

    print(f"== done in {(time.monotonic() - started) / 60:.1f} min")
    for name, reason in tally.skipped:
        print(f"skipped: {name}: {reason}")
    for name in tally.failed:
        print(f"failed: {name}")
    if ci and tally.skipped:
        print("failed: CI=true allows no skipped test")
    failures = len(tally.failed) + (len(tally.skipped) if ci else 0)
    skips = f", {len(tally.skipped)} skipped" if tally.skipped and not ci else ""
    print(f"{tally.passed} passed, {failures} failed{skips}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
