"""What a router itself says of its routes and sessions: FRR's JSON, read into values.

Field names as FRR 8.4.4 prints them. "In the table" means in ``show bgp ... json``, best or not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from flatbgp.lab.vty import Vty
from flatbgp.resources.ip import Family, IPAddress, IPNetwork

RouteSet = dict[IPNetwork, frozenset[IPAddress]]
"""Prefixes and their next hops."""

_UNICAST = {Family.IPV4: "ipv4 unicast", Family.IPV6: "ipv6 unicast"}


@dataclass(frozen=True, slots=True)
class RoutePath:
    """One path of a prefix, as learned from one neighbour; ``stale`` ones outlived their session (RFC 4724)."""

    prefix: IPNetwork
    next_hop: IPAddress
    neighbor: IPAddress
    valid: bool
    stale: bool


@dataclass(frozen=True, slots=True)
class RouterSession:
    """A neighbour of a router.

    ``uptime`` is seconds since Established, or ``None``; ``established`` and ``dropped`` count since the router
    started; ``received`` and ``sent`` count messages by FRR's names (``opens``, ``notifications``, ``updates``).
    ``accepted`` is the number of prefixes of each negotiated family. ``document`` is all that FRR says.
    """

    address: IPAddress
    state: str
    remote_asn: int
    local_address: IPAddress | None
    uptime: float | None
    established: int
    dropped: int
    received: Mapping[str, int]
    sent: Mapping[str, int]
    accepted: Mapping[Family, int]
    document: Mapping[str, Any] = field(repr=False)

    @property
    def up(self) -> bool:
        """Whether it is Established."""
        return self.state == "Established"


def paths(vty: Vty, family: Family = Family.IPV4) -> list[RoutePath]:
    """Return every path in a router's table, sorted by prefix and neighbour."""
    routes = vty.json(f"show bgp {_UNICAST[family]} json").get("routes", {})
    found = [_path(prefix, path) for prefix, entries in routes.items() for path in entries]
    return sorted((path for path in found if path is not None), key=lambda path: (path.prefix, str(path.neighbor)))


def routes(vty: Vty, family: Family = Family.IPV4, *, of: IPAddress | None = None) -> RouteSet:
    """Return a router's table as an exact set; ``of`` limits it to what one neighbour sent."""
    found: dict[IPNetwork, set[IPAddress]] = {}
    for path in paths(vty, family):
        if of is None or path.neighbor == of:
            found.setdefault(path.prefix, set()).add(path.next_hop)
    return {prefix: frozenset(next_hops) for prefix, next_hops in found.items()}


def route(vty: Vty, prefix: IPNetwork) -> list[Mapping[str, Any]]:
    """Return all that a router knows of one prefix: its paths with every attribute, as FRR prints them."""
    document = vty.json(f"show bgp {_UNICAST[Family.of(prefix)]} {prefix} json")
    return list(document.get("paths", []))


def sessions(vty: Vty) -> dict[IPAddress, RouterSession]:
    """Return a router's neighbours by address."""
    document = vty.json("show bgp neighbors json")
    return {ip_address(name): _session(name, entry) for name, entry in document.items() if isinstance(entry, dict)}


def _path(prefix: str, path: Mapping[str, Any]) -> RoutePath | None:
    # A second, link-local next hop of IPv6 (RFC 2545 section 3) is not a route of its own.
    next_hops = [entry["ip"] for entry in path.get("nexthops", ()) if entry.get("scope", "global") == "global"]
    if not next_hops or "peerId" not in path:
        return None
    return RoutePath(
        prefix=ip_network(prefix),
        next_hop=ip_address(next_hops[0]),
        neighbor=_neighbor(path["peerId"]),
        valid=bool(path.get("valid")),
        stale=bool(path.get("stale")),
    )


def _neighbor(text: str) -> IPAddress:
    return IPv4Address(0) if text == "(unspec)" else ip_address(text)  # a route of the router itself


def _session(name: str, entry: Mapping[str, Any]) -> RouterSession:
    up = entry.get("bgpState") == "Established"
    statistics: Mapping[str, int] = entry.get("messageStats", {})
    families: Mapping[str, Any] = entry.get("addressFamilyInfo", {})
    local = entry.get("hostLocal", "Unknown")
    return RouterSession(
        address=ip_address(name),
        state=entry.get("bgpState", "Unknown"),
        remote_asn=entry.get("remoteAs", 0),
        local_address=None if local == "Unknown" else ip_address(local),
        uptime=entry.get("bgpTimerUpMsec", 0) / 1000 if up else None,
        established=entry.get("connectionsEstablished", 0),
        dropped=entry.get("connectionsDropped", 0),
        received={key.removesuffix("Recv"): value for key, value in statistics.items() if key.endswith("Recv")},
        sent={key.removesuffix("Sent"): value for key, value in statistics.items() if key.endswith("Sent")},
        accepted={
            family: families[key].get("acceptedPrefixCounter", 0)
            for family, key in ((Family.IPV4, "ipv4Unicast"), (Family.IPV6, "ipv6Unicast"))
            if key in families
        },
        document=entry,
    )
