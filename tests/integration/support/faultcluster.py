"""A cluster whose parts can be made to fail in every way that we can cause, and be made whole again."""

import asyncio
import signal
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_interface

from flatbgp.lab import frr
from flatbgp.lab.lifecycle import Software
from flatbgp.lab.namespaces import Namespace, create, plug
from flatbgp.lab.network import NODE_INTERFACE, port_name
from flatbgp.lab.processes import Process
from flatbgp.lab.topology import Router, rack_subnet
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.names import lease_name
from flatbgp.resources.node import DRAIN_ANNOTATION, NODE
from flatbgp.store.url import open_store
from support.announcing import announce_address
from support.binaries import gobgpd
from support.breakablestore import BreakableStore
from support.holders import holders_of
from support.routerview import BirdView, FrrView, RouterView
from support.sandbox import Sandbox
from support.settableclock import SettableClock
from support.setups import PROFILES, Setup

SETTLED_SECONDS = 45.0
"""Until everything is as it should be again, once nothing is broken any more."""

SPREAD_SECONDS = 75.0
"""The same for addresses that may have to spread first: a minute, up to 5 s of chance, and the sessions."""

_ELSEWHERE = "elsewhere"


class FaultCluster(BreakableStore):
    """Rack 1 has node-01 and node-03, rack 2 has node-02; each rack has a router and a floating IP.

    ``spoiled``: a test changed what does not heal. ``clocks``: the wall clocks that can be set, of nodes and of the
    place of controller and admin, if the setup wants them.
    """

    def __init__(self, sandbox: Sandbox, setup: Setup) -> None:
        self.setup = setup
        self.spoiled = False
        self.clocks: dict[str, SettableClock] = {}
        self._guests: list[Namespace] = []
        self._said: dict[str, int] = {}
        self._altered: set[str] = set()
        options = dict.fromkeys(("admin", "controller", "speaker"), PROFILES[setup.profile])
        super().__init__(
            sandbox,
            setup.manifests,
            gobgpd_binary=gobgpd(setup.gobgpd),
            extra=options,
            software=Software(setup.router),
        )

    # --- looking

    @property
    def router_names(self) -> tuple[str, ...]:
        """The routers."""
        return tuple(router.name for router in self.topology.routers)

    @property
    def nodes(self) -> Mapping[str, Namespace]:
        """The nodes' namespaces."""
        return {node.name: self.network.namespace(node.name) for node in self.topology.nodes}

    def nodes_of(self, rack: str) -> tuple[str, ...]:
        """Return the nodes of a rack."""
        return tuple(node.name for node in self.topology.nodes if node.rack == rack)

    @property
    def families(self) -> tuple[Family, ...]:
        """The families of the pods, whose routes every router must have."""
        return tuple(Family) if self.setup.ipv6 else (Family.IPV4,)

    @property
    def floating_ips(self) -> tuple[IPAddress, ...]:
        """All floating IPs: what the routers are configured for."""
        return tuple(
            sorted({each.address for router in self.router_names for each in self._neighbors(router)}, key=int)
        )

    def view(self, router: str) -> RouterView:
        """Open a view of a router."""
        if router in self.birds:
            return BirdView(self.birds[router], self.families)
        return FrrView(self.directory / router, self.families)

    def rack_of(self, name: str) -> Namespace:
        """Return the switch that a node or router is plugged into."""
        found = next(each for each in (*self.topology.nodes, *self.topology.routers) if each.name == name)
        return self.network.namespace(found.rack)

    def floating_ip(self, rack: str) -> IPAddress:
        """Return the first floating IP of a rack."""
        subnets = self.topology.rack(rack).subnets
        return next(address for address in self.floating_ips if any(address in subnet for subnet in subnets))

    @property
    def peers(self) -> tuple[IPAddress, ...]:
        """The routers' addresses in their racks, of the family of the sessions."""
        version = self.floating_ips[0].version
        return tuple(
            next(each.ip for each in router.addresses if each.version == version) for router in self.topology.routers
        )

    def said_established(self) -> set[tuple[str, str]]:
        """Return the sessions (peer, floating IP) that are Established by the word of the node with the address."""
        holders = {str(address): self.lease_holder(address) for address in self.floating_ips}
        return {
            (spec["peerIP"], spec["localIP"])
            for each in self.objects("bgpsessions").values()
            if each.get("status", {}).get("state") == "Established"
            and (spec := each["spec"])["nodeName"] == holders.get(spec["localIP"])
        }

    def lease_holder(self, address: IPAddress) -> str:
        """Return who holds a floating IP according to its Lease."""
        spec = self.objects("leases").get(lease_name(address), {}).get("spec", {})
        return str(spec.get("holderIdentity", ""))

    def configured_on(self, address: IPAddress) -> tuple[str, ...]:
        """Return the nodes that have an address configured."""
        return holders_of([address], self.nodes)[address]

    def generation(self, router: str, address: IPAddress) -> Hashable:
        """Return what tells a router's present session with an address from others; ``None``: none is up."""
        view = self.view(router)
        try:
            return view.generations().get(address)
        finally:
            view.close()

    def prefixes(self) -> frozenset[IPNetwork]:
        """Return the prefixes that every router must have."""
        found = (cidr for cidrs in self.pod_cidrs().values() for cidr in cidrs)
        return frozenset(cidr for cidr in found if Family.of(cidr) in self.families)

    def lease_seconds(self) -> int:
        """Return how long a Lease lasts."""
        return 2 if self.setup.profile == "fast" else 5

    # --- starting

    def _start_role(self, place: str, role: str, *options: str) -> None:
        if not self.setup.clocks:
            super()._start_role(place, role, *options)
            return
        if place not in self.clocks:
            self.clocks[place] = SettableClock(self.directory / place / "clock.json")
        super()._start_role(place, role, *options, program=self.clocks[place].flatbgp)

    def start_speaker(self, node: str) -> None:
        log = self.directory / node / "speaker.log"
        self._said[node] = log.stat().st_size if log.exists() else 0
        super().start_speaker(node)

    def said(self, node: str) -> str:
        """Return what a node's present speaker has said; all of them write to one log."""
        return self.speaker(node).record.log.read_bytes()[self._said[node] :].decode(errors="replace")

    # --- processes

    def processes(self, node: str) -> tuple[Process, Process]:
        """Return a node's gobgpd and speaker."""
        return self.gobgpds[node], self.speaker(node)

    def run_gobgpd(self, node: str, binary: str) -> None:
        """Start another gobgpd on a node than the cluster began with."""
        self._gobgpd = binary
        self.start_gobgpd(node)

    def set_draining(self, node: str, *, draining: bool) -> None:
        """Begin or end to drain a node, without waiting for what follows from it."""
        patch = {"metadata": {"annotations": {DRAIN_ANNOTATION: "true" if draining else None}}}

        async def write() -> None:
            store = open_store(self.stores.user)
            try:
                await store.patch(NODE, node, "", patch)
            finally:
                await store.close()

        asyncio.run(write())

    def everything_said(self) -> str:
        """Return all that flatbgp has logged."""
        logs = (*self.directory.glob("*/speaker.log"), *self.directory.glob("control/*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def signal_all(self, node: str, number: signal.Signals) -> None:
        """Send a signal to all of flatbgp and gobgpd on a node."""
        for process in self.processes(node):
            process.signal(number)

    def reboot(self, node: str) -> None:
        """Take a machine down and up again: no process, no address that was not configured for good, same machine."""
        self.power_off(node)
        self.drop_addresses(node)
        self.power_on(node)

    def power_on(self, node: str) -> None:
        """Boot a machine."""
        self.drop_addresses(node)
        self.restore_network(node)
        self._ensure_node(node)

    def drop_addresses(self, node: str) -> None:
        """Take every floating IP off a machine, as somebody else on it may."""
        place = self.network.namespace(node)
        for address in self.floating_ips:
            if node in self.configured_on(address):
                place.run("ip", "address", "delete", f"{address}/{address.max_prefixlen}", "dev", NODE_INTERFACE)

    def restore_network(self, node: str) -> None:
        """Give a machine what went with its link: the IPv6 address and the default routes."""
        found = next(each for each in self.topology.nodes if each.name == node)
        place, own = self.network.namespace(node), {each.version for each in found.addresses}
        place.set_link(NODE_INTERFACE, up=True)
        place.add_addresses(NODE_INTERFACE, found.addresses)
        gateways = [each for each in self.topology.rack(found.rack).gateways if each.version in own]
        place.ip(*(f"route replace default via {each}" for each in gateways))

    # --- the routers

    def restart_bgpd(self, router: str, *, graceful: bool = True) -> None:
        """Kill a router's bgpd and start it again, with or without graceful restart; zebra is left alone."""
        found = next(each for each in self.topology.routers if each.name == router)
        running = self.routers[router]
        running.vty.close()
        running.bgpd.kill()
        config = frr.render(found)
        if not graceful:
            config = "\n".join(line for line in config.splitlines() if "graceful-restart" not in line) + "\n"
        frr._write_secret(running.directory / "bgpd.conf", config)
        running.bgpd = frr._start_daemon("bgpd", router, running.namespace, running.directory)
        self.record(running.bgpd)
        self._altered.discard(router)
        if not graceful:
            self._altered.add(router)

    def kill_bgp(self, router: str) -> None:
        """End what speaks BGP on a router, without a word; the machine goes on forwarding."""
        process = self.birds[router].process if router in self.birds else self.routers[router].bgpd
        process.kill()

    def kill_router(self, router: str) -> None:
        """Take a router away at once, with its link."""
        self.rack_of(router).set_link(port_name(router), up=False)
        self.kill_bgp(router)

    def change_mac(self, router: str, interface: str) -> None:
        """Give a router's interface another MAC address, as when its address moves to another machine."""
        place = self.network.namespace(router)
        octets = place.run("cat", f"/sys/class/net/{interface}/address").strip().split(":")
        octets[5] = f"{int(octets[5], 16) ^ 1:02x}"
        place.ip(f"link set {interface} address {':'.join(octets)}")

    # --- the LAN

    def cut_off(self, *names: str) -> None:
        """Let machines of one rack hear nobody but each other, with their links up: a switch that is broken."""
        switch = self.rack_of(names[0])
        if f" {_ELSEWHERE}:" not in switch.run("ip", "-o", "link", "show"):
            switch.ip(f"link add {_ELSEWHERE} type bridge forward_delay 0 stp_state 0 mcast_snooping 0")
            switch.ip(f"link set {_ELSEWHERE} up")
        switch.ip(*(f"link set {port_name(name)} master {_ELSEWHERE}" for name in names))

    def rejoin(self, *names: str) -> None:
        """Undo :meth:`cut_off`."""
        self.rack_of(names[0]).ip(*(f"link set {port_name(name)} master lan" for name in names))

    @contextmanager
    def losing(self, rack: str, percent: int) -> Iterator[None]:
        """Let the switch of a rack lose so many of all frames, ARP and all, while the block runs."""
        switch = self.network.namespace(rack)
        rules = (
            "table bridge faults {\n chain forward {\n  type filter hook forward priority 0;\n"
            f"  numgen random mod 100 < {percent} drop\n }}\n}}\n"
        )
        switch.run("nft", "-f", "-", text=rules)
        try:
            yield
        finally:
            switch.run("nft", "delete", "table", "bridge", "faults")

    def add_machine(self, name: str, rack: str) -> Namespace:
        """Plug in one more machine with a gobgpd, for a speaker of the test's own. It stays: see ``spoiled``."""
        machine = self.network.add_node(self.topology.spare_node(name, rack))
        self.start_gobgpd(name)
        return machine

    def add_guest(self, rack: str, address: IPAddress, *, announce: bool) -> Namespace:
        """Plug in a machine that is none of ours and has an address of a floating IP."""
        guest = create(f"{self.network.prefix}guest{len(self._guests)}")
        self._guests.append(guest)
        plug(self.network.namespace(rack), f"guest{len(self._guests)}", guest, NODE_INTERFACE)
        guest.add_addresses(NODE_INTERFACE, [ip_interface((address, rack_subnet(address).prefixlen))])
        if announce:
            announce_address(guest, address)
        return guest

    def remove_guests(self) -> None:
        """Unplug them all."""
        while self._guests:
            self._guests.pop().delete()

    # --- whole again

    def heal(self) -> None:
        """Mend all that may be broken, and start all that does not run; do not wait for what follows from it."""
        self.mend_store()
        self.remove_guests()
        for clock in self.clocks.values():
            clock.set_ahead(0.0)
        for process in (*self.gobgpds.values(), *self.roles.values()):
            process.signal(signal.SIGCONT)
        for node in self.topology.nodes:
            self.cut(node.name, off=False)
            self.rejoin(node.name)
            self.restore_network(node.name)
            self._ensure_node(node.name)
        self._ensure_roles()
        for router in self.topology.routers:
            self._ensure_router(router)

    def await_whole(self) -> None:
        """Wait until every address has one holder, and every router each session with every route from it."""
        wanted = set(self.floating_ips)
        expected = {(prefix, address) for prefix in self.prefixes() for address in wanted}
        for node in self.nodes:
            wait_until(
                f"the speaker of {node} to know who holds what, so that it could take over",
                lambda node=node: "reason=Held" in self.said(node),
                deadline=SETTLED_SECONDS,
                interval=0.1,
            )
        for address in wanted:
            wait_until(
                f"one holder of {address}, as its Lease says",
                lambda address=address: (self.configured_on(address), self.lease_holder(address)),
                lambda seen: len(seen[0]) == 1 and seen[0][0] == seen[1],
                deadline=SETTLED_SECONDS,
                interval=0.1,
            )
        # A router believes in the session of a lost holder until the new one connects, so its word alone is not enough.
        sessions = {(str(peer), str(address)) for peer in self.peers for address in wanted}
        wait_until(
            "every session to be said to be Established",
            self.said_established,
            lambda seen: seen == sessions,
            deadline=SPREAD_SECONDS if self.setup.further else SETTLED_SECONDS,
            interval=0.2,
        )
        for router in self.router_names:
            view = self.view(router)
            try:
                wait_until(
                    f"all sessions of {router}",
                    lambda view=view: set(view.generations()) & wanted,
                    lambda seen: seen == wanted,
                    deadline=SETTLED_SECONDS,
                    interval=0.1,
                )
                wait_until(
                    f"all routes of {router}, none of them stale",
                    view.fresh,
                    lambda seen: seen == expected,
                    deadline=SETTLED_SECONDS,
                    interval=0.1,
                )
            finally:
                view.close()

    def _ensure_node(self, node: str) -> None:
        if not self.gobgpds[node].alive:
            self.start_gobgpd(node)
        if not self.speaker(node).alive:
            self.start_speaker(node)

    def _ensure_roles(self) -> None:
        if not self.roles["controller"].alive:
            self.start_controller()
        if not self.roles["admin"].alive:
            self.start_admin()

    def _ensure_router(self, router: Router) -> None:
        self.rack_of(router.name).set_link(port_name(router.name), up=True)
        if router.name in self.birds:
            if not self.birds[router.name].process.alive:
                self.start_router(router)
        elif not self.routers[router.name].bgpd.alive or router.name in self._altered:
            self.restart_bgpd(router.name)
