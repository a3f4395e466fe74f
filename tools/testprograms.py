"""The programs that tests run against and Debian does not have: built once a machine, kept outside the checkout.

Each is a Go tool of a fixed version; a build reports why it is not possible instead of failing, because the rest of the
tests can do without.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

CACHE = Path.home() / ".cache" / "flatbgp-test"
MODULES = Path(__file__).resolve().parent / "kubernetes"

GOBGP_VERSION = "4.8.0"
KUBERNETES_VERSION = "1.37.2"
GRPCURL_VERSION = "1.9.3"

KUBERNETES_PROGRAMS = {
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    "kube-apiserver": ("apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
}
"""For each program the module beside this file that pins it with all it needs, and its package."""

_STAMPED = "k8s.io/component-base/version"
"""Where a release build writes its version; without, the server would call itself v0.0.0-master."""

_GENTLY = ("nice", "-n", "15")


def build_gobgpd() -> str | None:
    """Build the second gobgpd that tests run against; return why that is not possible."""
    target = CACHE / f"gobgp-{GOBGP_VERSION}"
    commands = [name for name in ("gobgpd", "gobgp") if not (target / name).exists()]
    if not commands:
        return None
    if shutil.which("go") is None:
        return f"gobgpd {GOBGP_VERSION} is not there and Go is not on PATH to build it (1.25 or newer is needed)"
    print(f"== building gobgpd {GOBGP_VERSION} (once)", flush=True)
    target.mkdir(parents=True, exist_ok=True)
    modules = [f"github.com/osrg/gobgp/v4/cmd/{name}@v{GOBGP_VERSION}" for name in commands]
    if not _go(("install", *modules), {"GOBIN": str(target)}):
        return f"gobgpd {GOBGP_VERSION} could not be built: go install failed"
    return None


def build_grpcurl() -> str | None:
    """Build grpcurl, which runs what the debugging pages say; return why that is not possible."""
    target = CACHE / f"grpcurl-{GRPCURL_VERSION}"
    if (target / "grpcurl").exists():
        return None
    if shutil.which("go") is None:
        return "grpcurl is not there and Go is not on PATH to build it"
    print(f"== building grpcurl {GRPCURL_VERSION} (once)", flush=True)
    target.mkdir(parents=True, exist_ok=True)
    module = f"github.com/fullstorydev/grpcurl/cmd/grpcurl@v{GRPCURL_VERSION}"
    if not _go(("install", module), {"GOBIN": str(target)}):
        return f"grpcurl {GRPCURL_VERSION} could not be built: go install failed"
    return None


def build_kubernetes() -> str | None:
    """Build kube-apiserver and etcd (5 minutes on two cores); return why that is not possible.

    Nothing is built where KUBEBUILDER_ASSETS names a directory that has them.
    """
    if os.environ.get("KUBEBUILDER_ASSETS"):
        return None
    target = CACHE / f"kubernetes-{KUBERNETES_VERSION}"
    for program, (module, package) in KUBERNETES_PROGRAMS.items():
        if (problem := build_module(MODULES / module, package, target / program, _versions())) is not None:
            return problem
    return None


def build_module(module: Path, package: str, target: Path, flags: str) -> str | None:
    """Build a program from the module that pins it with all it needs, unless that is done; return why not.

    ``flags`` are the linker's: values that a release build writes into the program.
    """
    stamp, wanted = target.with_name(f"{target.name}.modules"), _digest(module, flags)
    if target.exists() and stamp.exists() and stamp.read_text() == wanted:
        return None
    if shutil.which("go") is None:
        return f"{target.name} is not there and Go is not on PATH to build it (1.26 or newer is needed)"
    print(f"== building {target.name} (once; it takes minutes)", flush=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    built = target.with_name(f"{target.name}.new")  # so that a build that was ended half way is no program
    if not _go(("build", "-C", str(module), "-ldflags", flags, "-o", str(built), package)):
        return f"{target.name} could not be built: go build failed"
    built.replace(target)
    stamp.write_text(wanted)
    return None


def _versions() -> str:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    values = {"gitVersion": f"v{KUBERNETES_VERSION}", "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {_STAMPED}.{name}={value}" for name, value in values.items())


def _digest(module: Path, flags: str) -> str:
    """Return what a program was built from, so that it is built anew when that changes."""
    content = b"".join((module / name).read_bytes() for name in ("go.mod", "go.sum"))
    return hashlib.sha256(content + flags.encode()).hexdigest()


def _go(arguments: Sequence[str], environment: Mapping[str, str] = {}) -> bool:
    command = (*_GENTLY, "go", *arguments)
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode == 0
