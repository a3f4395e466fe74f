"""Messages of either generation as a person reads them: paths, neighbours, policies, calls. Pure.

The input is what :mod:`.readable` makes of a message. What has no form of its own here is shown as JSON.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from flatbgp.engine.gobgp.entries import Entry
from flatbgp.engine.gobgp.tags import GLOBAL_ASN
from flatbgp.engine.gobgp.transcript import prefix_of

Values = Mapping[str, Any]

NEIGHBOR_COLUMNS: Final = ("PEER", "PEER ASN", "LOCAL IP", "LOCAL ASN", "STATE", "UP SINCE", "RECEIVED", "MD5", "ADMIN")

_SHOWN = 20  # paths of a message, before "and N more"


def path_text(path: Values) -> str:
    """Return a path on one line: prefix, next hop, and what else it carries."""
    words = [str(prefix_of(path) or json.dumps(path.get("nlri", {})))]
    attributes = [*_attributes(path)]
    if next_hop := next((value for name, value in attributes if name == "via"), ""):
        words.append(f"via {next_hop}")
    words += [f"{name} {value}" for name, value in attributes if name != "via"]
    if path.get("isWithdraw"):
        words.insert(0, "withdraw")
    if path.get("neighborIp") not in (None, "<nil>", "invalid IP", "0.0.0.0", "::"):
        words.append(f"from {path['neighborIp']}")
    words += [word for word in ("best", "stale", "filtered") if path.get(word)]
    return "  ".join(words)


def _attributes(path: Values) -> Iterator[tuple[str, str]]:
    """Yield name and value of each attribute that we know, of version 3 (typed) or 4 (named)."""
    for attribute in path.get("pattrs", ()):
        if "@type" in attribute:
            name, value = attribute["@type"].rpartition(".")[2].removesuffix("Attribute"), attribute
        else:
            name, value = next(iter(attribute.items()), ("", {}))
        match name[:1].upper() + name[1:]:
            case "NextHop":
                yield "via", value.get("nextHop", "")
            case "MpReach" | "MpReachNLRI":
                yield "via", ", ".join(value.get("nextHops", ()))
            case "AsPath":
                numbers = [
                    str(number) for segment in value.get("segments", ()) for number in segment.get("numbers", ())
                ]
                yield "AS path", " ".join(numbers) or "empty"
            case "MultiExitDisc":
                yield "MED", str(value.get("med", 0))
            case "LocalPref":
                yield "LOCAL_PREF", str(value.get("localPref", 0))
            case "Communities":
                yield "communities", ",".join(f"{c >> 16}:{c & 0xFFFF}" for c in value.get("communities", ()))
            case "LargeCommunities":
                yield from _large(value.get("communities", ()))
            case "Origin" | "":
                pass  # always IGP with us
            case other:
                yield other, json.dumps({key: each for key, each in value.items() if key != "@type"})


def _large(communities: Sequence[Values]) -> Iterator[tuple[str, str]]:
    """Yield large communities, and our own tags among them apart: they never leave the daemon."""
    triples = [tuple(c.get(part, 0) for part in ("globalAdmin", "localData1", "localData2")) for c in communities]
    for name, ours in (("tags", True), ("large communities", False)):
        texts = [":".join(map(str, triple)) for triple in triples if (triple[0] == GLOBAL_ASN) is ours]
        if texts:
            yield name, ",".join(texts)


def neighbor_row(peer: Values) -> tuple[str, ...]:
    """Return the cells of :data:`NEIGHBOR_COLUMNS`."""
    conf, state = peer.get("conf", {}), peer.get("state", {})
    received = [f"{family.get('state', {}).get('received', 0)}" for family in peer.get("afiSafis", ())]
    return (
        conf.get("neighborAddress", ""),
        str(conf.get("peerAsn", 0)),
        peer.get("transport", {}).get("localAddress", ""),
        str(conf.get("localAsn", 0)),
        enum_word(state.get("sessionState", ""), "SESSION_STATE"),
        peer.get("timers", {}).get("state", {}).get("uptime", "-"),
        "+".join(received) or "0",
        "yes" if "authPassword" in conf else "no",
        enum_word(state.get("adminState", "UP"), "ADMIN_STATE"),
    )


def enum_word(name: str, kind: str) -> str:
    """Return the name of an enum's value without the name of the enum, which only version 4 puts before it."""
    return name.removeprefix(f"{kind}_")


def set_text(defined: Values) -> str:
    """Return a defined set on one line."""
    members = [*defined.get("list", ()), *(_prefix_text(prefix) for prefix in defined.get("prefixes", ()))]
    kind = enum_word(defined.get("definedType", ""), "DEFINED_TYPE").lower().replace("_", " ")
    return f"{defined.get('name', '')}  ({kind})  {', '.join(members)}"


def _prefix_text(prefix: Values) -> str:
    return f"{prefix.get('ipPrefix')} {prefix.get('maskLengthMin', 0)}..{prefix.get('maskLengthMax', 0)}"


