"""The TCP sockets of an address that leaves: ended without a word.

An address that moves to another node must not be spoken from here any more, also not later: a socket keeps its unsent
bytes (gobgpd's Cease among them) and delivers them when the address comes back, and IPv6 sockets go on sending from an
address that is gone. SOCK_DESTROY ends a socket from outside, as ``ss -K`` does; but it says good-bye with a RST. So
first a routing rule bans all packets from the address, then those that wait for a router's MAC address are dropped,
then the address goes, then the sockets are destroyed, then the ban is lifted. Where the kernel cannot destroy sockets
(built without CONFIG_INET_DIAG_DESTROY), each one that is left gets a ban of its own, by its ports, until it is gone; a
new session has other ports and is free.
"""

import errno
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address

from flatbgp.host.model import Released
from flatbgp.host.netlink import Netlink, NetlinkError
from flatbgp.host.packets.inetdiag import (
    TcpSocket,
    TcpState,
    decode_socket,
    destroy_request,
    list_request,
)
from flatbgp.host.packets.netlink import AF_INET, AF_INET6
from flatbgp.host.rules import Ban, Rules
from flatbgp.resources.ip import IPAddress

SOCK_DESTROY = 21
_SOCK_DIAG_BY_FAMILY = 20
_ROUNDS = 3


class Sockets:
    """The TCP sockets of this host."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink

    def of(self, address: IPAddress) -> list[TcpSocket]:
        """Return the sockets whose local address is this one, in every state but closed."""
        closed = {TcpState.CLOSE, TcpState.BOUND_INACTIVE}
        return [found for found in self._listed(address) if found.local == address and found.state not in closed]

    def toward(self, peer: IPAddress, port: int) -> IPAddress | None:
        """Return the local address of an established connection with a port of another host, or from there to ours."""
        for found in self._listed(peer):
            if (
                found.remote == peer
                and port in (found.remote_port, found.local_port)
                and found.state is TcpState.ESTABLISHED
            ):
                return found.local
        return None

    def _listed(self, address: IPAddress) -> list[TcpSocket]:
        """Return all sockets that may have to do with an address.

        A dual-stack socket (family IPv6) may hold an IPv4 connection, so both families are looked through for IPv4.
        """
        families = (AF_INET, AF_INET6) if isinstance(address, IPv4Address) else (AF_INET6,)
        what = f"TCP sockets of {address} (is the kernel module tcp_diag there?)"
        return [
            decode_socket(message.payload)
            for family in families
            for message in self._netlink.dump(_SOCK_DIAG_BY_FAMILY, list_request(family), what)
        ]

    def destroy(self, victim: TcpSocket) -> bool:
        """End a socket (its owner reads ECONNABORTED); ``False`` when the kernel cannot.

        Kernels built without CONFIG_INET_DIAG_DESTROY cannot end any, older ones none in TIME_WAIT. A socket that has
        ended meanwhile is fine.
        """
        try:
            self._netlink.request(SOCK_DESTROY, destroy_request(victim))
        except NetlinkError as error:
            return error.errno == errno.ENOENT
        return True


class Silencer:
    """Makes sure that nothing of an address's old sessions leaves this host."""

    def __init__(self, sockets: Sockets, rules: Rules, drop_waiting: Callable[[IPAddress], None]) -> None:
        """``drop_waiting`` drops the packets to a host that wait for a MAC address."""
        self._sockets = sockets
        self._rules = rules
        self._drop_waiting = drop_waiting
        self._banned: set[IPAddress] = set()
        self._survivors: set[Ban] = set()

    def release(self, address: IPAddress, take_off: Callable[[], None]) -> Released:
        """Take the address off (``take_off`` does it) and end its sessions without a word.

        From the first line on no packet leaves from the address, and after the last one none of an old session. If a
        step fails, the ban stays: an address that is half released must not speak. It is lifted by :meth:`admit`, or
        by the next release.
        """
        ban = Ban(address)
        self._rules.add(ban)
        self._banned.add(address)
        try:
            for peer in {found.remote for found in self._sockets.of(address) if found.state is not TcpState.LISTEN}:
                self._drop_waiting(peer)
        finally:
            take_off()
        released = self._end_all(address)
        self._lift(address)
        return released

    def silence(self, address: IPAddress) -> Released:
        """End the sessions of an address that is not on any more (its lifetime ended while nobody looked)."""
        return self.release(address, lambda: None)

    def admit(self, address: IPAddress) -> None:
        """Let the address speak, as it is about to be put on; its old sessions stay silent."""
        self.sweep()
        if address in self._banned:
            self._lift(address)

    def sweep(self) -> None:
        """Lift the bans of old connections that are gone."""
        for source in {ban.source for ban in self._survivors}:
            alive = {Ban(source, (found.local_port, found.remote_port)) for found in self._sockets.of(source)}
            for ban in {ban for ban in self._survivors if ban.source == source} - alive:
                self._rules.remove(ban)
                self._survivors.discard(ban)

    def finish(self, take_off: Callable[[IPAddress], None]) -> None:
        """Take over the bans that an earlier process left, and finish the releases in which it died."""
        left = self._rules.list()
        self._survivors |= {ban for ban in left if ban.ports is not None}
        for ban in left - self._survivors:
            self.release(ban.source, partial(take_off, ban.source))
        self.sweep()

    def _lift(self, address: IPAddress) -> None:
        self._rules.remove(Ban(address))
        self._banned.discard(address)

    def _end_all(self, address: IPAddress) -> Released:
        ended = 0
        for _ in range(_ROUNDS):
            alive = self._sockets.of(address)
            if not alive:
                return Released(ended, 0)
            ended += sum([self._sockets.destroy(victim) for victim in alive])
        connections = [victim for victim in self._sockets.of(address) if victim.state is not TcpState.LISTEN]
        for victim in connections:
            ban = Ban(address, (victim.local_port, victim.remote_port))
            self._rules.add(ban)
            self._survivors.add(ban)
        return Released(ended, len(connections))
