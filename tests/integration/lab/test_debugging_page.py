"""docs/debugging.md on a lab that runs: each command of the page, in order, and what the page shows of its output."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.binaries import GOBGPD_VERSIONS, gobgp, gobgpd, grpcurl
from support.machine import CHECKOUT, Machine
from support.sandbox import Sandbox

PAGE = CHECKOUT / "docs" / "debugging.md"
_END = "== end of command"
_EXIT = re.compile(r"\s+# exit (\d+)$")


@dataclass(frozen=True)
class Step:
    """A command of the page, the status that it ends with, and the lines that it prints among others, in order."""

    line: int
    command: str
    status: int
    shown: tuple[str, ...]


def steps(text: str, flavour: str) -> Iterator[Step]:
    """Yield the commands of all ``console`` blocks that are for every version, or for ``flavour``."""
    for block in re.finditer(r"^```console ?(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if block[1] not in ("", flavour):
            continue
        number = text[: block.start()].count("\n") + 1
        command, begun, shown = "", 0, list[str]()
        for offset, line in enumerate([*block[2].splitlines(), "$ "], start=1):
            if not line.startswith("$ "):
                shown.append(line)
                continue
            if command:
                yield _step(number + begun, command, shown)
            command, begun, shown = line[2:], offset, []


def _step(line: int, command: str, shown: list[str]) -> Step:
    status = _EXIT.search(command)
    return Step(line, _EXIT.sub("", command), int(status[1]) if status else 0, tuple(shown))


def script(all_steps: Sequence[Step]) -> str:
    """Return a script that runs every command in one shell and tells where each ends, and how."""
    return "".join(f"{{ {step.command}\n}} 2>&1\nended=$?; echo; echo '{_END}' $ended\n" for step in all_steps)


def is_shown(pattern: str, line: str) -> bool:
    """Whether a line of the page is a line of the output; ``...`` stands for anything."""
    parts = (re.escape(" ".join(part.split())).replace(r"\ ", r"\s+") for part in pattern.split("..."))
    return re.fullmatch(r"\s*" + r".*".join(f"\\s*{part}\\s*" for part in parts), line) is not None


def missing(step: Step, output: str) -> str | None:
    """Return the first line that the page shows and the output does not have where it should be."""
    lines = iter(output.splitlines())
    return next((shown for shown in step.shown if not any(is_shown(shown, line) for line in lines)), None)


def test_the_page_has_commands_for_both_generations() -> None:
    text = PAGE.read_text()
    assert len(list(steps(text, "gobgp3"))) == len(list(steps(text, "gobgp4"))) > 40


def test_a_line_that_the_output_lacks_is_found() -> None:
    step = Step(1, "x", 0, ("a ... c", "d"))
    assert missing(step, "a b c\n  d  \n") is None
    assert missing(step, "d\na b c\n") == "d"
    assert missing(step, "a b\nd\n") == "a ... c"


def run_steps(command: Sequence[str], wanted: Sequence[Step]) -> Iterator[tuple[Step, int, str]]:
    """Run the steps in one shell; yield each with the status that it ended with, and what it printed."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as shell:
        assert shell.stdout is not None
        try:
            for step in wanted:
                printed = []
                for line in shell.stdout:
                    if line.startswith(_END):
                        yield step, int(line.removeprefix(_END)), "".join(printed)
                        break
                    printed.append(line)
                else:
                    raise AssertionError(f"it ended in line {step.line}, {step.command}: {''.join(printed)}")
        finally:
            shell.kill()


@pytest.mark.timeout(420)
@pytest.mark.parametrize("version", GOBGPD_VERSIONS)
def test_each_command_of_the_page_does_on_a_lab_what_the_page_shows(sandbox: Sandbox, version: str) -> None:
    machine, wanted = Machine(sandbox), list(steps(PAGE.read_text(), f"gobgp{version[0]}"))
    programs = {Path(program).parent for program in (gobgpd(version), gobgp(version), grpcurl())}
    path = ":".join([*map(str, sorted(programs, key=str, reverse=True)), "/usr/sbin:/usr/bin:/sbin:/bin"])
    up = machine.run("env", f"PATH={path}", str(CHECKOUT / ".venv/bin/flatbgp"), "lab", "up")
    assert up.returncode == 0, up.stderr

    command = machine.command("env", f"PATH={path}", "timeout", "300", "bash", "-c", script(wanted))
    for step, status, output in run_steps(command, wanted):
        where = f"docs/debugging.md:{step.line}: {step.command}"
        assert status == step.status, f"{where}\nexit status {status}, not {step.status}:\n{output}"
        assert (lacking := missing(step, output)) is None, f"{where}\nthe page shows {lacking!r}; it was:\n{output}"
