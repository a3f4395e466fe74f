"""What the Cluster object says that decisions on the user cluster depend on."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from flatbgp.planning.marks import FLAT_IPV4, MIRRORED_FROM, SERVICES
from flatbgp.resources.cluster import ClusterSpec, ClusterStatus
from flatbgp.resources.ip import IPNetwork
from flatbgp.resources.parsing import Malformed, parse_network
from flatbgp.resources.resource import Resource

Cluster = Resource[ClusterSpec, ClusterStatus]


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """``flat_ipv4`` is ``None`` when nobody tells; ``services`` are the Service ranges that are known."""

    flat_ipv4: bool | None = None
    services: tuple[IPNetwork, ...] = ()


def cluster_facts(clusters: Collection[Cluster], copies: Collection[Resource[Any, Any]]) -> ClusterFacts:
    """Return the facts: from the Cluster if it is in this store too, else from what the mirror noted on its copies.

    Of several Clusters it is the one in whose namespace the sources of the copies are; without a mirror it must be the
    only one.
    """
    sources = {copy.meta.labels.get(MIRRORED_FROM) for copy in copies} - {None}
    found = [cluster for cluster in clusters if not sources or cluster.meta.namespace in sources]
    if len(found) == 1 and found[0].spec is not None:
        network = found[0].spec.cluster_network
        return ClusterFacts(network.flat_ipv4, network.services.cidr_blocks)
    noted = {copy.meta.annotations.get(FLAT_IPV4) for copy in copies}
    flat = True if "true" in noted else False if "false" in noted else None
    return ClusterFacts(flat, tuple(_services(copies)))


def _services(copies: Iterable[Resource[Any, Any]]) -> Iterable[IPNetwork]:
    texts = {
        text.strip() for copy in copies for text in copy.meta.annotations.get(SERVICES, "").split(",") if text.strip()
    }
    for text in sorted(texts):
        try:
            yield parse_network(text)
        except Malformed:
            continue  # somebody wrote into our annotation; the mirror puts it right
