"""A lab from nothing to running and back: the network, its daemons, two stores, and flatbgp's three roles.

The guide's admin cluster and user cluster are two sqlite stores. What a person declares is applied to the first, the
Nodes to the second, and the admin role carries the one to the other.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from flatbgp.lab import bird, frr, gobgpd
from flatbgp.lab.commands import LabError, run
from flatbgp.lab.manifests import AnyResource, demand_of, divide, node_document, read_manifests, to_text
from flatbgp.lab.namespaces import create, existing
from flatbgp.lab.network import Network
from flatbgp.lab.processes import Process, ProcessRecord, stop_all
from flatbgp.lab.state import LAB_DIRECTORY, LabState, load, save
from flatbgp.lab.stores import documents, stores
from flatbgp.lab.topology import CONTROL, Node, Router, Topology, derive
from flatbgp.lab.waiting import DeadlineExceeded, wait_until
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.node import NODE

PREFIX = "flatbgp-"
"""Of the namespaces' names: ``ip netns exec flatbgp-node-01 ...``."""

_MANIFESTS = ("admin.yaml", "nodes.yaml")
_ROLES = ("admin", "controller", "speaker")
_FLATBGP = (sys.executable, "-m", "flatbgp.cli.main")
_NEEDED_PROGRAMS = ("ip", "sysctl", "ping")


class Software(StrEnum):
    """What the routers of a lab run."""

    FRR = "frr"
    BIRD = "bird"


def check_root() -> None:
    """Raise :class:`LabError` for anybody but root."""
    if os.geteuid() != 0:
        raise LabError("the lab is made of network namespaces, which need root: run it again with sudo")


def check_machine(software: Software = Software.FRR) -> None:
    """Raise :class:`LabError` with all that is missing to run a lab here, and how to get it."""
    problems = []
    try:
        check_root()
    except LabError as error:
        problems.append(str(error))
    problems += [f"{name} is not installed" for name in _NEEDED_PROGRAMS if shutil.which(name) is None]
    routing = {
        Software.FRR: (lambda: frr.daemon("zebra"), lambda: frr.daemon("bgpd")),
        Software.BIRD: (bird.find_bird,),
    }
    for find in (gobgpd.find_gobgpd, *routing[software]):
        try:
            find()
        except LabError as error:
            problems.append(str(error))
    if problems:
        raise LabError("no lab can run here yet:\n  " + "\n  ".join(problems))


def flatbgp(*arguments: str) -> str:
    """Run a ``flatbgp`` command to its end and return what it printed."""
    return run((*_FLATBGP, *arguments))


