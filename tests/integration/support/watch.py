"""What must hold at every moment of a fault, watched beside a test: one holder, all routes and pings, no old session.

Two threads of the test's process: one for the kernels and the LANs, one for the routers, which may be slow to answer.
Nothing here decides what a fault may cost: a test says so (``may_...``), and all else is a violation.
"""

import select
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_interface
from itertools import islice

from flatbgp.lab.commands import LabError
from flatbgp.lab.namespaces import create, plug
from flatbgp.lab.network import port_name
from flatbgp.resources.ip import Family, IPAddress
from support.faultcluster import FaultCluster
from support.holders import AddressSocket, Change, Double, Holders
from support.lanwatch import ASKED_EVERY, WITHOUT_ADDRESS, Answers, Cable, Leak, Observer, Speech
from support.ping import Ping, PingResult, start_ping
from support.routerview import Learned, RouterView

TABLES_EVERY = 0.1
"""Seconds between two looks at each router's table."""

_OBSERVER_HOST = 253
_PATIENCE = 0.05
_GAP = 3 * TABLES_EVERY


@dataclass(frozen=True, slots=True)
class Missing:
    """A router had not a prefix from a session as it should have had, or did not say (``lacking`` is empty)."""

    at: float
    router: str
    lacking: frozenset[Learned]


class Tables:
    """Looks at the routers' tables ten times a second.

    Every router has every prefix from every floating IP, also while a session is down: the one from another address
    must not hide that the routes of this one were dropped. For the addresses in ``dropped`` that one does suffice.
    """

    def __init__(self, cluster: FaultCluster) -> None:
        self.expected = cluster.prefixes()
        self.missing: list[Missing] = []
        self.dropped: set[IPAddress] = set()
        self._addresses = cluster.floating_ips
        self.looks = 0
        self.exempt: set[str] = set()
        self._views = {name: cluster.view(name) for name in cluster.router_names}

    def run(self, ended: threading.Event) -> None:
        """Look until told to end."""
        while not ended.is_set():
            began = time.monotonic()
            for name, view in self._views.items():
                if name not in self.exempt:
                    self._look(name, view)
            self.looks += 1
            ended.wait(max(0.0, began + TABLES_EVERY - time.monotonic()))
        for view in self._views.values():
            view.close()

    def gaps(self, router: str) -> list[tuple[float, float]]:
        """Return from when to when something was missing at a router."""
        moments = sorted({each.at for each in self.missing if each.router == router})
        found: list[tuple[float, float]] = []
        for at in moments:
            if found and at - found[-1][1] <= _GAP:
                found[-1] = (found[-1][0], at)
            else:
                found.append((at, at))
        return found

    def _look(self, router: str, view: RouterView) -> None:
        at = time.monotonic()
        try:
            seen = view.paths()
        except LabError:
            self.missing.append(Missing(at, router, frozenset()))
            return
        known = {prefix for prefix, _ in seen}
        lacking = {
            (prefix, address)
            for prefix in self.expected
            for address in self._addresses
            if (prefix, address) not in seen and (address not in self.dropped or prefix not in known)
        }
        if lacking:
            self.missing.append(Missing(at, router, frozenset(lacking)))


class Lans:
    """Follows addresses, answers and BGP segments on all nodes and in all racks."""

    def __init__(self, cluster: FaultCluster) -> None:
        floating = cluster.floating_ips
        self.holders = Holders(frozenset(floating))
        self.answers = Answers()
        self.speech = Speech(self.holders)
        self._addresses = [AddressSocket(name, place) for name, place in cluster.nodes.items()]
        self._cables = [Cable(name, cluster.rack_of(name), port_name(name)) for name in cluster.nodes]
        self._observers = list(_observers(cluster))
        self.take(self._read_addresses())

    def take(self, changes: list[Change]) -> None:
        """Take what the kernels said."""
        self.holders.take(changes)

    def run(self, ended: threading.Event) -> None:
        """Follow until told to end."""
        sockets = (*self._addresses, *self._cables, *self._observers)
        next_question = time.monotonic()
        while not ended.is_set():
            now = time.monotonic()
            if now >= next_question:
                next_question = now + ASKED_EVERY
                self.answers.next_round()
                for observer in self._observers:
                    observer.ask()
            select.select(sockets, (), (), max(0.0, min(_PATIENCE, next_question - now)))
            # Segments first: what had been sent before its address went is then judged knowing both.
            said = [(cable.node, segment) for cable in self._cables for segment in cable.read()]
            self.take(self._read_addresses())
            for node, segment in said:
                self.speech.heard(node, segment)
            for observer in self._observers:
                for address, mac in observer.read():
                    self.answers.answered(time.monotonic(), address, mac)
        for each in sockets:
            each.close()

    def _read_addresses(self) -> list[Change]:
        return [change for each in self._addresses for change in each.read()]