def statement_text(statement: Values) -> str:
    """Return a statement of a policy on one line: its name, what it looks at, what it does."""
    conditions = [
        f"{name}={value.get('name') if isinstance(value, Mapping) else enum_word(value, 'ROUTE_TYPE').lower()}"
        for name, value in statement.get("conditions", {}).items()
    ]
    actions = []
    for name, value in statement.get("actions", {}).items():
        if name == "routeAction":
            continue
        given = value.get("communities", ()) if "ommunity" in name else (value.get("value", 0),)
        actions.append(f"{name}={','.join(map(str, given)) or 'none'}")
    verdict = enum_word(statement.get("actions", {}).get("routeAction", "continue"), "ROUTE_ACTION").lower()
    return f"{statement.get('name', '')}: if {' and '.join(conditions) or 'anything'}: {', '.join([*actions, verdict])}"


def assignment_text(assignment: Values) -> str:
    """Return what a policy is used for, on one line."""
    names = ", ".join(policy.get("name", "") for policy in assignment.get("policies", ())) or "none"
    direction = enum_word(assignment.get("direction", ""), "POLICY_DIRECTION").lower()
    default = enum_word(assignment.get("defaultAction", "NONE"), "ROUTE_ACTION").lower()
    return f"{assignment.get('name', '')} {direction}: {names}; everything else: {default}"


def event_text(event: Values) -> str:
    """Return an event on one line; "" for the one that ends the list of all neighbours."""
    peer = event.get("peer", {})
    kind = enum_word(event.get("type", "unknown"), "TYPE")
    if kind == "END_OF_INIT":
        return ""
    state = enum_word(peer.get("state", {}).get("sessionState", ""), "SESSION_STATE")
    return f"{peer.get('conf', {}).get('neighborAddress', '')} {state} ({kind.lower()})"


def entry_lines(entry: Entry) -> Iterator[str]:
    """Yield the lines of a call, or of a part of one: a heading, then what was sent and received."""
    outcome = f"  {entry.status}" if entry.status else ""
    details = f": {entry.details}" if entry.details else ""
    yield f"{entry.time}  #{entry.call} {entry.method.name} ({entry.method.api}){outcome}{details}  {entry.ms:.1f} ms"
    for mark, message in ((">", entry.request), ("<", entry.answer)):
        for line in message_lines(message or {}):
            yield f"  {mark} {line}"


def message_lines(message: Values) -> Iterator[str]:
    """Yield a message on as few lines as can be read."""
    rest = dict(message)
    destination = rest.pop("destination", None)
    paths = (destination or {}).get("paths", ()) if destination is not None else rest.pop("paths", ())
    rest.pop("tableType", None)
    yield from _listed([path_text(path) for path in paths])
    yield from (set_text(defined) for defined in rest.pop("definedSets", ()))
    for policy in rest.pop("policies", ()):
        statements = policy.get("statements", ())
        yield f"policy {policy.get('name', '')}{'' if statements else ': nothing'}"
        yield from (f"  {statement_text(statement)}" for statement in statements)
    if isinstance(assignment := rest.pop("assignment", None), Mapping):
        yield assignment_text(assignment)
    if isinstance(peer := rest.pop("peer", None), Mapping):
        yield from _peer_lines(peer) if "peer" not in peer else [event_text(peer) or "all neighbours were told"]
    if rest:
        yield json.dumps(rest, ensure_ascii=False)


def _peer_lines(peer: Values) -> Iterator[str]:
    """Yield a neighbour: its ends and state, then each part of its configuration."""
    parts = dict(peer)
    conf, state = dict(parts.pop("conf", {})), dict(parts.pop("state", {}))
    address, peer_asn, local_asn = (conf.pop(name, 0) for name in ("neighborAddress", "peerAsn", "localAsn"))
    local = dict(parts.pop("transport", {})).pop("localAddress", "any address")
    conf.pop("type", None)
    word = enum_word(state.pop("sessionState", ""), "SESSION_STATE")
    yield f"{address} (AS{peer_asn}) from {local} (AS{local_asn}){f' {word}' if word else ''}"
    families = parts.pop("afiSafis", ())
    for name, part in {"conf": conf, "state": state, **parts}.items():
        text = json.dumps({key: value for key, value in part.items() if value != {}}, ensure_ascii=False)
        if text != "{}":
            yield f"  {name} {text}"
    for family in families:
        afi = family.get("config", {}).get("family", {}).get("afi", "")
        limit = family.get("prefixLimits", {}).get("maxPrefixes", "none")
        restart = "on" if family.get("mpGracefulRestart", {}).get("config", {}).get("enabled") else "off"
        yield f"  {enum_word(afi, 'AFI')} unicast: prefix limit {limit}, graceful restart {restart}"


def _listed(texts: Sequence[str]) -> Iterator[str]:
    yield from texts[:_SHOWN]
    if len(texts) > _SHOWN:
        yield f"and {len(texts) - _SHOWN} more paths"
