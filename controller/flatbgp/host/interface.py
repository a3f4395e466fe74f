"""What a speaker asks of the machine it runs on: the boundary between its decisions and the kernel."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Protocol

from flatbgp.host.model import HostEvent, Interface, Released, Route
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.secrets import Password


class Host(Protocol):
    """A machine with network interfaces.

    Calls raise :class:`~flatbgp.host.model.HostError` when the kernel refuses; what is merely lost on the wire is no
    error. None but :meth:`knock` waits for another machine. Times are CLOCK_BOOTTIME in seconds.
    """

    def now(self) -> float:
        """Return the time, on the clock of every ``at``."""

    async def interfaces(self) -> tuple[Interface, ...]:
        """Return the interfaces that have addresses, as they are at this moment."""

    async def put(
        self,
        address: IPAddress,
        interface: str,
        lifetime: Callable[[float], int],
        still_valid: Callable[[float], bool],
        *,
        fresh: bool = False,
    ) -> float | None:
        """Have the address on the interface for a while from now: renew it, or create it.

        ``lifetime`` is asked right before the kernel acts, with the time, for whole seconds (0: leave all as it is),
        and ``still_valid`` right after: when it says no, the address comes off again. With ``fresh`` the TCP sockets
        that are still bound to the address are ended first. Returns when the kernel will take the address off at the
        latest; ``None``: nothing was put, or it did not stay.
        """

    async def release(self, address: IPAddress) -> Released:
        """Take the address off, wherever it is, and end its TCP sessions without a word.

        Nothing of those sessions leaves this host from then on, also not when the address comes back. To be called as
        well when the address is gone already (its lifetime ended): its sessions are not.
        """

    def watch_addresses(self, interface: str, addresses: Collection[IPAddress]) -> None:
        """Report what other hosts on the interface's LAN say about these addresses; none: stop listening there."""

    def ask(self, interface: str, target: IPAddress) -> bool:
        """Ask the LAN who has ``target``, as this node. ``False``: the question could not leave."""

    def probe(self, interface: str, address: IPAddress) -> bool:
        """Ask the LAN who has ``address``, as nobody (RFC 5227, RFC 4862). ``False``: it could not leave."""

    def announce(self, interface: str, address: IPAddress) -> bool:
        """State to the LAN that this node has ``address``. ``False``: it could not leave."""

    async def knock(self, local: IPAddress, peer: IPAddress, *, ttl: int, password: Password | None) -> bool:
        """Make a router let an old session from ``local`` go, by a connection that is closed at once.

        Only for an address that has just come here: a session that is up would be ended. Returns whether the router
        answered, after 0.1 s at the latest.
        """

    def watch_sessions(self, sessions: Mapping[str, Collection[tuple[IPAddress, IPAddress]]]) -> None:
        """Report the BGP sessions between (local, peer) addresses, by interface; all others are forgotten."""

    async def route(self, local: IPAddress, peer: IPAddress) -> Route | None:
        """Return how packets from ``local`` reach ``peer``; ``None``: they do not."""

    def events(self) -> AsyncIterator[HostEvent]:
        """Yield what happens, in the order in which it was seen. One reader."""

    async def close(self) -> None:
        """Stop listening. Addresses stay until their lifetime ends."""
