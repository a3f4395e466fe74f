"""``flatbgp drain`` and ``flatbgp undrain``: planned moves of floating IPs."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.params import DurationType, store_option
from flatbgp.cli.stores import with_store
from flatbgp.planning.holdings import LeaseResource, Sightings, observe
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.node import DRAIN_ANNOTATION, NODE
from flatbgp.store.protocol import Store

LOOK_SECONDS: Final = 0.2
"""How often the Leases are read while waiting; a move takes half a second."""


@dataclass(slots=True)
class Holdings:
    """What a node holds, from successive looks at the Leases; a dead speaker's Lease runs out and is held no longer."""

    node: str
    held: tuple[IPAddress, ...] = ()
    _sightings: Sightings = field(default_factory=dict)

    def look(self, leases: Iterable[LeaseResource], now: float) -> tuple[str, ...]:
        """Take in the Leases as they are now; return one sentence for each address that has left the node."""
        before, self._sightings = self.held, observe(self._sightings, leases, now)
        self.held = tuple(
            address
            for address, sighting in self._sightings.items()
            if sighting.lease.content.holder == self.node and now < sighting.vacant_since()
        )
        return tuple(self._gone(address) for address in before if address not in self.held)

    def _gone(self, address: IPAddress) -> str:
        sighting = self._sightings.get(address)
        holder = sighting.lease.content.holder if sighting else ""
        if holder == self.node:
            return f"{address}: {holder} renews it no longer; its Lease has run out and others may claim it"
        if holder:
            return f"{address} moved to {holder}"
        return f"{address} let go; it is free until another node of its subnet claims it"


async def empty_node(
    store: Store, node: str, patience: float, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> None:
    """Mark a Node as draining and return when it holds no floating IP.

    :class:`CommandFailed` when it still does after ``patience`` seconds, or does not exist.
    """
    if await store.get(NODE, node) is None:
        raise CommandFailed(f'error: nodes "{node}" not found')
    await store.patch(NODE, node, "", {"metadata": {"annotations": {DRAIN_ANNOTATION: "true"}}})
    say(f"node/{node} draining")
    holdings = Holdings(node)
    deadline = clock() + patience
    told = False
    while True:
        moved = holdings.look((await store.list(LEASE, NAMESPACE)).items, clock())
        for sentence in moved:
            say(sentence)
        if not holdings.held:
            say(f"node/{node} drained")
            return
        held = ", ".join(map(str, holdings.held))
        if clock() >= deadline:
            raise CommandFailed(
                f"error: node {node} still holds {held} after {patience:g} s. Is its speaker running and its store "
                f"reachable? The node stays marked as draining (flatbgp undrain {node} takes that back)."
            )
        if not told:
            told = True
            say(f"holds {held}; waiting")
        await asyncio.sleep(LOOK_SECONDS)


async def fill_node(store: Store, node: str, say: Callable[[str], None]) -> None:
    """Take the mark off a Node."""
    resource = await store.get(NODE, node)
    if resource is None:
        raise CommandFailed(f'error: nodes "{node}" not found')
    if DRAIN_ANNOTATION not in resource.meta.annotations:
        say(f"node/{node} was not draining")
        return
    await store.patch(NODE, node, "", {"metadata": {"annotations": {DRAIN_ANNOTATION: None}}})
    say(f"node/{node} undrained")


@click.command()
@click.argument("node")
@click.option(
    "--timeout", type=DurationType(), default="60s", show_default=True, help="How long to wait for the last address."
)
@store_option
def drain(node: str, timeout: float, store: str) -> None:
    """Move all floating IPs off NODE, and wait until it holds none.

    The node is marked with the annotation flatbgp.io/drain and claims nothing until undrain. No route is lost by it:
    routes go via the nodes that own them.
    """
    with_store(store, lambda opened: empty_node(opened, node, timeout, click.echo))


@click.command()
@click.argument("node")
@store_option
def undrain(node: str, store: str) -> None:
    """Let NODE hold floating IPs again.

    It takes back nothing by itself: a healthy holder keeps what it has.
    """
    with_store(store, lambda opened: fill_node(opened, node, click.echo))
