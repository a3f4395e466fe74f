"""The lab with containers in place of network namespaces: what ``docker-compose.yaml`` leaves to this program.

Compose gives containers their networks and addresses; a unit test holds its file to the topology that the manifests
lead to. What Compose cannot do is here: the routers' configurations, the two stores, and what makes a container a
machine of the cluster (its default routes, and pods).
"""

import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from flatbgp.lab import bird, frr
from flatbgp.lab.commands import LabError, run
from flatbgp.lab.lifecycle import Lab
from flatbgp.lab.manifests import AnyResource, demand_of
from flatbgp.lab.namespaces import Namespace
from flatbgp.lab.network import add_pods
from flatbgp.lab.stores import documents
from flatbgp.lab.topology import Node, Router, Topology, derive
from flatbgp.lab.waiting import wait_until
from flatbgp.resources.ip import Family, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.node import NODE

PODS_DEADLINE: Final = 120.0
"""Seconds that a node waits for its pod CIDRs: its Node is applied and the controller leads within a few."""


def prepare(resources: tuple[AnyResource, ...], source: str, directory: Path, configs: Path) -> list[str]:
    """Write the routers' configurations below ``configs`` and fill the stores in ``directory``; return what was done.

    ``configs/router-1/frr.conf`` and ``bird.conf`` say the same to one implementation or the other. Whatever is there
    already is brought up to date, so that this may run before every start.
    """
    lab = Lab(resources, source, directory)
    done = []
    for router in lab.topology.routers:
        place = configs / router.name
        place.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("frr.conf", frr_config(router, lab.topology)),
            ("bird.conf", bird.render(router, dict(lab.topology.routes_of(router)))),
        ):
            (place / name).write_text(text)
            done.append(f"wrote {place / name}")
    lab.apply_manifests()
    done.append(f"applied {source} to {lab.stores.admin}, and its nodes to {lab.stores.user}")
    return done


def frr_config(router: Router, topology: Topology) -> str:
    """Return the configuration of all of a router's daemons in one file, as ``vtysh -b`` takes it."""
    word = {Family.IPV4: "ip", Family.IPV6: "ipv6"}
    static = (f"{word[Family.of(subnet)]} route {subnet} {via}\n" for subnet, via in topology.routes_of(router))
    return frr.render(router) + "".join(static)


class ThisNamespace(Namespace):
    """The network namespace that this process is in already: a container's."""

    def command(self, *command: str) -> tuple[str, ...]:
        """Return the command as it is."""
        return command

    def ip(self, *lines: str) -> None:
        """Run ``ip`` command lines here, in one batch."""
        run(("ip", "-batch", "-"), text="\n".join(lines) + "\n")


def be_node(resources: tuple[AnyResource, ...], name: str, store: str, say: Callable[[str], None]) -> None:
    """Make this container the machine of a Node, and stay until SIGTERM.

    Its default routes are its rack's router, not Docker's bridge; and it has an address of each pod CIDR that its Node
    is given, in place of pods. gobgpd and speaker share its network namespace.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the first process of a container would not hear it
    with suppress(KeyboardInterrupt):
        _settle(resources, name, store, say)
        signal.pause()


def _settle(resources: tuple[AnyResource, ...], name: str, store: str, say: Callable[[str], None]) -> None:
    topology = derive(demand_of(resources))
    node = _node(topology, name)
    gateways = topology.rack(node.rack).gateways
    here = ThisNamespace("")
    _configure(here, [f"route replace default via {each}" for each in gateways])
    say(f"{name} is in {node.rack}: its router is {', '.join(map(str, gateways))}")
    cidrs = wait_until(
        f"pod CIDRs of Node {name} in {store}",
        lambda: _pod_cidrs(store, name),
        deadline=PODS_DEADLINE,
        interval=0.2,
    )
    pods = add_pods(here, cidrs)
    say(f"{name} has {', '.join(map(str, pods))} in place of pods")


def _node(topology: Topology, name: str) -> Node:
    for node in topology.nodes:
        if node.name == name:
            return node
    known = ", ".join(node.name for node in topology.nodes)
    raise LabError(f"there is no node {name!r} in the network of these manifests, but {known}")


def _configure(here: Namespace, lines: list[str]) -> None:
    try:
        here.ip(*lines)
    except LabError as error:
        if "Operation not permitted" in str(error):
            raise LabError(
                "this container may not change routes: give it the capability NET_ADMIN (cap_add in the compose file)"
            ) from error
        raise


def _pod_cidrs(store: str, name: str) -> tuple[IPNetwork, ...]:
    document: Mapping[str, Any] = documents(store, NODE).get(Key("", name), {})
    return tuple(ip_network(cidr) for cidr in document.get("spec", {}).get("podCIDRs") or ())
