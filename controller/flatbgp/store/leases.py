"""Compare-and-swap of floating IP Leases, with the three outcomes that the protocol knows.

A write without a clear answer may have been written, or be written yet: only CONFIRMED and CONFLICT are answers.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flatbgp.planning.gateway.events import SwapOutcome
from flatbgp.planning.gateway.records import LeaseContent, LeaseRecord, lease_document, lease_patch, read_lease
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.lease import LEASE, NAMESPACE
from flatbgp.resources.names import lease_name
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Store, StoreError


@dataclass(frozen=True, slots=True)
class Swapped:
    """The outcome; ``lease`` is the Lease as written, ``error`` says why it was not confirmed."""

    outcome: SwapOutcome
    lease: LeaseRecord | None = None
    error: str = ""


async def swap(
    store: Store,
    address: IPAddress,
    before: LeaseRecord | None,
    content: LeaseContent,
    *,
    renew_time: str | None,
    seconds: float,
) -> Swapped:
    """Write the Lease of an address if it is still ``before`` (``None``: create it if there is none).

    ``renew_time`` is the wall clock as text for a claim or a renewal, ``None`` for any other write. Never raises a
    :class:`StoreError`, and answers within ``seconds``.
    """

    async def write() -> LeaseRecord:
        if before is None:
            made = await store.create(LEASE, lease_document(address, content, renew_time))
            return read_lease(made)
        patch = lease_patch(address, content, before, renew_time)
        return read_lease(await store.patch(LEASE, lease_name(address), NAMESPACE, patch, version=before.version))

    return await _outcome(write, seconds)


async def delete(store: Store, address: IPAddress, before: LeaseRecord, *, seconds: float) -> Swapped:
    """Delete the Lease of an address if it is still ``before``."""

    async def write() -> None:
        await store.delete(LEASE, lease_name(address), NAMESPACE, version=before.version)

    return await _outcome(write, seconds)


async def _outcome(write: Callable[[], Awaitable[LeaseRecord | None]], seconds: float) -> Swapped:
    try:
        async with asyncio.timeout(seconds):
            return Swapped(SwapOutcome.CONFIRMED, await write())
    except (Conflict, NotFound, AlreadyExists) as error:
        return Swapped(SwapOutcome.CONFLICT, error=str(error))
    except TimeoutError:
        return Swapped(SwapOutcome.UNKNOWN, error=f"the store did not answer within {seconds:.1f} s")
    except StoreError as error:
        return Swapped(SwapOutcome.UNKNOWN, error=str(error))
