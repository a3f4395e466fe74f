"""Routing rules that let nothing leave from an address, or from one TCP connection of it (ip-rule(8)).

A rule is asked for every packet that a socket of this host sends; "blackhole" drops it. It needs CAP_NET_ADMIN and
nothing else: no netfilter tables that others may flush, no queueing discipline, no BPF. ARP and Neighbor Discovery do
not pass routing.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from flatbgp.host.model import MARK, HostError
from flatbgp.host.netlink import Netlink, NetlinkError
from flatbgp.host.packets import netlink as wire
from flatbgp.host.packets.netlink import FLAG_CREATE, FLAG_EXCLUSIVE, decode_fixed, encode_attributes
from flatbgp.resources.ip import IPAddress

_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_FRA_SRC, _FRA_PRIORITY, _FRA_PROTOCOL = 2, 6, 21
_FRA_IP_PROTO, _FRA_SPORT_RANGE, _FRA_DPORT_RANGE = 22, 23, 24
_BLACKHOLE = 6
_PRIORITY = 1790  # after the local table (0), before anything a person is likely to have
_IPPROTO_TCP = 6


@dataclass(frozen=True, slots=True)
class Ban:
    """Nothing leaves from ``source``; with ports: nothing of the TCP connection that has these two."""

    source: IPAddress
    ports: tuple[int, int] | None = None


class Rules:
    """The bans in force on this host."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink

    def add(self, ban: Ban) -> None:
        """Put a ban in force; one that is already is fine."""
        try:
            self._netlink.request(_RTM_NEWRULE, _encode(ban), FLAG_CREATE | FLAG_EXCLUSIVE)
        except NetlinkError as error:
            if error.errno != errno.EEXIST:
                raise HostError(f"cannot keep packets from leaving {ban.source}: {error.strerror}") from error

    def remove(self, ban: Ban) -> None:
        """Lift a ban; one that is not there is fine."""
        try:
            self._netlink.request(_RTM_DELRULE, _encode(ban))
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise HostError(f"cannot let packets leave {ban.source} again: {error.strerror}") from error

    def list(self) -> frozenset[Ban]:
        """Return the bans in force, also those that an earlier process left behind."""
        found = []
        for family in (wire.AF_INET, wire.AF_INET6):
            request = wire.FIB_RULE_HDR.pack(family, 0, 0, 0, 0, 0, 0)
            for message in self._netlink.dump(_RTM_GETRULE, request, "routing rules"):
                (_, _, _, _, _, action, _), attributes = decode_fixed(wire.FIB_RULE_HDR, message.payload)
                source = wire.address(attributes, _FRA_SRC)
                if action != _BLACKHOLE or wire.unsigned(attributes, _FRA_PROTOCOL) != MARK or source is None:
                    continue
                found.append(Ban(source, _ports(attributes)))
        return frozenset(found)


def _ports(attributes: Mapping[int, bytes]) -> tuple[int, int] | None:
    source, destination = attributes.get(_FRA_SPORT_RANGE), attributes.get(_FRA_DPORT_RANGE)
    if source is None or destination is None:
        return None
    return wire.PORT_RANGE.unpack(source)[0], wire.PORT_RANGE.unpack(destination)[0]


def _encode(ban: Ban) -> bytes:
    family = wire.AF_INET if isinstance(ban.source, IPv4Address) else wire.AF_INET6
    header = wire.FIB_RULE_HDR.pack(family, 0, ban.source.max_prefixlen, 0, 0, _BLACKHOLE, 0)
    attributes = [
        (_FRA_SRC, ban.source.packed),
        (_FRA_PRIORITY, wire.unsigned_octets(_PRIORITY, 4)),
        (_FRA_PROTOCOL, wire.unsigned_octets(MARK, 1)),
    ]
    if ban.ports is not None:
        sport, dport = ban.ports
        attributes += [
            (_FRA_IP_PROTO, wire.unsigned_octets(_IPPROTO_TCP, 1)),
            (_FRA_SPORT_RANGE, wire.PORT_RANGE.pack(sport, sport)),
            (_FRA_DPORT_RANGE, wire.PORT_RANGE.pack(dport, dport)),
        ]
    return header + encode_attributes(attributes)