def _observers(cluster: FaultCluster) -> Iterator[Observer]:
    """Plug the observer into every rack, once for a cluster."""
    name = f"{cluster.network.prefix}observer"
    namespace = cluster.network.namespace("observer")
    new = not namespace.exists
    if new:
        create(name)
    for rack in cluster.topology.racks:
        if new:
            plug(cluster.network.namespace(rack.name), "observer", namespace, rack.name)
        for subnet in rack.subnets:
            own = subnet.network_address + _OBSERVER_HOST
            if new:
                namespace.add_addresses(rack.name, [ip_interface((own, subnet.prefixlen))])
            wanted = [each for each in cluster.floating_ips if each in subnet]
            if wanted:
                yield Observer(namespace, rack.name, own, wanted)


@dataclass(slots=True)
class Watch:
    """A watch that runs. ``may_...`` before a fault says what it may cost; :meth:`verify` finds what it should not."""

    cluster: FaultCluster
    lans: Lans
    tables: Tables
    began: float
    _pings: dict[tuple[str, str, Family], Ping] = field(default_factory=dict)
    _silent: set[str] = field(default_factory=set)
    _gaps: dict[str, float] = field(default_factory=dict)
    _double_seconds: float = 0.0
    _strangers: bool = False
    _speaking_on: set[str] = field(default_factory=set)
    _losses: int = 0
    _faults: list[str] = field(default_factory=list)

    # --- what a fault may cost

    def may_lose_pings_of(self, node: str) -> None:
        """Let pods of a node be out of reach: the machine, its link or its router is what fails."""
        self._silent.add(node)

    def may_lose_pings(self, at_most: int) -> None:
        """Let each stream of pings lose so many."""
        self._losses = at_most

    def may_miss_routes(self, router: str) -> None:
        """Look no longer at a router: it is what fails."""
        self.tables.exempt.add(router)

    def may_drop_routes_from(self, address: IPAddress) -> None:
        """Let routers drop what a session brought, as long as the others bring it too."""
        self.tables.dropped.add(address)

    def may_miss_routes_for(self, router: str, seconds: float) -> None:
        """Let a router miss routes, for so long at a time at most."""
        self._gaps[router] = seconds

    def may_be_held_twice_for(self, seconds: float) -> None:
        """Let two nodes that could not hear each other have an address, for so long at most."""
        self._double_seconds = seconds

    def may_be_answered_by_strangers(self) -> None:
        """Let a machine that is none of ours answer for addresses as well."""
        self._strangers = True

    def may_speak_on_in_ipv6(self, node: str) -> None:
        """Let a gobgpd whose speaker is gone speak from an IPv6 address after its lifetime: its kernel lets it."""
        self._speaking_on.add(node)

    # --- what was seen

    def holder(self, address: IPAddress) -> str:
        """Return the one node that has an address now; empty if it is none, or more than one."""
        nodes = self.lans.holders.of(address)
        return nodes[0] if len(nodes) == 1 else ""

    def changes(self, address: IPAddress, since: float = 0.0) -> list[Change]:
        """Return what happened to an address since a moment of the monotonic clock."""
        return [
            each for each in self.lans.holders.changes if each.address == address and each.at >= max(since, self.began)
        ]

    def moved(self) -> list[Change]:
        """Return everything that happened to any address since the watch began."""
        return [each for each in self.lans.holders.changes if each.at >= self.began]

    def ping(self, here: str, there: str) -> None:
        """Ping from a pod of one node to a pod of another from now on, in all families."""
        for family in self.cluster.families:
            source, target = (self._pod(node, family) for node in (here, there))
            ping = start_ping(self.cluster.sandbox, self.cluster.nodes[here], source, target)
            self._pings[here, there, family] = ping

    def violations(self) -> list[str]:
        """Return all that should not have been; pings are counted only by :meth:`verify`."""
        return [*self._faults, *self._double_holders(), *self._missing_routes(), *self._old_sessions()]

    def verify(self) -> None:
        """Stop the pings, and raise :class:`AssertionError` with everything that should not have been."""
        found = [*self._lost_pings(), *self.violations()]
        assert not found, "\n".join(found)

    def _double_holders(self) -> Iterator[str]:
        doubles: list[Double] = self.lans.holders.all_doubles()
        for double in doubles:
            if double.seconds > self._double_seconds:
                yield f"{double.address} was on {' and '.join(double.nodes)} for {double.seconds:.3f} s"
        if not doubles and not self._strangers:
            for _, address, macs in self.lans.answers.double[:3]:
                yield f"{' and '.join(macs)} answered for {address} at the same time"

    def _missing_routes(self) -> Iterator[str]:
        for router in self.cluster.router_names:
            for since, until in self.tables.gaps(router):
                if router not in self.tables.exempt and until - since >= self._gaps.get(router, 0.0):
                    lacking = {
                        f"{prefix} from {address}"
                        for each in self.tables.missing
                        if each.router == router and since <= each.at <= until
                        for prefix, address in each.lacking
                    }
                    what = f"missed {', '.join(sorted(lacking))}" if lacking else "did not answer"
                    yield f"{router} {what} for {until - since:.1f} s"

    def _old_sessions(self) -> Iterator[str]:
        leaks = (each for each in self.lans.speech.leaks if not self._speaks_on(each))
        for leak in islice(leaks, 5):
            segment = leak.segment
            way = f"{segment.source}:{segment.source_port} > {segment.destination}:{segment.destination_port}"
            yield f"{leak.node} sent {way} (flags {segment.flags:#x}, {len(segment.payload)} octets): {leak.why}"

    def _speaks_on(self, leak: Leak) -> bool:
        return leak.node in self._speaking_on and leak.segment.source.version == 6 and leak.why == WITHOUT_ADDRESS

    def _lost_pings(self) -> Iterator[str]:
        for (here, there, family), result in self.stop_pings().items():
            if len(result.lost) > self._losses and not {here, there} & self._silent:
                lost = f"{len(result.lost)} of {result.sent} {family} pings"
                span = f"{lost}, the longest silence {result.longest_gap:.2f} s"
                yield f"from pods on {here} to pods on {there} were lost: {span}"

    def each_lost_some(self) -> bool:
        """Whether every stream of pings is known to have lost some by now."""
        return all(ping.so_far()[1] for ping in self._pings.values())

    def stop_pings(self) -> dict[tuple[str, str, Family], PingResult]:
        """Stop them all, and return what came of them."""
        results = {ends: ping.stop() for ends, ping in self._pings.items()}
        self._pings.clear()
        return results

    def _pod(self, node: str, family: Family) -> IPAddress:
        return next(each for each in self.cluster.pods[node] if Family.of(each) is family)


@contextmanager
def watching(cluster: FaultCluster, without: Collection[str] = ()) -> Iterator[Watch]:
    """Watch a cluster while the block runs; verify at its end, if nothing failed.

    Every node of the first rack pings one of the second, but for nodes that are to be out of reach (``without``).
    """
    ended = threading.Event()
    with ExitStack() as stack:
        watch = Watch(cluster, Lans(cluster), Tables(cluster), time.monotonic())
        threads = [
            threading.Thread(target=each.run, args=(ended,), name=f"watch {type(each).__name__}")
            for each in (watch.lans, watch.tables)
        ]
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(ended.set)
        stack.callback(watch.stop_pings)
        first, second = (cluster.nodes_of(rack.name) for rack in cluster.topology.racks[:2])
        for node in first:
            if not {node, second[0]} & set(without):
                watch.ping(node, second[0])
        yield watch
        watch.verify()
        dead = [thread.name for thread in threads if not thread.is_alive()]
        assert not dead, f"{', '.join(dead)} ended early: it saw nothing"
