"""``flatbgp drain`` and ``flatbgp undrain``: planned moves of floating IPs."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.params import DurationType, store_option
from flatbgp.cli.stores import with_store
from flatbgp.resources.lease import ADDRESS_ANNOTATION, INSTANCE_ANNOTATION, LEASE, NAMESPACE, LeaseSpec
from flatbgp.resources.node import DRAIN_ANNOTATION, NODE
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import Store

LOOK_SECONDS: Final = 0.2
"""How often the Leases are read while waiting; a move takes half a second."""

_LEASE_PREFIX: Final = "floatingip-"

FloatingIPLease = Resource[LeaseSpec, Any]


@dataclass(slots=True)
class Watched:
    """A Lease as this process saw it: what must change with a renewal, and when it last changed."""

    token: tuple[str, str, str]
    since: float


@dataclass(slots=True)
class Holdings:
    """What a node holds, from successive looks at the Leases.

    A Lease that stays the same for its whole duration, counted from when *we* first saw it, has run out: a dead speaker
    frees nothing, and others may claim the address without it (docs/failover.md).
    """

    node: str
    held: tuple[str, ...] = ()
    _seen: dict[str, Watched] = field(default_factory=dict)

    def look(self, leases: tuple[FloatingIPLease, ...], now: float) -> tuple[str, ...]:
        """Take in the Leases as they are now; return one sentence for each address that has left the node."""
        before, current = self.held, []
        holders = {}
        for lease in leases:
            if not lease.meta.name.startswith(_LEASE_PREFIX) or lease.spec is None:
                continue
            address = lease.meta.annotations.get(ADDRESS_ANNOTATION) or lease.meta.name.removeprefix(_LEASE_PREFIX)
            holders[address] = lease.spec.holder_identity
            if lease.spec.holder_identity == self.node and not self._run_out(lease, lease.spec, now):
                current.append(address)
        self.held = tuple(current)
        return tuple(_gone(address, holders.get(address), self.node) for address in before if address not in current)

    def _run_out(self, lease: FloatingIPLease, spec: LeaseSpec, now: float) -> bool:
        token = (spec.renew_time, spec.acquire_time, lease.meta.annotations.get(INSTANCE_ANNOTATION, ""))
        watched = self._seen.get(lease.meta.name)
        if watched is None or watched.token != token:
            watched = self._seen[lease.meta.name] = Watched(token, now)
        return now - watched.since > spec.lease_duration_seconds


def _gone(address: str, holder: str | None, node: str) -> str:
    if holder == node:
        return f"{address}: {node} renews it no longer; its Lease has run out and others may claim it"
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
        held = ", ".join(holdings.held)
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
