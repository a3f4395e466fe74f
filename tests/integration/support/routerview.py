"""A router as a fault test looks at it, whichever implementation it runs: what it knows, and which sessions are up.

What it knows is looked up in the families that the test is about.
"""

import re
from collections.abc import Collection, Hashable, Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Protocol

from flatbgp.lab import views
from flatbgp.lab.vty import Vty
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from support.bird import Bird

Learned = tuple[IPNetwork, IPAddress]
"""A prefix, and the neighbour that announced it."""

_BIRD_NEIGHBOR = re.compile(r"^(p\d+)\s[\s\S]*?BGP state:\s+(\w+)\s+Neighbor address: (\S+)", re.MULTILINE)
_BIRD_SINCE = re.compile(r"^(p\d+)\s+BGP\s+\S+\s+up\s+(\S+)\s+Established", re.MULTILINE)
_BIRD_TABLE = {Family.IPV4: "master4", Family.IPV6: "master6"}
_BIRD_ROUTE = re.compile(r"^(\S+/\d+)?\s+unicast \[(p\d+) ", re.MULTILINE)


class RouterView(Protocol):
    """Looks at one router. It may be used by one thread only; each thread opens its own."""

    def paths(self) -> frozenset[Learned]:
        """Return the prefixes that BGP brought, stale ones too; raise :class:`LabError` without an answer."""

    def fresh(self) -> frozenset[Learned]:
        """Return those of them that did not outlive their session."""

    def generations(self) -> dict[IPAddress, Hashable]:
        """Return the neighbours with a session that is Established; the value differs from that of any before it."""

    def close(self) -> None:
        """Close what is open."""


class FrrView:
    """FRR, through a vty of its own."""

    def __init__(self, directory: Path, families: Collection[Family]) -> None:
        self._families = families
        self._vty = Vty(directory / "bgpd.vty")
        self._pid = directory / "bgpd.pid"  # each bgpd counts its sessions anew

    def paths(self) -> frozenset[Learned]:
        return frozenset((path.prefix, path.neighbor) for path in self._paths())

    def fresh(self) -> frozenset[Learned]:
        return frozenset((path.prefix, path.neighbor) for path in self._paths() if not path.stale)

    def generations(self) -> dict[IPAddress, Hashable]:
        process = self._pid.read_text()
        return {key: (process, each.established) for key, each in views.sessions(self._vty).items() if each.up}

    def close(self) -> None:
        self._vty.close()

    def _paths(self) -> Iterator[views.RoutePath]:
        for family in self._families:
            yield from views.paths(self._vty, family)


class BirdView:
    """BIRD 2, through its control socket.

    It shows no difference between a route that is stale for graceful restart and another one, so all routes of a
    session that is up count as fresh; those that were not announced again go with its End-of-RIB.
    """

    def __init__(self, bird: Bird, families: Collection[Family]) -> None:
        self._bird = bird
        self._tables = [_BIRD_TABLE[family] for family in families]

    def paths(self) -> frozenset[Learned]:
        return self._paths({name: address for name, _, address in self._neighbors()})

    def fresh(self) -> frozenset[Learned]:
        return self._paths({name: address for name, state, address in self._neighbors() if state == "Established"})

    def generations(self) -> dict[IPAddress, Hashable]:
        addresses = {name: ip_address(address) for name, _, address in self._neighbors()}
        return {addresses[name]: since for name, since in _BIRD_SINCE.findall(self._bird.execute("show protocols"))}

    def close(self) -> None:
        pass  # it opens a connection for each question

    def _neighbors(self) -> list[tuple[str, str, str]]:
        return _BIRD_NEIGHBOR.findall(self._bird.execute("show protocols all"))

    def _paths(self, neighbors: dict[str, str]) -> frozenset[Learned]:
        prefix, found = "", set()
        for table in self._tables:
            for begins, protocol in _BIRD_ROUTE.findall(self._bird.execute(f"show route table {table}")):
                prefix = begins or prefix
                if protocol in neighbors:
                    found.add((ip_network(prefix), ip_address(neighbors[protocol])))
        return frozenset(found)
