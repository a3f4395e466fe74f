"""A daemon as it is, whoever filled it: what debugging looks at. Nothing is changed in it."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.connection import Connection
from flatbgp.engine.gobgp.readable import readable
from flatbgp.engine.gobgp.transcript import prefix_of
from flatbgp.resources.ip import Family, IPAddress

_MOST = 1000  # paths that are listed unasked


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a daemon tells, as plain values without secrets, in the API's own words.

    ``tables`` are numbers of paths by family; ``paths`` is ``None`` if there are too many to be listed unasked.
    ``received`` and ``advertised`` are the tables of one neighbour, if it was asked for.
    """

    api: str
    identity: Mapping[str, Any]
    neighbors: tuple[Mapping[str, Any], ...] = ()
    tables: Mapping[str, int] | None = None
    paths: tuple[Mapping[str, Any], ...] | None = None
    received: tuple[Mapping[str, Any], ...] = ()
    advertised: tuple[Mapping[str, Any], ...] = ()
    defined_sets: tuple[Mapping[str, Any], ...] = ()
    policies: tuple[Mapping[str, Any], ...] = ()
    assignments: tuple[Mapping[str, Any], ...] = ()


class Inspector:
    """Looks into the gobgpd at a target."""

    def __init__(self, target: str) -> None:
        self._connection = Connection(target)

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def snapshot(self, neighbor: IPAddress | None = None, *, all_paths: bool = False) -> Snapshot:
        """Return what the daemon has; listing many paths keeps it busy, so more than a thousand are left out.

        With ``neighbor``, also what it sent and what it gets.
        """
        codec, answer = await self._connection.identity()
        identity = readable(getattr(answer, "global"))
        if codec.info(answer).asn is None:
            return Snapshot(codec.api, identity)
        counts = {
            str(family): int((await self._connection.call(codec, "GetTable", codec.count_paths(family))).num_path)
            for family in Family
        }
        listed = all_paths or sum(counts.values()) <= _MOST
        tables = codec.enums
        return Snapshot(
            api=codec.api,
            identity=identity,
            neighbors=tuple(sorted(await self._all(codec, "ListPeer", "peer"), key=_by_address)),
            tables=counts,
            paths=await self._paths(codec, tables.table_global) if listed else None,
            received=await self._paths(codec, tables.table_adj_in, neighbor) if neighbor is not None else (),
            advertised=await self._paths(codec, tables.table_adj_out, neighbor) if neighbor is not None else (),
            defined_sets=await self._defined_sets(codec),
            policies=await self._all(codec, "ListPolicy", "policy"),
            assignments=await self._all(codec, "ListPolicyAssignment", "assignment"),
        )

    async def events(self) -> AsyncGenerator[Mapping[str, Any]]:
        """Yield each event of a neighbour, beginning with the state of all; ends when the daemon does."""
        codec = await self._connection.codec()
        request = codec.pb.WatchEventRequest(peer=codec.pb.WatchEventRequest.Peer())
        async with aclosing(self._connection.stream(codec, "WatchEvent", request, silence=None)) as responses:
            async for response in responses:
                yield readable(response.peer)

    async def _all(self, codec: Codec, method: str, part: str) -> tuple[Mapping[str, Any], ...]:
        request = getattr(codec.pb, f"{method}Request")()
        answers = await self._connection.listed(codec, method, request)
        return tuple(readable(getattr(answer, part)) for answer in answers)

    async def _defined_sets(self, codec: Codec) -> tuple[Mapping[str, Any], ...]:
        """Return the sets of every type: a request asks for one."""
        found: list[Mapping[str, Any]] = []
        for number in codec.policy.enums.set_types:
            request = codec.pb.ListDefinedSetRequest(defined_type=number)
            answers = await self._connection.listed(codec, "ListDefinedSet", request)
            # Version 3 leaves out its first type, since that is zero.
            kind = {"definedType": codec.pb.DefinedType.Name(number)}
            found.extend(kind | readable(answer.defined_set) for answer in answers)
        return tuple(found)

    async def _paths(
        self, codec: Codec, table: int, neighbor: IPAddress | None = None
    ) -> tuple[Mapping[str, Any], ...]:
        found: list[Mapping[str, Any]] = []
        for family in Family:
            request = codec.pb.ListPathRequest(
                table_type=table,
                name=str(neighbor) if neighbor is not None else "",
                family=codec.family(family),
            )
            async for answer in self._connection.stream(codec, "ListPath", request):
                found.extend(readable(path) for path in answer.destination.paths)
        return tuple(sorted(found, key=_by_prefix))


def _by_address(peer: Mapping[str, Any]) -> tuple[int, str]:
    address = peer.get("conf", {}).get("neighborAddress", "")
    try:
        return int(ip_address(address)), ""
    except ValueError:  # unnumbered: by interface
        return 0, address


def _by_prefix(path: Mapping[str, Any]) -> tuple[int, int, int]:
    prefix = prefix_of(path)
    return (prefix.version, int(prefix.network_address), prefix.prefixlen) if prefix is not None else (0, 0, 0)
