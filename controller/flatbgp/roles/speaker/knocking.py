"""Which routers to knock at (see :mod:`flatbgp.host.knock`), and when it is too late for it."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from flatbgp.engine.model import Neighbor
from flatbgp.host.interface import Host
from flatbgp.resources.ip import IPAddress

AT_ONCE: Final = 0.05
"""A router that gobgpd knows already is knocked at this soon after the address came, or not at all: the daemon may dial
0.1 s after it (see :mod:`flatbgp.roles.speaker.arming`), and a later connection would end the new session."""


@dataclass(slots=True)
class Knocking:
    """The addresses that were taken over from another node, whose routers may still have the old session."""

    _host: Host
    _taken: dict[IPAddress, float] = field(default_factory=dict)

    def taken_over(self, address: IPAddress) -> None:
        """Note that an address has just come here from elsewhere."""
        self._taken[address] = self._host.now()

    async def knock(self, neighbors: Iterable[Neighbor], known: Collection[IPAddress]) -> None:
        """Knock, once, at the routers that get sessions from these addresses; ``known`` are those gobgpd may dial."""
        taken, self._taken = self._taken, {}
        now = self._host.now()
        async with asyncio.TaskGroup() as tasks:
            for each in neighbors:
                since = taken.get(each.local_address)
                if since is not None and (each.address not in known or now - since < AT_ONCE):
                    ttl = 255 if each.multihop or each.internal else 1
                    tasks.create_task(
                        self._host.knock(each.local_address, each.address, ttl=ttl, password=each.password)
                    )
