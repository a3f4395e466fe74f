"""One leader at a time: a role that must have one writer holds a Lease (coordination.k8s.io/v1).

The times that stand in the Lease are never counted from: they are another machine's wall clock. A candidate counts from
when *it* saw the Lease change; a leader counts from when it *sent* the renewal that was confirmed. So the leader stops
before any candidate may begin, whatever their clocks say. ``clock`` must go on while the machine is suspended
(CLOCK_BOOTTIME).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from flatbgp.resources.lease import LEASE, NAMESPACE, LeaseSpec, LeaseStatus
from flatbgp.resources.resource import Resource
from flatbgp.store.protocol import AlreadyExists, Conflict, NotFound, Store, StoreError, Unreachable

Lease = Resource[LeaseSpec, LeaseStatus]

_LEAD_SHARE: Final = 0.8
"""The part of the duration after which a leader that was not confirmed stops; the rest is for stopping."""

_LOOK_SECONDS: Final = 0.25
"""How often a leader looks at its clock while it waits: a machine that was suspended notices within this time."""

_LEAST_SLEEP: Final = 0.001
"""Less than this might not move the clock at all, and the loop would not rest."""

_RELEASE_SECONDS: Final = 1.0

_LEAST_REQUEST: Final = 0.2
"""A store that is given less time for an answer than this is taken for dead when it is merely busy."""


class LeadershipLost(Exception):
    """The role led and may not go on: another may lead from now on. The text says why."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is held, by whom, for how long (seconds).

    ``identity`` must be unique to the process: a restarted role waits for its predecessor's Lease to end.
    """

    name: str
    identity: str
    duration: float = 5.0
    renewal: float = 1.0

    @property
    def lead(self) -> float:
        """For how long after it sent its last confirmed renewal a leader acts."""
        return self.duration * _LEAD_SHARE

    @property
    def request(self) -> float:
        """How long a renewal may take, so that one that was lost can be tried once more in time."""
        return 0.45 * (self.lead - self.renewal)

    def contradictions(self) -> tuple[str, ...]:
        """Return why nobody could lead for long on these terms, with the arithmetic; empty if they are sound."""
        if self.duration >= 1 and self.renewal > 0 and self.request >= _LEAST_REQUEST:
            return ()
        problem = (
            f"a Lease of {self.duration:g} s that is renewed every {self.renewal:g} s: a leader stops after "
            f"{_LEAD_SHARE} x {self.duration:g} s, and a renewal that was lost must have been tried again by then, so "
            f"0.45 x ({self.lead:g} - {self.renewal:g}) = {self.request:.2g} s would be left for an answer of the "
            f"store, and it needs {_LEAST_REQUEST} s; renew more often or take a longer Lease"
        )
        return (problem,)


@dataclass(slots=True)
class _Seen:
    """The Lease as last seen, and when it was first seen like this."""

    token: Any
    at: float


class Elector:
    """Leads, or waits to.

    ``clock`` is monotonic, ``now`` the wall clock (only written into the Lease, for people), ``random`` returns numbers
    from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        terms: Terms,
        *,
        log: structlog.stdlib.BoundLogger,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._terms = terms
        self._log = log
        self._clock = clock
        self._now = now
        self._random = random
        self._seen = _Seen(None, clock())
        self._lease: Lease | None = None
        self._confirmed = 0.0
        self._trouble = ""

    @property
    def leading(self) -> bool:
        """Whether this process may act as the leader at this moment."""
        return self._lease is not None and self._clock() < self._confirmed + self._terms.lead

    async def run(self, role: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lead, run the role as long as it lasts, and free the Lease after it.

        Raises :class:`LeadershipLost` after the role was cancelled because the lead could not be renewed.
        """
        await self._acquire()
        work = asyncio.ensure_future(role())
        keepers = [asyncio.create_task(self._renew_again()), asyncio.create_task(self._watch_clock())]
        try:
            await asyncio.wait((work, *keepers), return_when=asyncio.FIRST_COMPLETED)
        finally:
            # The role ends first: it must not write once the Lease is free.
            for task in (work, *keepers):
                task.cancel()
                await asyncio.wait((task,))
            await self._release()
        for task in (*keepers, work):
            if not task.cancelled():
                task.result()

    async def _acquire(self) -> None:
        waiting_for, failing = "", False
        while True:
            rest = 0.0
            try:
                holder = await self._try()
            except StoreError as error:
                if not failing:
                    self._log.warning("cannot ask for the lead; trying again", lease=self._terms.name, error=str(error))
                failing, rest = True, _rest(error)
            else:
                failing = False
                if holder is None:
                    self._log.info("leading", lease=self._terms.name, identity=self._terms.identity)
                    return
                if holder != waiting_for:
                    self._log.info("waiting for the lead", lease=self._terms.name, holder=holder)
                    waiting_for = holder
            await asyncio.sleep(max(self._terms.renewal * (0.5 + 0.5 * self._random()), rest))

    async def _try(self) -> str | None:
        """Take the Lease if it may be taken; return ``None`` if it was, else who holds it."""
        async with self._deadline():
            lease = await self._store.get(LEASE, self._terms.name, NAMESPACE)
        token = lease and (lease.spec, lease.meta.uid)
        if token != self._seen.token:
            self._seen = _Seen(token, self._clock())
        spec = (lease and lease.spec) or LeaseSpec()
        held = spec.holder_identity and spec.holder_identity != self._terms.identity
        # A Lease of another version of this program may last longer; one without a duration lasts ours.
        if held and self._clock() < self._seen.at + (spec.lease_duration_seconds or self._terms.duration):
            return spec.holder_identity
        try:
            await self._write(lease, taken=True)
        except (Conflict, AlreadyExists, NotFound):
            return spec.holder_identity or "another process, which was faster"
        return None

    async def _renew_again(self) -> None:
        """Renew, for ever; raise :class:`LeadershipLost` when somebody else holds the Lease."""
        wait = self._terms.renewal
        while True:
            await asyncio.sleep(wait)
            try:
                await self._renew()
            except StoreError as error:
                self._trouble = str(error)
                wait = max(self._terms.renewal * (0.1 + 0.1 * self._random()), _rest(error))
            else:
                self._trouble = ""
                wait = max(0.0, self._confirmed + self._terms.renewal - self._clock())

    async def _watch_clock(self) -> None:
        """Raise :class:`LeadershipLost` when no renewal was confirmed for too long.

        It asks the clock again and again: the event loop's timers stand still while the machine is suspended.
        """
        while self.leading:
            left = self._confirmed + self._terms.lead - self._clock()
            await asyncio.sleep(min(_LOOK_SECONDS, max(left, _LEAST_SLEEP)))
        because = self._trouble or "this process was stopped for too long"
        raise LeadershipLost(f"the Lease {self._terms.name} could not be renewed in time: {because}")

    async def _renew(self) -> None:
        try:
            await self._write(self._lease, taken=False)
        except (Conflict, NotFound) as conflict:
            # Somebody else wrote to it, an annotation perhaps. It is lost only if the holder is another.
            async with self._deadline():
                lease = await self._store.get(LEASE, self._terms.name, NAMESPACE)
            holder = lease.spec.holder_identity if lease and lease.spec else ""
            if holder != self._terms.identity:
                self._lease = None  # it is not ours to free
                raise LeadershipLost(f"the Lease {self._terms.name} is held by {holder or 'nobody'} now") from conflict
            await self._write(lease, taken=False)

    async def _write(self, lease: Lease | None, *, taken: bool) -> None:
        moment = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {
            "holderIdentity": self._terms.identity,
            "leaseDurationSeconds": round(self._terms.duration),
            "renewTime": moment,
        }
        if taken:
            spec["acquireTime"] = moment
            spec["leaseTransitions"] = lease.spec.lease_transitions + 1 if lease and lease.spec else 0
        sent = self._clock()
        async with self._deadline():
            if lease is None:
                meta = {"name": self._terms.name, "namespace": NAMESPACE}
                self._lease = await self._store.create(LEASE, {"metadata": meta, "spec": spec})
            else:
                version = lease.meta.resource_version
                self._lease = await self._store.patch(
                    LEASE, self._terms.name, NAMESPACE, {"spec": spec}, version=version
                )
        self._confirmed = sent

    async def _release(self) -> None:
        """Free the Lease if it is still ours, so that the next leader need not wait for its end."""
        lease, self._lease = self._lease, None
        if lease is None:
            return
        with contextlib.suppress(StoreError, TimeoutError):  # it ends by itself
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._store.patch(
                    LEASE,
                    self._terms.name,
                    NAMESPACE,
                    {"spec": {"holderIdentity": ""}},
                    version=lease.meta.resource_version,
                )

    @contextlib.asynccontextmanager
    async def _deadline(self) -> Any:
        try:
            async with asyncio.timeout(self._terms.request):
                yield
        except TimeoutError as error:
            raise Unreachable(f"no answer within {self._terms.request:.1f} s") from error


def _rest(error: StoreError) -> float:
    """Return for how long the store asks to be left alone."""
    return error.retry_after if isinstance(error, Unreachable) else 0.0
