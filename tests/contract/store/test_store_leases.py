"""Compare-and-swap of floating IP Leases, in any store."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from storedocs import NAMESPACE

from flatbgp.planning.gateway.events import SwapOutcome
from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord, read_lease
from flatbgp.resources.lease import LEASE
from flatbgp.resources.names import lease_name
from flatbgp.store.leases import Swapped, delete, swap
from flatbgp.store.protocol import Store

pytestmark = pytest.mark.contract

ADDRESS = ip_address("10.0.1.50")
CONTENT = LeaseContent("node-01", "machine-1", 5, ip_network("10.0.1.0/24"))
TIME = "2026-01-02T03:04:05.000000Z"


async def write(
    store: Store, before: LeaseRecord | None, content: LeaseContent, renew_time: str | None = TIME
) -> Swapped:
    return await swap(store, ADDRESS, before, content, renew_time=renew_time, seconds=5)


async def confirmed(
    store: Store, before: LeaseRecord | None, content: LeaseContent, renew_time: str | None = TIME
) -> LeaseRecord:
    swapped = await write(store, before, content, renew_time)
    assert swapped.outcome is SwapOutcome.CONFIRMED, swapped.error
    assert swapped.lease is not None
    return swapped.lease


async def test_a_confirmed_swap_returns_what_is_stored(store: Store, other: Store) -> None:
    made = await confirmed(store, None, CONTENT)
    found = await other.get(LEASE, lease_name(ADDRESS), NAMESPACE)
    assert found is not None
    assert read_lease(found) == made
    assert made.content == CONTENT
    assert made.renewed == TIME

    taken = await confirmed(store, made, replace(CONTENT, holder="node-02", instance="machine-2"))
    assert taken.transitions == made.transitions + 1


async def test_of_many_claims_at_once_one_is_confirmed(store: Store, other: Store) -> None:
    free = await confirmed(store, None, LeaseContent(), None)
    claims = [
        write(client, free, replace(CONTENT, holder=f"node-{number:02}"))
        for number, client in enumerate((store, other) * 5)
    ]
    swaps = await asyncio.gather(*claims)
    assert [swap.outcome for swap in swaps].count(SwapOutcome.CONFIRMED) == 1
    assert [swap.outcome for swap in swaps].count(SwapOutcome.CONFLICT) == 9
    (winner,) = (swap.lease for swap in swaps if swap.lease)
    found = await store.get(LEASE, lease_name(ADDRESS), NAMESPACE)
    assert found is not None
    assert read_lease(found) == winner


async def test_an_annotation_by_somebody_else_makes_the_next_swap_a_conflict(store: Store, other: Store) -> None:
    made = await confirmed(store, None, CONTENT)
    wanted = await confirmed(other, made, replace(CONTENT, wanted_by="node-02"), None)
    assert wanted.token == made.token
    assert (await write(store, made, CONTENT)).outcome is SwapOutcome.CONFLICT
    renewed = await confirmed(store, wanted, CONTENT, "2026-01-02T03:04:06.000000Z")
    assert renewed.content.wanted_by == ""


async def test_a_swap_of_a_lease_that_came_or_went_conflicts(store: Store, other: Store) -> None:
    made = await confirmed(store, None, CONTENT)
    assert (await write(other, None, CONTENT)).outcome is SwapOutcome.CONFLICT
    gone = await delete(store, ADDRESS, made, seconds=5)
    assert gone == Swapped(SwapOutcome.CONFIRMED)
    assert (await write(other, made, CONTENT)).outcome is SwapOutcome.CONFLICT
    assert (await delete(other, ADDRESS, made, seconds=5)).outcome is SwapOutcome.CONFLICT
