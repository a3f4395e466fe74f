"""Whether a machine can be a gateway: what its kernel lets us do, what its LAN answers, what its routers do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flatbgp.planning.check.findings import Finding, ok, problem, warning
from flatbgp.planning.check.objects import Objects
from flatbgp.planning.phrases import some_of
from flatbgp.resources.ip import IPAddress, IPNetwork


class Reach(StrEnum):
    """What became of a TCP connection to a router's port 179."""

    IN_USE = "in use"  # there is one already, so none was tried
    CONNECTED = "connected"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Trial:
    """One such connection: from which address, and what became of it (``detail``: the kernel's word)."""

    source: IPAddress | None
    reach: Reach
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found on the machine of a Node.

    ``lacking`` are sentences on what the kernel does not let us do, ``degraded`` those on what it does less well, and
    ``settings`` those on its settings. ``held`` are floating IPs on its interfaces; ``answering`` the MAC addresses
    that answer for a floating IP; ``trials`` are by the router's address.
    """

    node: str
    subnets: tuple[IPNetwork, ...] = ()
    own: frozenset[IPAddress] = frozenset()
    held: frozenset[IPAddress] = frozenset()
    lacking: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    answering: Mapping[IPAddress, tuple[str, ...]] = field(default_factory=dict)
    trials: Mapping[IPAddress, Trial] = field(default_factory=dict)


def judge_machine(machine: Machine, objects: Objects) -> Iterator[Finding]:
    """Yield how it is with the machine, as the gateway that it may become."""
    yield from _kernel(machine)
    yield from _node(machine, objects)
    yield from _lan(machine, objects)
    for name, spec in objects.peers:
        trial = machine.trials.get(spec.peer_ip)
        if trial is not None:
            yield _router(f"router {spec.peer_ip} (BGPPeer {name})", trial, objects, spec.peer_ip)


def _kernel(machine: Machine) -> Iterator[Finding]:
    for sentence in machine.lacking:
        yield problem("kernel", sentence)
    for sentence in machine.degraded:
        yield warning("kernel", sentence)
    for sentence in machine.settings:
        yield problem("kernel", sentence)
    if not (machine.lacking or machine.degraded or machine.settings):
        yield ok("kernel", "packet sockets, addresses with a lifetime, and an end to the sockets of one that leaves")


def _node(machine: Machine, objects: Objects) -> Iterator[Finding]:
    node = next((node for node in objects.nodes if node.meta.name == machine.node), None)
    subject = f"node {machine.node}"
    wanted = objects.configured.config.floating_ips
    if node is None:
        yield warning(subject, "has no Node object, so its speaker waits; join it to the cluster, or apply one")
    if wanted and not any(address in subnet for subnet in machine.subnets for address in wanted):
        yield warning(
            subject,
            f"no floating IP lies in its subnets ({some_of(machine.subnets) or 'it has none'}), so it can be no "
            "gateway",
        )


def _lan(machine: Machine, objects: Objects) -> Iterator[Finding]:
    holders = {
        entry.address: entry.node
        for group in objects.configured.groups
        if group.status is not None
        for entry in group.status.floating_ips
    }
    for address, macs in sorted(machine.answering.items(), key=lambda pair: (pair[0].version, int(pair[0]))):
        subject, holder = f"floating IP {address}", holders.get(address, "")
        if not macs:
            continue
        if holder and holder != machine.node:
            yield ok(subject, f"answers on the LAN from {some_of(macs)}, as {holder} holds it")
        elif address in machine.held:
            yield problem(
                subject,
                f"is on this host, and {some_of(macs)} answers for it as well: two hosts have it; stop the other one",
            )
        else:
            yield problem(
                subject,
                f"{some_of(macs)} answers for it already, and no node holds it: another host has it, so no gateway "
                "takes it; free it there, or reserve another one",
            )


def _router(subject: str, trial: Trial, objects: Objects, peer: IPAddress) -> Finding:
    up = [session.spec.node_name for session in objects.established(peer) if session.spec is not None]
    source = f"from {trial.source}" if trial.source is not None else "from here"
    match trial.reach:
        case Reach.IN_USE:
            return ok(subject, f"has a TCP connection with {trial.source}, so it is not tried")
        case Reach.CONNECTED:
            return ok(subject, f"accepts TCP on port 179 {source}")
        case _ if up:
            return ok(subject, f"does not accept TCP on port 179 {source}, but its session with {some_of(up)} is up")
        case Reach.UNANSWERED:
            return problem(
                subject,
                f"does not answer TCP on port 179 {source}: it is away, or a filter drops this; let the floating IPs"
                " reach it, and start BGP there",
            )
        case Reach.REFUSED:
            return problem(
                subject,
                f"refuses TCP on port 179 {source}: nothing listens there, or it does not know us; start BGP there",
            )
        case _:
            return problem(
                subject, f"cannot be reached {source} ({trial.detail or 'no route'}); see to the routes of this node"
            )


def source_of(machine: Machine, peer: IPAddress, floating_ips: tuple[IPAddress, ...]) -> IPAddress | None:
    """Return from where to try a router: the machine's own address beside a floating IP, else beside the router.

    ``None``: whatever the kernel chooses. Never a floating IP, also where it is held and sessions start from it: a
    router takes a second connection from a peer for that peer's restart, and ends the session that is up (RFC 4724
    section 5).
    """
    own = sorted((address for address in machine.own if address.version == peer.version), key=int)
    for wanted in (floating_ips, (peer,)):
        lans = [subnet for subnet in machine.subnets if any(address in subnet for address in wanted)]
        for address in own:
            if address not in floating_ips and any(address in subnet for subnet in lans):
                return address
    return None
