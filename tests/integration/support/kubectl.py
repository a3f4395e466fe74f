"""kubectl as a person has it, with flatbgp linked as its plugin, and the tables that it prints."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support import binaries
from support.kubernetes import ApiServer


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Runs kubectl on a cluster as its administrator; ``home`` is an empty directory."""

    server: ApiServer
    home: Path
    _program: str = field(default_factory=binaries.kubectl)

    def __post_init__(self) -> None:
        plugin = self.home / "kubectl-flatbgp"
        plugin.write_text(f"#!{sys.executable}\nimport sys\nfrom flatbgp.cli.main import main\nsys.exit(main())\n")
        plugin.chmod(0o755)

    def __call__(self, *arguments: str | Path) -> str:
        """Return what it printed; :class:`AssertionError` with its message when it fails."""
        done = subprocess.run(
            [self._program, *arguments],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": f"{self.home}:{Path(self._program).parent}:/usr/bin:/bin",
            "KUBECONFIG": str(self.server.kubeconfig()),
        }


def table(text: str) -> list[list[str]]:
    """Return the cells of a table; columns are two blanks apart at least, and a cell may have single ones in it."""
    head, *body = text.rstrip("\n").split("\n")
    starts = [index for index in range(len(head)) if head[index] != " " and head[max(0, index - 3) : index].isspace()]
    starts.insert(0, 0)
    ends = [*starts[1:], None]
    return [[line[start:end].strip() for start, end in zip(starts, ends, strict=True)] for line in (head, *body)]
