"""GoBGP as an engine."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, ip_address
from itertools import islice
from secrets import token_bytes
from typing import Any

from flatbgp.engine.diff import changes, cost_of
from flatbgp.engine.errors import EngineError, ForeignDaemon
from flatbgp.engine.gobgp.channel import Taker
from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.connection import CALL_DEADLINE, Connection
from flatbgp.engine.gobgp.record import Record, Tagged
from flatbgp.engine.gobgp.tags import GLOBAL_ASN, OURS
from flatbgp.engine.limits import check_neighbor, check_path
from flatbgp.engine.model import (
    EngineInfo,
    Exit,
    ExportAttributes,
    Neighbor,
    NeighborState,
    Observed,
    Path,
)
from flatbgp.planning.costs import Cost
from flatbgp.resources.ip import Family, IPAddress

_TAGS = frozenset({OURS})  # of a path that goes to every neighbour
_BATCH = 500  # paths a message: as fast as 5,000, and building one keeps the event loop for some 5 ms only
_SLOWEST = 2000  # paths a second that a daemon takes at least; measured: 20,000 and more
_LEAVING = 1.0  # seconds at most that a removal waits for its last messages
_POLL = 0.02  # seconds between two looks at a leaving neighbour
_FAREWELL = "this session is no longer configured"  # what the router logs (RFC 9003)


@dataclass(slots=True)
class _Known:
    """What the daemon holds, as far as it is not asked each time. Void once the daemon was lost."""

    losses: int
    marker: str
    exports: dict[IPAddress, ExportAttributes] = field(default_factory=dict)
    record: Record = field(default_factory=Record)


class GobgpEngine:
    """An :class:`~flatbgp.engine.protocol.Engine` that drives a gobgpd 3 or 4 through its unix socket.

    It keeps a record of the paths that it added and reads everything else from the daemon. Changes are serialized by a
    lock; :meth:`info` doesn't wait for them.
    """

    def __init__(self, target: str, channel: Any = None) -> None:
        """``channel`` takes the place of the one that leads to ``target`` (:class:`.channel.DryChannel`)."""
        self._connection = Connection(target, channel)
        self._known: _Known | None = None
        self._lock = asyncio.Lock()
        self._salt = token_bytes(32)

    def trace(self, taker: Taker | None) -> None:
        """Give notes of all calls to ``taker`` from now on, or to nobody."""
        self._connection.trace(taker)

    async def close(self) -> None:
        """Close the connection; the daemon goes on."""
        await self._connection.close()

    async def info(self) -> EngineInfo:
        """Ask who is there (a cheap call: it is also the heartbeat)."""
        codec, response = await self._connection.identity()
        info = codec.info(response)
        if not info.started:
            return info
        sets = await self._connection.listed(codec, "ListDefinedSet", codec.policy.marker_request())
        marker = codec.policy.marker(sets)
        if marker is None and info.asn == GLOBAL_ASN and await self._unused(codec):
            return replace(info, started=False)
        return replace(info, marker=marker)

    async def _unused(self, codec: Codec) -> bool:
        peers = await self._connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest())
        return not peers and await self.path_count() == 0

    async def start(self, router_id: IPv4Address, marker: str) -> None:
        """Start BGP without a listener, leave the marker, set the static policy."""
        async with self._lock:
            info = await self.info()
            if info.started or info.router_id not in (None, router_id):
                raise ForeignDaemon(
                    f"gobgpd on {self._connection.target} was already started (AS{info.asn}, router ID "
                    f"{info.router_id}, marker {info.marker}): restart it, so that it comes up empty"
                )
            codec = await self._connection.codec()
            if info.asn is None:
                await self._connection.call(codec, "StartBgp", codec.start_request(router_id))
            # The marker comes last: a daemon that has it rejects what it should.
            await self._connection.call(codec, "SetPolicies", codec.policy.set_policies(None, {}))
            for request in codec.policy.assignments():
                await self._connection.call(codec, "SetPolicyAssignment", request)
            await self._connection.call(codec, "SetPolicies", codec.policy.set_policies(marker, {}))
            self._known = _Known(self._connection.losses, marker)

    async def observe(self) -> Observed:
        """Return what the daemon has configured. The first call on a filled daemon lists its paths (expensive)."""
        async with self._lock:
            info = await self.info()
            if info.marker is None:
                self._known = None
                return Observed(info)
            known = await self._load(info.marker)
            if await self.path_count() != len(known.record):
                self._known = None
                known = await self._load(info.marker)
            codec = await self._connection.codec()
            peers = await self._connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest())
            neighbors = {}
            for response in peers:
                address = ip_address(response.peer.conf.neighbor_address)
                export = known.exports.get(address, ExportAttributes())
                neighbors[address] = codec.observed(response.peer, export, self._salt)
            return Observed(info, neighbors, dict(known.record.paths), known.record.unreached(neighbors))

    async def _load(self, marker: str) -> _Known:
        """Return what is known of the daemon, having asked for it if need be."""
        if self._known is not None and (self._known.losses, self._known.marker) == (self._connection.losses, marker):
            return self._known
        codec = await self._connection.codec()
        known = _Known(self._connection.losses, marker)
        policies = await self._connection.listed(codec, "ListPolicy", codec.policy.exports_request())
        known.exports = codec.policy.exports(policies)
        for family in Family:
            async for response in self._connection.stream(codec, "ListPath", codec.list_paths(family)):
                for message in response.destination.paths:
                    if (tagged := codec.decode_path(message)) is not None:
                        known.record.add(tagged)
        self._known = known
        return known

    async def _ours(self) -> _Known:
        """Return what is known of the daemon before something is changed in it; refuse if it isn't ours."""
        if self._known is not None and self._known.losses == self._connection.losses:
            return self._known
        info = await self.info()
        if info.marker is None:
            state = "was started by something else" if info.started else "is not started"
            raise EngineError(f"gobgpd on {self._connection.target} {state}: nothing is changed in it")
        return await self._load(info.marker)

    async def neighbors(self) -> Mapping[IPAddress, NeighborState]:
        """Return the state of all neighbours, with counters."""
        codec = await self._connection.codec()
        record = self._known.record if self._known is not None else Record()
        # Uptimes are stamps of the wall clock of the daemon, which runs on this machine.
        now = time.time()
        states = [
            codec.state(response.peer, now, record.advertised)
            for response in await self._connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest())
        ]
        return {state.address: state for state in states}

    async def path_count(self) -> int:
        """Return how many paths the daemon holds (cheap)."""
        codec = await self._connection.codec()
        tables = [await self._connection.call(codec, "GetTable", codec.count_paths(family)) for family in Family]
        return sum(table.num_path for table in tables)

    async def announce(self, paths: Iterable[Path]) -> None:
        """Add or replace paths on every session, in batches."""
        async with self._lock:
            await self._add(await self._ours(), [(path, _TAGS) for path in paths])

    async def withdraw(self, paths: Iterable[Path]) -> None:
        """Take paths away on every session; unknown ones are ignored."""
        async with self._lock:
            known = await self._ours()
            leaving = [(path, _TAGS) for path in paths]
            await self._send(leaving, withdraw=True)
            async for batch in _batches(leaving):
                for path, _ in batch:
                    known.record.remove(path.prefix)

    async def _add(self, known: _Known, tagged: list[Tagged]) -> None:
        async for batch in _batches(tagged):
            for path, _ in batch:
                check_path(path)
        await self._send(tagged, withdraw=False)
        async for batch in _batches(tagged):
            for path_with_tags in batch:
                known.record.add(path_with_tags)

    async def _send(self, tagged: list[Tagged], *, withdraw: bool) -> None:
        """Stream paths to the daemon. If that fails, nobody knows which of them it took: the record is void."""
        if not tagged:
            return
        codec = await self._connection.codec()
        deadline = CALL_DEADLINE + len(tagged) / _SLOWEST
        try:
            await self._connection.call(codec, "AddPathStream", _requests(codec, tagged, withdraw=withdraw), deadline)
        except BaseException:
            self._known = None
            raise

    async def add_neighbor(self, neighbor: Neighbor) -> None:
        """Let it have every path, then open the session, as a restarting speaker (RFC 4724 R and F bits)."""
        check_neighbor(neighbor)
        async with self._lock:
            known = await self._ours()
            await self._export(known, neighbor)
            await self._add(known, known.record.withheld(neighbor.address))
            codec = await self._connection.codec()
            await self._connection.call(codec, "AddPeer", codec.pb.AddPeerRequest(peer=codec.peer(neighbor)))

    async def update_neighbor(self, new: Neighbor) -> None:
        """Change a neighbour, in place where the daemon can, else by ending and reopening the session."""
        check_neighbor(new)
        async with self._lock:
            known = await self._ours()
            codec = await self._connection.codec()
            peer = await self._peer(new.address)
            if peer is None:
                raise EngineError(f"neighbour {new.address} is not changed: gobgpd doesn't have it")
            export = known.exports.get(new.address, ExportAttributes())
            changed = changes(new, codec.observed(peer, export, self._salt))
            cost = cost_of(changed)
            if "export" in changed:
                await self._export(known, new)
            if cost is Cost.SESSION_RESET:
                # What UpdatePeer does as well, Cease included, but the same in every version.
                await self._connection.call(codec, "DeletePeer", codec.pb.DeletePeerRequest(address=str(new.address)))
                await self._connection.call(codec, "AddPeer", codec.pb.AddPeerRequest(peer=codec.peer(new)))
                return
            if set(changed) - {"export"}:
                await self._connection.call(codec, "UpdatePeer", codec.pb.UpdatePeerRequest(peer=codec.peer(new)))
            if "export" in changed:
                # The routes stay the same and only look different, so this sends updates and never has to withdraw.
                await self._connection.call(codec, "ResetPeer", codec.soft_reset(new.address))

    async def remove_neighbor(self, address: IPAddress, how: Exit) -> None:
        """Take a neighbour away, and return when nothing more will leave; a missing one is no error."""
        if how is Exit.MOVE:
            await self._delete(address)  # at once: a thousand routes on their way are no reason to wait
        async with self._lock:
            known = await self._ours()
            if how is Exit.REMOVAL:
                await self._take_leave(known, address)
                await self._delete(address)
            if address in known.exports:
                await self._set_policies(known, {a: e for a, e in known.exports.items() if a != address})

    async def _delete(self, address: IPAddress) -> None:
        codec = await self._connection.codec()
        if await self._peer(address) is not None:
            await self._connection.call(codec, "DeletePeer", codec.pb.DeletePeerRequest(address=str(address)))

    async def _take_leave(self, known: _Known, address: IPAddress) -> None:
        """Withdraw everything from one neighbour and end its session, and wait until both are on the wire.

        DeletePeer alone would return while its Cease is still to be written, and the caller takes the address off the
        host next. A shutdown is a Cease as well (RFC 4486 subcode 2), and its end is visible.
        """
        codec, peer = await self._connection.codec(), await self._peer(address)
        if peer is None or not codec.established(peer):
            return
        if withdrawn := known.record.withhold(address):
            before = peer.state.messages.sent.update
            await self._add(known, withdrawn)
            await self._wait(address, _updates_settled(before))
        farewell = codec.pb.DisablePeerRequest(address=str(address), communication=_FAREWELL)
        await self._connection.call(codec, "DisablePeer", farewell)
        await self._wait(address, lambda peer: not codec.established(peer))

    async def _wait(self, address: IPAddress, done: Callable[[Any], bool]) -> None:
        """Wait until a neighbour is as it should be, or gone, but not longer than it is worth."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING):
                while (  # noqa: ASYNC110 - what we wait for happens in another process
                    peer := await self._peer(address)
                ) is not None and not done(peer):
                    await asyncio.sleep(_POLL)

    async def enable_neighbor(self, address: IPAddress) -> None:
        """Try again with a neighbour that exceeded its prefix limit (or was shut down by hand)."""
        async with self._lock:
            codec = await self._connection.codec()
            await self._connection.call(codec, "EnablePeer", codec.pb.EnablePeerRequest(address=str(address)))

    async def events(self) -> AsyncIterator[IPAddress | None]:
        """Yield the address of a neighbour whose state may have changed (``None``: look at all)."""
        codec = await self._connection.codec()
        request = codec.pb.WatchEventRequest(peer=codec.pb.WatchEventRequest.Peer())
        async with aclosing(self._connection.stream(codec, "WatchEvent", request, silence=None)) as responses:
            async for response in responses:
                peer = response.peer.peer
                try:
                    address = ip_address(peer.state.neighbor_address)
                except ValueError:  # the end of the list with which the stream begins has no address
                    yield None
                    continue
                if codec.forgets_plain_peers and codec.established(peer):
                    await self._remind(address)
                yield address
        raise self._connection.lost("ended its events")

    async def _remind(self, address: IPAddress) -> None:
        """Send all routes to a router without graceful restart, which version 3 may have left out.

        While it counts itself as restarting, it sends its routes once every router has said that it is done, but then
        passes over those that cannot say so (osrg/gobgp#2596; 3.10: such a router never got any, fixed in 3.26).
        """
        codec = await self._connection.codec()
        peer = await self._peer(address)
        if peer is None or not codec.established(peer) or not peer.graceful_restart.enabled:
            return
        _, restarts = codec.capabilities(peer)
        if not restarts:
            await self._connection.call(codec, "ResetPeer", codec.soft_reset(address))

    async def _export(self, known: _Known, neighbor: Neighbor) -> None:
        await self._set_policies(known, known.exports | {neighbor.address: neighbor.effective().export})

    async def _set_policies(self, known: _Known, exports: dict[IPAddress, ExportAttributes]) -> None:
        codec = await self._connection.codec()
        await self._connection.call(codec, "SetPolicies", codec.policy.set_policies(known.marker, exports))
        known.exports = exports

    async def _peer(self, address: IPAddress) -> Any | None:
        codec = await self._connection.codec()
        found = await self._connection.listed(codec, "ListPeer", codec.pb.ListPeerRequest(address=str(address)))
        return next((response.peer for response in found), None)


def _updates_settled(before: int) -> Callable[[Any], bool]:
    """Return a test whether a neighbour was sent updates, and no more are coming."""
    last = before

    def settled(peer: Any) -> bool:
        nonlocal last
        sent, last = last, peer.state.messages.sent.update
        return bool(before < sent == last)

    return settled


async def _batches(tagged: Iterable[Tagged]) -> AsyncIterator[list[Tagged]]:
    """Yield a few paths at a time and let others run in between: the same event loop renews addresses."""
    rest = iter(tagged)
    while batch := list(islice(rest, _BATCH)):
        yield batch
        await asyncio.sleep(0)


async def _requests(codec: Codec, tagged: Iterable[Tagged], *, withdraw: bool) -> AsyncIterator[Any]:
    async for batch in _batches(tagged):
        yield codec.path_request(batch, withdraw=withdraw)
