"""Run the demo in a terminal of its own and write what it showed, at the pace at which it showed it, to docs/demo.svg.

Usage: record_demo.py [COMMAND ...]    (default: .venv/bin/flatbgp lab demo; needs root, as the lab does)
"""

import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fcntl import ioctl
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "demo.svg"
TITLE = "make demo"

COLUMNS, ROWS = 116, 34
_LONGEST_PAUSE = 2.5  # seconds; whoever looks at it waits no longer than that, whatever the demo waited for
_SHORTEST_PAUSE = 0.07
_REST = 8.0  # seconds at the end, before it begins anew
_CELL, _LINE, _MARGIN, _BAR = 7.2, 17, 14, 30  # pixels

_ESCAPE_SEQUENCES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07|[\x00-\x08\x0b-\x1f\x7f]")
_COLOURS = (("== ", "step"), ("$ ", "typed"))


@dataclass(frozen=True)
class Shown:
    """A line, and when it was complete; seconds since the begin."""

    at: float
    text: str


def record(command: Sequence[str]) -> tuple[list[Shown], int]:
    """Run a command in a terminal; return its lines and its exit status."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    begun = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, cwd=ROOT)
    os.close(theirs)
    lines, rest = [], b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # EIO: nobody has the other end any more
            break
        if not chunk:
            break
        sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
        *complete, rest = (rest + chunk).split(b"\n")
        lines += [Shown(time.monotonic() - begun, plain(line.decode(errors="replace"))) for line in complete]
    os.close(ours)
    return lines, process.wait()


def plain(text: str) -> str:
    """Return a line without colours, carriage returns and other controls."""
    return _ESCAPE_SEQUENCES.sub("", text).expandtabs()


def paced(lines: Iterable[Shown]) -> Iterator[Shown]:
    """Yield the lines as rows of the terminal, with long pauses cut short, and no faster than one can follow."""
    now = before = 0.0
    for line in lines:
        now += min(max(line.at - before, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        before = line.at
        text = line.text.rstrip()
        for start in range(0, max(len(text), 1), COLUMNS):
            yield Shown(now, text[start : start + COLUMNS])


def drawn(rows: Sequence[Shown], title: str) -> str:
    """Return an SVG in which the rows come from below as they did in the terminal.

    Only the whole text moves. Where nothing is animated, its end is seen.
    """
    width, height = 2 * _MARGIN + COLUMNS * _CELL, _BAR + 2 * _MARGIN + ROWS * _LINE
    duration = rows[-1].at + _REST
    frames: dict[str, int] = {}
    for number, row in enumerate(rows, start=1):
        frames[f"{100 * row.at / duration:.2f}"] = (ROWS - number) * _LINE
    end = (ROWS - len(rows)) * _LINE
    steps = "".join(f"{share}%{{transform:translateY({offset}px)}}" for share, offset in frames.items())
    text = "\n".join(_row(number, row.text) for number, row in enumerate(rows, start=1) if row.text)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">
<title>A recorded run of: {escape(title)}</title>
<style>
text{{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#c9d1d9;white-space:pre}}
.step{{fill:#79c0ff;font-weight:bold}}.typed{{fill:#7ee787}}
#rows{{transform:translateY({end}px);animation:run {duration:.1f}s step-end infinite}}
@keyframes run{{0%{{transform:translateY({ROWS * _LINE}px)}}{steps}100%{{transform:translateY({end}px)}}}}
@media (prefers-reduced-motion:reduce){{#rows{{animation:none}}}}
</style>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
<text x="{width / 2:.0f}" y="20" text-anchor="middle" style="fill:#8b949e">{escape(title)}</text>
<clipPath id="screen"><rect x="0" y="{_BAR}" width="{width:.0f}" height="{height - _BAR - _MARGIN}"/></clipPath>
<g clip-path="url(#screen)"><g transform="translate({_MARGIN} {_BAR})"><g id="rows">
{text}
</g></g></g>
</svg>
"""


def _row(number: int, text: str) -> str:
    colour = next((name for start, name in _COLOURS if text.startswith(start)), "")
    of_class = f' class="{colour}"' if colour else ""
    # Each row is stretched to its cells, so that columns stand under each other in whatever font the reader has.
    return (
        f'<text y="{number * _LINE}"{of_class} textLength="{len(text) * _CELL:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(text, quote=False)}</text>"
    )


def main(arguments: list[str]) -> int:
    """Record and draw; a demo that failed is not drawn."""
    lines, status = record(arguments or [str(ROOT / ".venv/bin/flatbgp"), "lab", "demo"])
    if status != 0:
        print(f"record_demo: it ended with status {status}, so nothing is drawn", file=sys.stderr)
        return status
    OUTPUT.write_text(drawn(list(paced(lines)), TITLE), encoding="utf-8")
    print(f"record_demo: {OUTPUT.relative_to(ROOT)}, {OUTPUT.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