class Lab:
    """A lab in the making. Each process is on disk as soon as it runs, so that :func:`take_down` finds it."""

    def __init__(
        self,
        resources: Sequence[AnyResource],
        source: str,
        directory: Path = LAB_DIRECTORY,
        prefix: str = PREFIX,
        *,
        mesh: bool = True,
        gobgpd_binary: str | None = None,
        software: Software = Software.FRR,
    ) -> None:
        """``resources`` are the objects of the manifest file ``source``; for ``mesh`` see :class:`Demand`.

        ``routers`` holds those that run FRR, ``birds`` those that run BIRD: all of them are the one or the other.
        """
        self.directory = directory
        self.stores = stores(directory)
        self.topology: Topology = derive(demand_of(resources, mesh=mesh))
        self.network = Network(prefix, self.topology)
        self.routers: dict[str, frr.RouterProcess] = {}
        self.birds: dict[str, bird.BirdProcess] = {}
        self.gobgpds: dict[str, Process] = {}
        self.roles: dict[str, Process] = {}
        self._division = divide(resources)
        self._gobgpd = gobgpd_binary
        self.software = software
        self._state = LabState(source, prefix, since=datetime.now(UTC))

    @classmethod
    def running(cls, directory: Path = LAB_DIRECTORY) -> Self:
        """Return the lab that another call brought up; :class:`LabError` when none is."""
        state = load(directory)
        if state is None or not state.ready:
            raise LabError("no lab is up: 'flatbgp lab up' starts one")
        files = [file for name in _MANIFESTS if (file := directory / name).exists()]
        resources = [each for file in files for each in read_manifests(file.read_bytes(), str(file))]
        birds = any(record.name.endswith(" bird") for record in state.processes)
        software = Software.BIRD if birds else Software.FRR
        lab = cls(resources, state.manifests, directory, state.prefix, software=software)
        lab._state = state
        return lab

    def build(self) -> None:
        """Make the network; start the routers and each node's gobgpd."""
        save(self.directory, self._state)
        self.network.build()
        for router in self.topology.routers:
            self.start_router(router)
        for node in self.topology.nodes:
            self.start_gobgpd(node.name)

    def write_manifests(self) -> tuple[Path, Path]:
        """Write what goes to the admin store (if anything does) and what to the user store, each to a file."""
        admin, user = (self.directory / name for name in _MANIFESTS)
        own = [each.document for each in self._division.user]
        if not any(each.kind is NODE for each in self._division.user):
            own += [node_document(node) for node in self.topology.nodes]
        for path, objects in ((admin, [each.document for each in self._division.admin]), (user, own)):
            if objects:
                path.touch(mode=0o600)  # it may hold Secrets
                path.write_text(to_text(objects))
        return admin, user

    def apply_manifests(self) -> None:
        """Apply them."""
        admin, user = self.write_manifests()
        if self._division.admin:
            flatbgp("apply", "-f", str(admin), "--store", self.stores.admin)
        flatbgp("apply", "-f", str(user), "--store", self.stores.user)

    def start_roles(self) -> None:
        """Start admin and controller, in a namespace without any interface, and the speaker of each node.

        Where all is declared on the user cluster itself there is nothing to mirror, and no admin role.
        """
        create(self.network.prefix + CONTROL)
        (self.directory / CONTROL).mkdir()
        if self._division.admin:
            self.start_admin()
        self.start_controller()
        for node in self.topology.nodes:
            self.start_speaker(node.name)

    def add_node(self, name: str, rack: str) -> Node:
        """Plug in one more machine, with gobgpd and speaker. It becomes a node once its Node object is applied."""
        node = self.topology.spare_node(name, rack)
        self.network.add_node(node)
        self.start_gobgpd(node.name)
        self.start_speaker(node.name)
        self.topology = replace(self.topology, nodes=(*self.topology.nodes, node))
        return node

    def add_pods(self, deadline: float) -> dict[str, tuple[IPAddress, ...]]:
        """Wait until the nodes have their pod CIDRs, and give each of them addresses in place of pods.

        Returns the pods' addresses by node; a node that has no pod CIDR after ``deadline`` seconds is left out.
        """
        names = {node.name for node in self.topology.nodes}

        def settled(found: Mapping[str, tuple[IPNetwork, ...]]) -> bool:
            return all(found.get(name) for name in names) or bool(self._ended())

        with suppress(DeadlineExceeded):  # a node that no ClusterCIDRConfig selects stays without: that is no failure
            wait_until(
                "pod CIDRs on every Node",
                self.pod_cidrs,
                settled,
                deadline=deadline,
                interval=0.1,
            )
        self.check()
        found = self.pod_cidrs()
        return {name: self.network.add_pods(name, found[name]) for name in sorted(names) if found.get(name)}

    def pod_cidrs(self) -> dict[str, tuple[IPNetwork, ...]]:
        """Return the pod CIDRs of every Node on the user cluster."""
        return {
            key.name: tuple(ip_network(cidr) for cidr in document.get("spec", {}).get("podCIDRs") or ())
            for key, document in documents(self.stores.user, NODE).items()
        }

    def expected_routes(self, family: Family) -> dict[IPNetwork, frozenset[IPAddress]]:
        """Return what every router must have: each Node's pod CIDRs by way of the Node's own address."""
        addresses = {node.name: [each.ip for each in node.addresses] for node in self.topology.nodes}
        return {
            cidr: frozenset(each for each in addresses[name] if Family.of(each) is family)
            for name, cidrs in self.pod_cidrs().items()
            for cidr in cidrs
            if Family.of(cidr) is family
        }

    def finish(self) -> None:
        """Record that the lab is up."""
        self.check()
        self._state = replace(self._state, ready=True)
        save(self.directory, self._state)

    def check(self) -> None:
        """Raise :class:`LabError` with the last words of a gobgpd or role that has ended by itself."""
        for process in self._ended():
            raise LabError(f"{process.record.name} ended: {process.output.strip()[-1000:] or 'it said nothing'}")

    def _ended(self) -> list[Process]:
        return [process for process in (*self.gobgpds.values(), *self.roles.values()) if not process.alive]

    def admin_options(self) -> tuple[str, ...]:
        """Return the options of ``flatbgp admin``."""
        namespace = self._division.cluster_namespace
        where = ("--cluster-namespace", namespace) if namespace is not None else ()
        return ("--admin-store", self.stores.admin, *where, *self._common_options(CONTROL))

    def controller_options(self) -> tuple[str, ...]:
        """Return the options of ``flatbgp controller``."""
        return self._common_options(CONTROL)

    def speaker_options(self, node: str) -> tuple[str, ...]:
        """Return the options of ``flatbgp speaker`` on a node.

        All nodes of the lab share this machine's machine-id, so each needs an instance of its own.
        """
        api = f"unix://{self.api(node)}"
        return ("--node", node, "--gobgp", api, "--instance", f"lab-{node}", *self._common_options(node))

    def api(self, node: str) -> Path:
        """Return the Unix socket of a node's gobgpd."""
        return self.directory / node / "gobgpd.sock"

    def start_router(self, router: Router) -> None:
        """Start a router's FRR, or BIRD."""
        namespace, directory = self.network.namespace(router.name), self.directory / router.name
        if self.software is Software.BIRD:
            self.birds[router.name] = bird.start_router(router.name, bird.render(router), namespace, directory)
            self.record(self.birds[router.name].process)
        else:
            running = frr.start_router(router.name, frr.render(router), namespace, directory)
            self.routers[router.name] = running
            self.record(*running.processes)

    def start_gobgpd(self, node: str) -> None:
        """Start a node's gobgpd."""
        namespace = self.network.namespace(node)
        process = gobgpd.start_gobgpd(f"gobgpd {node}", namespace, self.api(node), binary=self._gobgpd)
        self.gobgpds[node] = process
        self.record(process)

    def start_admin(self) -> None:
        """Start the admin role."""
        self._start_role(CONTROL, "admin", *self.admin_options())

    def start_controller(self) -> None:
        """Start the controller."""
        self._start_role(CONTROL, "controller", *self.controller_options())

    def start_speaker(self, node: str) -> None:
        """Start a node's speaker."""
        self._start_role(node, "speaker", *self.speaker_options(node))

    def record(self, *processes: Process) -> None:
        """Put processes on disk, so that :func:`take_down` finds them."""
        records = tuple(process.record for process in processes)
        started = {record.name for record in records}
        kept = tuple(each for each in self._state.processes if each.name not in started or each.alive)
        self._state = replace(self._state, processes=kept + records)
        save(self.directory, self._state)

    def recorded(self, node: str) -> tuple[ProcessRecord, ...]:
        """Return what runs on a node: its gobgpd and its speaker."""
        names = (f"gobgpd {node}", f"speaker {node}")
        return tuple(each for each in self._state.processes if each.name in names and each.alive)

    def _common_options(self, place: str) -> tuple[str, ...]:
        state = str(self.directory / place / "state")
        return ("--store", self.stores.user, "--state-dir", state, "--log-format", "text")

    def _start_role(self, place: str, role: str, *options: str, program: Sequence[str] = _FLATBGP) -> None:
        name = role if place == CONTROL else f"{role} {place}"
        log = self.directory / place / f"{role}.log"
        process = self.network.namespace(place).start(name, *program, role, *options, log=log)
        self.roles[name] = process
        self.record(process)


