"""What the objects in a store say about sessions to come: configuration, nodes, floating IPs, ranges."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from flatbgp.planning.check.findings import Finding, ok, problem, warning
from flatbgp.planning.configured import Configured
from flatbgp.planning.nodefacts import Node
from flatbgp.planning.phrases import some_of
from flatbgp.resources.bgppeer import BGPPeerSpec
from flatbgp.resources.bgpsession import BGPSessionSpec, BGPSessionStatus, SessionStatusState
from flatbgp.resources.flatipmode import FlatIPModeSpec
from flatbgp.resources.ip import Family, IPAddress, IPNetwork
from flatbgp.resources.meta import Key
from flatbgp.resources.networkgatewaygroup import FloatingIPStatus
from flatbgp.resources.node import address_of
from flatbgp.resources.parsing import Malformed, parse_address
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource

Session = Resource[BGPSessionSpec, BGPSessionStatus]

SUBNET_ANNOTATIONS = ("networking.gke.io/ipv4-subnet", "networking.gke.io/ipv6-subnet")
"""Annotations in which a CNI's agent notes a Node's address with the prefix length of its interface."""


@dataclass(frozen=True, slots=True)
class Objects:
    """What was read from the store.

    ``subnets`` are those that are known of some Nodes, by name; ``clusters`` are the Clusters that an admin cluster
    describes.
    """

    configured: Configured
    nodes: Sequence[Node] = ()
    sessions: Sequence[Session] = ()
    subnets: Mapping[str, tuple[IPNetwork, ...]] = field(default_factory=dict)
    clusters: Sequence[Key] = ()

    @property
    def mode(self) -> FlatIPModeSpec | None:
        """The FlatIPMode, if there is a usable one."""
        mode = self.configured.config.mode
        return mode.spec if mode is not None else None

    @property
    def families(self) -> tuple[Family, ...]:
        """The families that are announced."""
        mode = self.mode
        switched = ((Family.IPV4, mode.enable_bgp_ipv4), (Family.IPV6, mode.enable_bgp_ipv6)) if mode else ()
        return tuple(family for family, enabled in switched if enabled)

    @property
    def peers(self) -> tuple[tuple[str, BGPPeerSpec], ...]:
        """The selected BGPPeers, by name."""
        mode = self.mode
        if mode is None:
            return ()
        return tuple(
            (peer.meta.name, spec) for peer, spec in self.configured.config.peers if mode.selects(peer.meta.labels)
        )

    def established(self, peer: IPAddress) -> tuple[Session, ...]:
        """Return the sessions with a router that are up."""
        return tuple(
            session
            for session in self.sessions
            if session.spec is not None
            and session.spec.peer_ip == peer
            and session.status is not None
            and session.status.state is SessionStatusState.ESTABLISHED
        )


def noted_subnets(nodes: Iterable[Node]) -> dict[str, tuple[IPNetwork, ...]]:
    """Return the subnets that are noted on the Nodes themselves; those without a note are left out."""
    found = {
        node.meta.name: tuple(
            subnet
            for annotation in SUBNET_ANNOTATIONS
            if (subnet := _subnet(node.meta.annotations.get(annotation, ""))) is not None
        )
        for node in nodes
    }
    return {name: subnets for name, subnets in found.items() if subnets}


def _subnet(text: str) -> IPNetwork | None:
    """Return the subnet of "10.0.1.11/24": an address with its prefix length, or a range."""
    head, _, length = text.partition("/")
    try:
        address = parse_address(head)
    except Malformed:
        return None
    if not (length.isascii() and length.isdigit() and int(length) <= address.max_prefixlen):
        return None
    return network_of(address, int(length))


def judge_objects(objects: Objects) -> Iterator[Finding]:
    """Yield how it is with what a person configured, and with the Nodes that it is for."""
    yield from _configuration(objects)
    yield from _nodes(objects)
    yield from _floating_ips(objects)
    yield from _sessions(objects)
    yield from _ranges(objects)


def _configuration(objects: Objects) -> Iterator[Finding]:
    config = objects.configured.config
    for (kind, key), verdict in sorted(config.verdicts.items()):
        say = problem if verdict.reason is Reason.INVALID else warning
        yield say(f"{kind} {key}", verdict.message)
    missing = [
        name
        for name, there in (
            ("FlatIPMode default", config.mode is not None),
            ("NetworkGatewayGroup default with floating IPs", bool(config.floating_ips)),
            ("BGPPeer", bool(config.peers)),
        )
        if not there
    ]
    if missing:
        where = (
            f"the manifests of Cluster {some_of(objects.clusters)} are for the user cluster, where a mirror brings "
            "them: check that one, or run flatbgp admin"
            if objects.clusters
            else "apply the manifests"
        )
        yield warning("configuration", f"there is no {some_of(missing)} yet, so no session is planned; {where}")
    elif objects.mode is not None:
        names = [name for name, _ in objects.peers]
        if not names:
            yield problem("FlatIPMode default", "its peerSelector selects no BGPPeer; give those to use its labels")
        elif not objects.families:
            yield warning("FlatIPMode default", "announces neither family; set enableBGPIPv4 or enableBGPIPv6")
        else:
            yield ok("configuration", f"{' and '.join(objects.families)} to {some_of(names)}")


def _nodes(objects: Objects) -> Iterator[Finding]:
    if not objects.nodes:
        yield warning("nodes", "there is no Node yet, so nobody can hold a floating IP and nothing is announced")
        return
    for family in objects.families or (Family.IPV4,):
        lacking = [node.meta.name for node in objects.nodes if address_of(node.status, family) is None]
        if not lacking:
            yield ok("nodes", f"all {len(objects.nodes)} have an InternalIP of {family}")
        elif len(lacking) == len(objects.nodes):
            yield problem("nodes", f"none has an InternalIP of {family}, so none is announced for it")
        else:
            yield warning(
                "nodes",
                f"{some_of(lacking)} without an InternalIP of {family}: their {family} routes are left out; let the"
                " kubelet report one (--node-ip)",
            )
    wanted = objects.configured.config.floating_ips
    outside = [
        f"{name} ({some_of(subnets)})"
        for name, subnets in sorted(objects.subnets.items())
        if wanted and not any(address in subnet for subnet in subnets for address in wanted)
    ]
    if outside:
        yield warning(
            "nodes",
            f"no floating IP lies in the subnet of {some_of(outside)}: they can be no gateway; give the"
            " NetworkGatewayGroup an address there if their rack is to have sessions",
        )


def _floating_ips(objects: Objects) -> Iterator[Finding]:
    noted = {
        entry.address: entry
        for group in objects.configured.groups
        if group.status is not None
        for entry in group.status.floating_ips
    }
    for address in objects.configured.config.floating_ips:
        yield _floating_ip(address, noted.get(address), objects)


def _floating_ip(address: IPAddress, noted: FloatingIPStatus | None, objects: Objects) -> Finding:
    subject = f"floating IP {address}"
    if noted is not None and noted.reason is Reason.HELD:
        return ok(subject, f"{noted.node} holds it")
    owners = [
        name
        for node in objects.nodes
        for name in (node.meta.name,)
        if address == address_of(node.status, Family.of(address))
    ]
    if owners:
        return problem(subject, f"is the own address of Node {some_of(owners)}; reserve another one")
    near = [name for name, subnets in sorted(objects.subnets.items()) if any(address in subnet for subnet in subnets)]
    said = f" {noted.message}" if noted is not None and noted.message else ""
    if near:
        return warning(subject, f"is not held yet; {some_of(near)} can hold it.{said}")
    unknown = [node.meta.name for node in objects.nodes if node.meta.name not in objects.subnets]
    if objects.nodes and not unknown:
        return problem(
            subject, "lies outside every node's subnet, so no node can hold it; take one of a rack's addresses"
        )
    return warning(
        subject,
        f"is not held yet, and the subnets of {some_of(unknown) or 'the nodes'} are not known here; run flatbgp check"
        f" --node NAME on a node of its rack.{said}",
    )


def _sessions(objects: Objects) -> Iterator[Finding]:
    up = 0
    for session in objects.sessions:
        status = session.status
        if status is None or status.state is SessionStatusState.ESTABLISHED:
            up += status is not None
            continue
        why = f" ({status.reason})" if status.reason is not None else ""
        yield warning(f"BGPSession {session.meta.name}", f"is not Established{why}: {status.message or 'no word yet'}")
    if up:
        yield ok("BGPSessions", f"{up} of {len(objects.sessions)} are Established")


def _ranges(objects: Objects) -> Iterator[Finding]:
    usable = [config for config in objects.configured.ranges if config.spec is not None]
    for config in objects.configured.ranges:
        for condition in config.status.conditions if config.status is not None else ():
            if condition.reason is Reason.OTHER_ALLOCATOR:
                yield warning(f"ClusterCIDRConfig {config.key}", condition.message)
    blocks = [
        block.cidr
        for config in usable
        if config.spec is not None
        for block in (config.spec.ipv4, config.spec.ipv6)
        if block is not None
    ]
    foreign = [
        f"{node.meta.name} ({some_of(node.spec.pod_cidrs)})"
        for node in objects.nodes
        if node.spec is not None
        and any(not any(_within(cidr, block) for block in blocks) for cidr in node.spec.pod_cidrs)
    ]
    waiting = [node.meta.name for node in objects.nodes if node.spec is not None and not node.spec.pod_cidrs]
    if foreign:
        yield warning(
            "pod CIDRs",
            f"{some_of(foreign)} got them from somebody else, as no ClusterCIDRConfig has them; they are kept and"
            " announced. See that no other allocator goes on (kube-controller-manager --allocate-node-cidrs=false)",
        )
    if not usable and waiting:
        yield warning("pod CIDRs", f"{some_of(waiting)} have none, and there is no ClusterCIDRConfig to give any")
    elif not foreign and not waiting and objects.nodes:
        yield ok("pod CIDRs", f"all {len(objects.nodes)} nodes have theirs")


def _within(cidr: IPNetwork, block: IPNetwork) -> bool:
    return cidr.version == block.version and cidr.network_address in block and cidr.prefixlen >= block.prefixlen


def network_of(address: IPAddress, length: int) -> IPNetwork:
    """Return the subnet of an address with this prefix length."""
    return ip_network((address, length), strict=False)
