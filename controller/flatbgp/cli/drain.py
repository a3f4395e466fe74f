"""``flatbgp drain`` and ``flatbgp undrain``: planned moves of floating IPs."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.params import DurationType, secret_namespace_option, store_option
from flatbgp.cli.plan import as_text
from flatbgp.cli.stores import list_kinds, with_store
from flatbgp.planning.explain import Explanation, explain
from flatbgp.planning.holdings import LeaseResource, Sightings, observe
from flatbgp.resources import kinds
from flatbgp.resources.codec import decode
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.mergepatch import merged
from flatbgp.resources.meta import Key
from flatbgp.resources.node import DRAIN_ANNOTATION, NODE
from flatbgp.store.protocol import Store

LOOK_SECONDS: Final = 0.2
"""How often the Leases are read while waiting; a move takes half a second."""

SUCCESSION_SECONDS: Final = 5.0
"""How long to watch for the next holders once the node holds nothing: they need half a second where there are any."""

_MARK: Final = {"metadata": {"annotations": {DRAIN_ANNOTATION: "true"}}}


@dataclass(slots=True)
class Holdings:
    """What a node holds, from successive looks at the Leases; a dead speaker's Lease runs out and is held no longer."""

    node: str
    held: tuple[IPAddress, ...] = ()
    orphans: tuple[IPAddress, ...] = ()
    """Addresses that it held, and that nobody has taken yet."""
    _sightings: Sightings = field(default_factory=dict)

    def look(self, leases: Iterable[LeaseResource], now: float) -> tuple[str, ...]:
        """Take in the Leases as they are now; return one sentence for each address that left the node or was taken."""
        before, self._sightings = self.held, observe(self._sightings, leases, now)
        self.held = tuple(
            address
            for address, sighting in self._sightings.items()
            if sighting.lease.content.holder == self.node and now < sighting.vacant_since()
        )
        left = tuple(address for address in before if address not in self.held)
        taken = tuple(address for address in self.orphans if self._successor(address))
        self.orphans = tuple(
            address
            for address in dict.fromkeys((*self.orphans, *left))
            if not self._successor(address) and address in self._sightings and address not in self.held
        )
        return tuple(self._gone(address) for address in (*left, *taken))

    def _successor(self, address: IPAddress) -> bool:
        return self._holder(address) not in ("", self.node)

    def _holder(self, address: IPAddress) -> str:
        sighting = self._sightings.get(address)
        return sighting.lease.content.holder if sighting else ""

    def _gone(self, address: IPAddress) -> str:
        holder = self._holder(address)
        if holder == self.node:
            return f"{address}: {holder} renews it no longer; its Lease has run out and others may claim it"
        if holder:
            return f"{address} moved to {holder}"
        return f"{address} let go; it is free until another node of its subnet claims it"


async def empty_node(
    store: Store, node: str, patience: float, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
) -> None:
    """Mark a Node as draining and return when it holds no floating IP, and others have what it held.

    :class:`CommandFailed` when it still holds one after ``patience`` seconds, or does not exist. That nobody takes an
    address over is no failure of the node: it is said, and waited for a few seconds only.
    """
    if await store.get(NODE, node) is None:
        raise CommandFailed(f'error: nodes "{node}" not found')
    await store.patch(NODE, node, "", _MARK)
    say(f"node/{node} draining")
    holdings = Holdings(node)

    async def look() -> None:
        for sentence in holdings.look((await store.list(LEASE, NAMESPACE)).items, clock()):
            say(sentence)

    deadline = clock() + patience
    await look()
    if holdings.held:
        say(f"holds {_listed(holdings.held)}; waiting")
    while holdings.held:
        if clock() >= deadline:
            raise CommandFailed(
                f"error: node {node} still holds {_listed(holdings.held)} after {patience:g} s. Is its speaker running "
                f"and its store reachable? The node stays marked as draining (flatbgp undrain {node} takes that back)."
            )
        await asyncio.sleep(LOOK_SECONDS)
        await look()
    deadline = clock() + SUCCESSION_SECONDS
    while holdings.orphans and clock() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
        await look()
    say(f"node/{node} drained")


def _listed(addresses: Iterable[IPAddress]) -> str:
    return ", ".join(map(str, addresses))


async def foretell(store: Store, node: str, secret_namespace: str) -> Explanation:
    """Return what draining a Node would do; nothing is changed."""
    before = {(item.kind, item.key): item for item in await list_kinds(store, kinds.ALL)}
    resource = before.get((NODE, Key("", node)))
    if resource is None:
        raise CommandFailed(f'error: nodes "{node}" not found')
    marked = decode(NODE, merged(resource.document, _MARK))
    after = before | {(NODE, marked.key): marked}
    return explain(before.values(), after.values(), secret_namespace=secret_namespace)


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
@click.option("--dry-run", is_flag=True, help="Say what would happen, as flatbgp plan does; change nothing.")
@secret_namespace_option
@store_option
def drain(*, node: str, timeout: float, dry_run: bool, secret_namespace: str, store: str) -> None:
    """Move all floating IPs off NODE, and wait until it holds none.

    The node is marked with the annotation flatbgp.io/drain and claims nothing until undrain. No route is lost by it:
    routes go via the nodes that own them.
    """
    if dry_run:
        click.echo(as_text(with_store(store, lambda opened: foretell(opened, node, secret_namespace))))
        return
    with_store(store, lambda opened: empty_node(opened, node, timeout, click.echo))


@click.command()
@click.argument("node")
@store_option
def undrain(node: str, store: str) -> None:
    """Let NODE hold floating IPs again.

    It takes back nothing by itself: a healthy holder keeps what it has.
    """
    with_store(store, lambda opened: fill_node(opened, node, click.echo))
