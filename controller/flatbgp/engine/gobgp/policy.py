"""The static policy: nothing learned comes in, and only paths of ours go out. Pure.

GoBGP knows policies of a peer only for route servers; everywhere else there is one policy for import and one for
export, whose statements look at the peer through a neighbour set.

- import: local paths are accepted, the rest is rejected. (It applies to our own paths too: without the first statement
  they would be swallowed while the daemon answers OK.)
- export: two statements for each neighbour. Paths withheld from it are rejected; local paths of ours get its attributes
  and are accepted. The rest is rejected.

The whole policy is set in one call that replaces it under one lock; the two assignments, made once, stay. So it is a
function of the neighbours, and is never edited in place.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from flatbgp.engine.gobgp.tags import OURS, Tag, withheld_from
from flatbgp.engine.model import ExportAttributes
from flatbgp.resources.ip import IPAddress

IMPORT_POLICY = "flatbgp-import"
EXPORT_POLICY = "flatbgp-export"
_GLOBAL = "global"  # the daemon's name for the policy that is not a route server client's
_MARKER = "flatbgp-marker:"
_OURS = "flatbgp-ours"
_NEIGHBOR = "flatbgp-neighbor:"
_WITHHELD = "flatbgp-withheld:"
_EXPORT = "flatbgp-export:"

# GoBGP prints these by name when asked for a policy (RFC 1997, 7999, 8326 and others).
_WELL_KNOWN = {
    "planned-shut": 0xFFFF0000,
    "accept-own": 0xFFFF0001,
    "route-filter-translated-v4": 0xFFFF0002,
    "route-filter-v4": 0xFFFF0003,
    "route-filter-translated-v6": 0xFFFF0004,
    "route-filter-v6": 0xFFFF0005,
    "llgr-stale": 0xFFFF0006,
    "no-llgr": 0xFFFF0007,
    "blackhole": 0xFFFF029A,
    "no-export": 0xFFFFFF01,
    "no-advertise": 0xFFFFFF02,
    "no-export-subconfed": 0xFFFFFF03,
    "no-peer": 0xFFFFFF04,
}


@dataclass(frozen=True, slots=True)
class PolicyEnums:
    """Enum values about policies that the two generations number differently, or not."""

    set_types: tuple[int, ...]
    set_neighbor: int
    set_community: int
    set_large_community: int
    match_any: int
    community_replace: int
    med_replace: int
    route_type_local: int = 3
    accept: int = 1
    reject: int = 2
    direction_import: int = 1
    direction_export: int = 2


@dataclass(frozen=True, slots=True)
class PolicyCodec:
    """The policy as messages of one generation."""

    pb: Any
    enums: PolicyEnums

    def set_policies(self, marker: str | None, exports: Mapping[IPAddress, ExportAttributes]) -> Any:
        """Return the request that sets the whole policy."""
        pb, enums = self.pb, self.enums
        local = pb.Statement(
            name="flatbgp-import-local",
            conditions=pb.Conditions(route_type=enums.route_type_local),
            actions=pb.Actions(route_action=enums.accept),
        )
        sets = [self._tag_set(_OURS, OURS)]
        for address in exports:
            sets.append(self._tag_set(f"{_WITHHELD}{address}", withheld_from(address)))
            sets.append(
                pb.DefinedSet(
                    defined_type=enums.set_neighbor,
                    name=f"{_NEIGHBOR}{address}",
                    list=[f"{address}/{address.max_prefixlen}"],  # the daemon refuses a bare address
                )
            )
        if marker is not None:
            # A set that no statement uses: its name is the message. It needs a member to be taken.
            sets.append(pb.DefinedSet(defined_type=enums.set_community, name=_MARKER + marker, list=["0:0"]))
        return pb.SetPoliciesRequest(
            defined_sets=sets,
            policies=[
                pb.Policy(name=IMPORT_POLICY, statements=[local]),
                pb.Policy(
                    name=EXPORT_POLICY,
                    statements=[s for address, export in exports.items() for s in self._statements(address, export)],
                ),
            ],
        )

    def assignments(self) -> tuple[Any, Any]:
        """Return the two requests that put the policies to work, everything else being rejected."""
        pb, enums = self.pb, self.enums
        return tuple(
            pb.SetPolicyAssignmentRequest(
                assignment=pb.PolicyAssignment(
                    name=_GLOBAL,
                    direction=direction,
                    policies=[pb.Policy(name=name)],
                    default_action=enums.reject,
                )
            )
            for name, direction in (
                (IMPORT_POLICY, enums.direction_import),
                (EXPORT_POLICY, enums.direction_export),
            )
        )

    def marker_request(self) -> Any:
        """Return the request for the sets among which the marker is."""
        return self.pb.ListDefinedSetRequest(defined_type=self.enums.set_community)

    def marker(self, responses: Iterable[Any]) -> str | None:
        """Find the marker."""
        names = [response.defined_set.name for response in responses]
        return next((name.removeprefix(_MARKER) for name in names if name.startswith(_MARKER)), None)

    def exports_request(self) -> Any:
        """Return the request for the export policy."""
        return self.pb.ListPolicyRequest(name=EXPORT_POLICY)

    def exports(self, responses: Iterable[Any]) -> dict[IPAddress, ExportAttributes]:
        """Read the attributes of each neighbour from the export policy."""
        return {
            ip_address(statement.name.removeprefix(_EXPORT)): _attributes(statement.actions)
            for response in responses
            if response.policy.name == EXPORT_POLICY
            for statement in response.policy.statements
            if statement.name.startswith(_EXPORT)
        }

    def _tag_set(self, name: str, tag: Tag) -> Any:
        return self.pb.DefinedSet(
            defined_type=self.enums.set_large_community, name=name, list=[":".join(map(str, tag))]
        )

    def _statements(self, address: IPAddress, export: ExportAttributes) -> tuple[Any, Any]:
        pb, enums = self.pb, self.enums
        actions = pb.Actions(
            route_action=enums.accept,
            # Replaced, not added to: this is what takes the tags off. An empty list takes all off.
            large_community=pb.CommunityAction(
                type=enums.community_replace,
                communities=[":".join(map(str, triple)) for triple in export.large_communities],
            ),
        )
        if export.communities:
            actions.community.type = enums.community_replace
            actions.community.communities.extend(f"{c >> 16}:{c & 0xFFFF}" for c in export.communities)
        if export.med is not None:
            actions.med.type = enums.med_replace
            actions.med.value = export.med
        if export.local_pref is not None:
            actions.local_pref.value = export.local_pref
        neighbor = pb.MatchSet(type=enums.match_any, name=f"{_NEIGHBOR}{address}")
        return (
            pb.Statement(
                name=f"{_WITHHELD}{address}",
                conditions=pb.Conditions(
                    neighbor_set=neighbor,
                    large_community_set=pb.MatchSet(type=enums.match_any, name=f"{_WITHHELD}{address}"),
                ),
                actions=pb.Actions(route_action=enums.reject),
            ),
            pb.Statement(
                name=f"{_EXPORT}{address}",
                conditions=pb.Conditions(
                    route_type=enums.route_type_local,
                    neighbor_set=neighbor,
                    large_community_set=pb.MatchSet(type=enums.match_any, name=_OURS),
                ),
                actions=actions,
            ),
        )


def _attributes(actions: Any) -> ExportAttributes:
    return ExportAttributes(
        communities=tuple(_community(text) for text in actions.community.communities),
        large_communities=tuple(_triple(text) for text in actions.large_community.communities),
        med=actions.med.value if actions.HasField("med") else None,
        local_pref=actions.local_pref.value if actions.HasField("local_pref") else None,
    )


def _community(text: str) -> int:
    if text in _WELL_KNOWN:
        return _WELL_KNOWN[text]
    high, low = re.findall(r"\d+", text)
    return int(high) << 16 | int(low)


def _triple(text: str) -> tuple[int, int, int]:
    first, second, third = re.findall(r"\d+", text)
    return int(first), int(second), int(third)
