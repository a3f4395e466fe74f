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
    """What a fault is tried on. ``further`` are more floating IPs, ``password`` is what the routers want.

    ``ipv6``: nodes and pods have both families, and floating IPs and peers are IPv6 addresses. ``clocks``: the roles of
    each machine have a wall clock that can be set.
    """

    gobgpd: str = "4.8"
    router: str = "frr"
    profile: str = "default"
    further: tuple[str, ...] = ()
    password: str = ""
    ipv6: bool = False
    clocks: bool = False

    def __str__(self) -> str:
        options = {"password": self.password, "ipv6": self.ipv6, "clocks": self.clocks}
        more = (name for name, there in options.items() if there)
        return "-".join((self.gobgpd, self.router, self.profile, *self.further, *more))

    @property
    def manifests(self) -> str:
        """The guide's example, with the further floating IPs and a session from each, and the routers' password."""
        lines = "".join(f"  - {address}\n" for address in self.further)
        text = _in_ipv6() if self.ipv6 else example("single-stack-ipv4")
        text = text.replace("  floatingIPs:\n", f"  floatingIPs:\n{lines}")
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


def _in_ipv6() -> str:
    """Return the dual-stack example with IPv6 floating IPs and peers, and Nodes with addresses of both families."""
    text = example("dual-stack-flat")
    for number in (1, 3):
        for host in (100, 254):
            text = text.replace(f"10.0.{number}.{host}", f"2001:db8:a00:{number}::{host}")
    return f"{text}---\n{example('nodes')}"


DEFAULT = Setup()
IPV6 = Setup(ipv6=True)
VERSIONS = tuple(Setup(gobgpd=version) for version in GOBGPD_VERSIONS)
ROUTERS = ("frr", "bird")


def on(
    *basic: Setup,
    routers: Sequence[str] = ROUTERS,
    profiles: Sequence[str] = tuple(PROFILES),
    ipv6: bool = True,
) -> pytest.MarkDecorator:
    """Try a test on these setups; in the full matrix, on all versions with these ``routers`` and ``profiles``.

    The matrix tries it in IPv6 as well, but with one profile: the timings know no family.
    """
    full = [Setup(*each) for each in product(GOBGPD_VERSIONS, routers, profiles)]
    if ipv6:
        full += [Setup(*each, ipv6=True) for each in product(GOBGPD_VERSIONS, routers, profiles[:1])]
    return pytest.mark.parametrize("cluster", full if MATRIX and full else basic, indirect=True, ids=str)
