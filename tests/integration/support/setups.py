"""On which setups a fault is tried: a few of them in every run, all that apply with ``FLATBGP_FAULTS=matrix``."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest

from support.binaries import GOBGPD_VERSIONS
from support.cluster import example

PROFILES = {
    "default": (),
    "fast": ("--lease-duration", "2s", "--renew-interval", "0.5s"),
}

MATRIX = os.environ.get("FLATBGP_FAULTS") == "matrix"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a fault is tried on. ``further`` are more floating IPs, ``password`` is what the routers want."""

    gobgpd: str = "4.8"
    router: str = "frr"
    profile: str = "default"
    further: tuple[str, ...] = ()
    password: str = ""

    def __str__(self) -> str:
        secret = ("password",) if self.password else ()
        return "-".join((self.gobgpd, self.router, self.profile, *self.further, *secret))

    @property
    def manifests(self) -> str:
        """The guide's example, with the further floating IPs and a session from each, and the routers' password."""
        lines = "".join(f"  - {address}\n" for address in self.further)
        text = example("single-stack-ipv4").replace("  floatingIPs:\n", f"  floatingIPs:\n{lines}")
        text = text.replace("sessions: 2", f"sessions: {2 + len(self.further)}")
        if not self.password:
            return text
        secret = json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "md5", "namespace": "cluster-bm"},
                "type": "kubernetes.io/basic-auth",
                "stringData": {"password": self.password},
            }
        )
        return text.replace("  sessions:", "  passwordSecretRef: {name: md5}\n  sessions:") + f"---\n{secret}\n"


DEFAULT = Setup()
VERSIONS = tuple(Setup(gobgpd=version) for version in GOBGPD_VERSIONS)
ROUTERS = ("frr", "bird")


def on(
    *basic: Setup, routers: Sequence[str] = ROUTERS, profiles: Sequence[str] = tuple(PROFILES)
) -> pytest.MarkDecorator:
    """Try a test on these setups; in the full matrix, on all versions with these ``routers`` and ``profiles``."""
    full = [Setup(*each) for each in product(GOBGPD_VERSIONS, routers, profiles)]
    return pytest.mark.parametrize("cluster", full if MATRIX and full else basic, indirect=True, ids=str)
