"""The programs that tests run against, and where each of them is."""

import os
import shutil
from pathlib import Path

import pytest

GOBGP_4 = Path.home() / ".cache" / "flatbgp-test" / "gobgp-4.8.0"
"""``make test`` builds it there (see tools/test.py)."""

KUBERNETES = Path.home() / ".cache" / "flatbgp-test" / "kubernetes-1.37.2"
"""The same for kube-apiserver and etcd."""

GRPCURL = Path.home() / ".cache" / "flatbgp-test" / "grpcurl-1.9.3" / "grpcurl"
"""Built in the same way."""

KUBECTL = Path.home() / ".cache" / "flatbgp-test" / "helm-4.3.1" / "kubectl"
"""``make test`` fetches it with helm (see tools/helmprograms.py)."""

GOBGPD_VERSIONS = ("3.10", "4.8")


def gobgpd(version: str) -> str:
    """Return the path of a gobgpd, or skip the test where there is none."""
    return _program("gobgpd", version)


def gobgp(version: str) -> str:
    """Return the path of the command line client of a gobgpd."""
    return _program("gobgp", version)


def grpcurl() -> str:
    """Return the path of grpcurl, or skip the test where there is none."""
    if not GRPCURL.exists():
        pytest.skip(f"grpcurl is not at {GRPCURL}: 'make test' builds it where Go is installed")
    return str(GRPCURL)


def kubernetes_program(name: str) -> str:
    """Return the path of kube-apiserver or etcd, from KUBEBUILDER_ASSETS where that is set; or skip the test."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    path = Path(assets or KUBERNETES, name)
    if not path.exists():
        hint = "which KUBEBUILDER_ASSETS names" if assets else "'make test' builds it where Go is installed"
        pytest.skip(f"{name} is not at {path.parent}: {hint}")
    return str(path)


def kubectl() -> str:
    """Return the path of kubectl, from PATH where there is one; or skip the test."""
    found = shutil.which("kubectl") or shutil.which(str(KUBECTL))
    if found is None:
        pytest.skip(f"kubectl is neither on PATH nor at {KUBECTL}: 'make test' fetches it")
    return found


def _program(name: str, version: str) -> str:
    if version == "4.8":
        if not (GOBGP_4 / name).exists():
            pytest.skip(f"{name} 4.8 is not at {GOBGP_4}: 'make test' builds it where Go is installed")
        return str(GOBGP_4 / name)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: 'make setup' as root installs it")
    return found
