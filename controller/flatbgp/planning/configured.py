"""All that a person configured on a user cluster, read together."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from flatbgp.planning.clusterfacts import Cluster, ClusterFacts, cluster_facts
from flatbgp.planning.configuration import Configuration, Group, Mode, Peer, configuration
from flatbgp.planning.marks import is_copy, mirror_is_active
from flatbgp.planning.podcidrs import CIDRConfig
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.resource import Resource


@dataclass(frozen=True, slots=True)
class Configured:
    """The objects, and what counts of them. ``mirrored``: an admin role writes them."""

    config: Configuration
    modes: Sequence[Mode]
    groups: Sequence[Group]
    peers: Sequence[Peer]
    ranges: Sequence[CIDRConfig]
    facts: ClusterFacts
    mirrored: bool

    def reserved(self) -> tuple[IPNetwork, ...]:
        """Return what must not be given to pods: Service ranges, floating IPs, routers."""
        hosts = {*self.config.floating_ips, *(spec.peer_ip for _, spec in self.config.peers)}
        return (*self.facts.services, *sorted((ip_network(host) for host in hosts), key=str))


def configured(
    modes: Sequence[Mode],
    groups: Sequence[Group],
    peers: Sequence[Peer],
    ranges: Sequence[CIDRConfig],
    clusters: Collection[Cluster],
) -> Configured:
    """Read the objects of a user cluster together (as :func:`~.configuration.last_good` gives them)."""
    objects: list[Resource[Any, Any]] = [*modes, *groups, *peers, *ranges]
    return Configured(
        config=configuration(modes, groups, peers),
        modes=modes,
        groups=groups,
        peers=peers,
        ranges=ranges,
        facts=cluster_facts(clusters, [each for each in objects if is_copy(each.meta)]),
        mirrored=mirror_is_active(objects),
    )
