"""The picture of the demo: made from a run, and true to it."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as ET  # reads only pictures of our own
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def recorder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record_demo", ROOT / "tools" / "record_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look for it there
    spec.loader.exec_module(module)
    return module


def rows_of(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 - our own picture
    [rows] = [group for group in root.iter(f"{SVG}g") if group.get("id") == "rows"]
    return [text.text or "" for text in rows]


def test_a_run_in_a_terminal_is_recorded_with_its_status(recorder, capfd) -> None:
    script = "printf '\\033[1mone\\033[0m\\r\\n'; printf 'tw'; sleep 0.2; echo 'o'; tput cols 2>/dev/null; exit 3"
    lines, status = recorder.record(["sh", "-c", script])
    assert status == 3
    assert [line.text for line in lines][:2] == ["one", "two"]
    assert lines[1].at - lines[0].at >= 0.15
    assert "two" in capfd.readouterr().out


def test_pauses_are_cut_bursts_are_slowed_and_long_lines_are_wrapped(recorder) -> None:
    lines = [recorder.Shown(at, text) for at, text in ((0.0, "a"), (60.0, "b"), (60.0, "x" * 250), (61.0, ""))]
    rows = list(recorder.paced(lines))
    assert [len(row.text) for row in rows] == [1, 1, 116, 116, 18, 0]
    assert rows[1].at - rows[0].at == pytest.approx(2.5)
    assert rows[2].at - rows[1].at == pytest.approx(0.07)
    assert rows[-1].at - rows[-2].at == pytest.approx(1.0)


def test_a_picture_holds_every_row_as_it_was_and_ends_at_the_last(recorder) -> None:
    texts = ["== A step", "$ a command & <more>", "", *(f"line {number}" for number in range(100))]
    picture = recorder.drawn([recorder.Shown(number, text) for number, text in enumerate(texts)], "make demo")
    assert rows_of(picture) == [text for text in texts if text]
    offsets = [int(offset) for offset in re.findall(r"translateY\((-?\d+)px\)", picture)]
    assert offsets[-1] == offsets[0] == (recorder.ROWS - len(texts)) * 17
    assert offsets[1:] == sorted(offsets[1:], reverse=True)


def test_the_recorded_demo_is_of_a_run_that_went_well() -> None:
    rows = rows_of((ROOT / "docs" / "demo.svg").read_text(encoding="utf-8"))
    assert "  4 of 4 Established" in "\n".join(rows)
    assert rows[-1].startswith("== Everything is gone again")
    losses = re.findall(r"([\d.]+)% packet loss", "\n".join(rows))
    assert set(losses) == {"0"}