def bring_up(lab: Lab, deadline: float = 20.0) -> dict[str, tuple[IPAddress, ...]]:
    """Do all the steps; return the pods' addresses by node. On any failure or Ctrl-C nothing is left behind."""
    check_machine(lab.software)
    refuse_second(lab.directory)
    try:
        lab.build()
        lab.apply_manifests()
        lab.start_roles()
        pods = lab.add_pods(deadline)
        lab.finish()
    except BaseException:
        take_down(lab.directory, lab.network.prefix)
        raise
    return pods


def refuse_second(directory: Path) -> None:
    """Raise :class:`LabError` when a lab is up; what a crashed one left behind is removed."""
    state = load(directory)
    if state is None:
        return
    if state.ready and any(record.alive for record in state.processes):
        raise LabError(
            f"a lab is up since {state.since.astimezone():%H:%M:%S} (for {state.manifests}): "
            "'flatbgp lab status' shows it, 'flatbgp lab down' ends it"
        )
    take_down(directory, state.prefix)


def take_down(directory: Path, prefix: str = PREFIX) -> bool:
    """End every process and remove every namespace of a lab, also of one that came up only in part.

    Returns whether there was anything. The roles go first: the speakers' last words need their gobgpd.
    """
    try:
        state = load(directory)
    except LabError:  # unreadable: the namespaces tell what there is
        state = None
    records = state.processes if state is not None else ()
    stop_all(record for record in records if record.name.split(" ")[0] in _ROLES)
    stop_all(records)
    namespaces = existing(state.prefix if state is not None else prefix)
    for namespace in namespaces:
        namespace.delete()
    shutil.rmtree(directory, ignore_errors=True)
    return state is not None or bool(namespaces)
