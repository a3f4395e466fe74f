"""What the tests of the image and of docker-compose.yaml need besides an engine: Compose v2, and a Debian to build on.

Both are made once a machine and kept outside the checkout, as tools/testprograms.py does it. The base images themselves
are made from that Debian by the tests, and only where an engine cannot pull the real ones.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from testprograms import CACHE, build_module

COMPOSE_MODULE = Path(__file__).resolve().parent / "docker" / "compose"
COMPOSE = CACHE / "docker" / "docker-compose"
DEBIAN = CACHE / "docker" / "debian-trixie.tar"

_SUITE = "trixie"

# What Debian's own slim images leave out (debuerreotype's .slimify-excludes), and what a package manager leaves behind.
_LEFT_OUT = (
    *("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/info/*", "./usr/share/locale/*"),
    *("./usr/share/groff/*", "./usr/share/lintian/*", "./usr/share/linda/*"),
    *("./var/cache/*", "./var/lib/apt/lists/*", "./var/log/*", "./proc/*", "./sys/*", "./dev/*", "./tmp/*"),
)
_SLIM = "\n".join(f"path-exclude {pattern.removeprefix('.')}" for pattern in _LEFT_OUT[:7])


def build_compose() -> str | None:
    """Build Docker Compose v2 (2 minutes on two cores); return why that is not possible.

    Nothing is built where ``docker compose`` works already.
    """
    if shutil.which("docker") and _runs("docker", "compose", "version"):
        return None
    return build_module(COMPOSE_MODULE, "github.com/docker/compose/v2/cmd", COMPOSE, "")


def build_debian() -> str | None:
    """Make a Debian as small as the slim image (1 minute); return why that is not possible."""
    if DEBIAN.exists():
        return None
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed: 'make setup-dev' as root installs it"
    print(f"== making a Debian {_SUITE} for images to be built on (once)", flush=True)
    DEBIAN.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="debian-", dir=DEBIAN.parent) as directory:
        command = ("nice", "debootstrap", "--variant=minbase", _SUITE, directory)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            return f"debootstrap failed: {done.stdout[-500:].strip()}"
        Path(directory, "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM + "\n")
        excludes = [f"--exclude={pattern}" for pattern in _LEFT_OUT]
        draft = DEBIAN.with_suffix(".new")
        subprocess.run(["tar", "-C", directory, *excludes, "-cf", str(draft), "."], check=True)
        draft.replace(DEBIAN)
    return None


def _runs(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    problems = [problem for problem in (build_compose(), build_debian()) if problem is not None]
    print("\n".join(problems))
    sys.exit(1 if problems else 0)
