"""Compare-and-swap of floating IP Leases, in any store."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from storedocs import NAMESPACE

from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord, lease_document, lease_patch, read_lease
from flatbgp.resources.lease import LEASE
from flatbgp.resources.names import lease_name
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Store

pytestmark = pytest.mark.contract

ADDRESS = ip_address("10.0.1.50")
NAME = lease_name(ADDRESS)
CONTENT = LeaseContent("node-01", "machine-1", 5, ip_network("10.0.1.0/24"))
TIME = "2026-01-02T03:04:05.000000Z"


async def write(
    store: Store, before: LeaseRecord | None, content: LeaseContent, renewed: str | None = TIME
) -> LeaseRecord:
    """Write the Lease if it is still ``before``, as a speaker does."""
    if before is None:
        return read_lease(await store.create(LEASE, lease_document(ADDRESS, content, renewed)))
    patch = lease_patch(ADDRESS, content, before, renewed)
    return read_lease(await store.patch(LEASE, NAME, NAMESPACE, patch, version=before.version))


async def found(store: Store) -> LeaseRecord:
    lease = await store.get(LEASE, NAME, NAMESPACE)
    assert lease is not None
    return read_lease(lease)


async def test_a_swap_returns_what_is_stored(store: Store, other: Store) -> None:
    made = await write(store, None, CONTENT)
    assert await found(other) == made
    assert made.content == CONTENT
    assert made.renewed == TIME

    taken = await write(store, made, replace(CONTENT, holder="node-02", instance="machine-2"))
    assert taken.transitions == made.transitions + 1
    assert await found(other) == taken


async def test_of_many_claims_at_once_one_is_confirmed(store: Store, other: Store) -> None:
    free = await write(store, None, LeaseContent(), None)
    claims = [
        write(client, free, replace(CONTENT, holder=f"node-{number:02}"))
        for number, client in enumerate((store, other) * 5)
    ]
    outcomes = await asyncio.gather(*claims, return_exceptions=True)
    assert [isinstance(outcome, Conflict) for outcome in outcomes].count(True) == 9
    (winner,) = (outcome for outcome in outcomes if isinstance(outcome, LeaseRecord))
    assert await found(store) == winner


async def test_an_annotation_by_somebody_else_makes_the_next_swap_a_conflict(store: Store, other: Store) -> None:
    made = await write(store, None, CONTENT)
    wanted = await write(other, made, replace(CONTENT, wanted_by="node-02"), None)
    assert wanted.token == made.token
    with pytest.raises(Conflict):
        await write(store, made, CONTENT)
    renewed = await write(store, wanted, CONTENT, "2026-01-02T03:04:06.000000Z")
    assert renewed.content.wanted_by == ""


async def test_a_swap_of_a_lease_that_came_or_went_is_told_apart(store: Store, other: Store) -> None:
    made = await write(store, None, CONTENT)
    with pytest.raises(AlreadyExists):
        await write(other, None, CONTENT)
    await store.delete(LEASE, NAME, NAMESPACE, version=made.version)
    with pytest.raises(NotFound):
        await write(other, made, CONTENT)
    with pytest.raises(NotFound):
        await other.delete(LEASE, NAME, NAMESPACE, version=made.version)
