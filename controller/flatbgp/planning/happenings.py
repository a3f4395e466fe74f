"""What is worth a line in an object's history: its status turned, and how.

Only turns count. A message that changes, a counter or one more report is no news; nor is it that a new object is fine.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from flatbgp.planning.nodes import NodePlan
from flatbgp.resources.bgpsession import BGPSessionStatus, SessionStatusState
from flatbgp.resources.conditions import Condition
from flatbgp.resources.event import CLUSTER_SCOPED_NAMESPACE, EVENT
from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Meta
from flatbgp.resources.networkgatewaygroup import FloatingIPStatus
from flatbgp.resources.parsing import format_time
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource

_BAD_IF_TRUE: Final = {"Overlapping", "Terminating"}
"""Conditions that say something is wrong when they hold; of all others it is wrong when they do not."""

_NAME_PART: Final = 200
"""Characters of an object's name that an Event's name begins with: 253 are allowed, and the digest needs some."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an object. ``subject`` is the part of it that is concerned (a condition's type)."""

    kind: Kind[Any, Any]
    meta: Meta
    subject: str
    reason: Reason
    message: str
    warning: bool


def of_status(before: Resource[Any, Any], after: Any) -> Iterator[Happening]:
    """Yield what a new status of an object tells; ``before`` is the object with the status that it replaces."""
    kind, meta, old = before.kind, before.meta, before.status
    if isinstance(after, BGPSessionStatus):
        yield from of_session(kind, meta, old, after)
        return
    entries = getattr(after, "floating_ips", ())
    for entry in _turned_entries(getattr(old, "floating_ips", ()), entries):
        held = entry.reason is Reason.HELD
        yield Happening(kind, meta, str(entry.address), entry.reason or Reason.NO_GATEWAY, entry.message, not held)
    told = {entry.reason for entry in entries}  # the group's own condition sums the entries up
    for condition in _turned_conditions(getattr(old, "conditions", ()), after.conditions):
        if not entries or condition.reason not in {*told, Reason.READY}:
            yield Happening(kind, meta, condition.type, condition.reason, condition.message, not _is_fine(condition))


def of_session(
    kind: Kind[Any, Any], meta: Meta, before: BGPSessionStatus | None, after: BGPSessionStatus
) -> Iterator[Happening]:
    """Yield what a new status of a BGPSession tells: that it came up, went down, or stays down for another reason."""
    was_up = before is not None and before.state is SessionStatusState.ESTABLISHED
    if after.state is SessionStatusState.ESTABLISHED:
        if not was_up:
            yield Happening(kind, meta, "state", Reason.ESTABLISHED, "The session is up.", warning=False)
        return
    reason = after.reason or Reason.CONNECTING
    turned = before is None or before.reason is not after.reason
    if was_up or (turned and reason is not Reason.CONNECTING):
        message = after.message or reason.meaning
        yield Happening(kind, meta, "state", reason, f"The session is down: {message}" if was_up else message, True)


NodeTroubles = Mapping[tuple[str, Reason], str]
"""What is wrong with Nodes: name and reason, and the sentence."""


def node_troubles(plan: NodePlan) -> NodeTroubles:
    """Return what is wrong with Nodes: no pod CIDR, no address to announce it with, or another Node's pod CIDR."""
    found: dict[tuple[str, Reason], str] = {}
    for shortage in plan.short:
        found[shortage.node, Reason.CIDR_NOT_AVAILABLE] = f"No pod CIDR: {shortage.message}"
    for node, family in plan.routes.without_address:
        found[node, Reason.NO_ADDRESS] = f"Its {family} pod CIDR is not announced: it has no {family} InternalIP."
    for prefix, node in plan.routes.duplicates:
        found[node, Reason.POD_CIDR_CONFLICT] = f"{prefix} is announced for an older Node with the same pod CIDR."
    return found


def event_name(happening: Happening, component: str) -> str:
    """Return the name of a happening's Event: the same for the same, so that a repetition is counted and not added."""
    told = (happening.meta.uid, component, happening.subject, happening.reason, happening.message)
    digest = hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
    return f"{happening.meta.name[:_NAME_PART].rstrip('.-')}.{digest}"


def event_namespace(happening: Happening) -> str:
    """Return the namespace of a happening's Event."""
    return happening.meta.namespace or CLUSTER_SCOPED_NAMESPACE


def event_document(happening: Happening, component: str, instance: str, count: int, wall: datetime) -> dict[str, Any]:
    """Return the Event to create."""
    meta, moment = happening.meta, format_time(wall)
    involved = {
        "apiVersion": happening.kind.api_version,
        "kind": happening.kind.name,
        "name": meta.name,
        **({"namespace": meta.namespace} if meta.namespace else {}),
        **({"uid": meta.uid} if meta.uid else {}),
    }
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": event_name(happening, component), "namespace": event_namespace(happening)},
        "involvedObject": involved,
        "reason": str(happening.reason),
        "message": happening.message,
        "type": "Warning" if happening.warning else "Normal",
        "count": count,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": instance,
    }


def _turned_entries(
    before: Iterable[FloatingIPStatus], after: Iterable[FloatingIPStatus]
) -> Iterator[FloatingIPStatus]:
    known = {entry.address: (entry.node, entry.reason) for entry in before}
    for entry in after:
        if known.get(entry.address) != (entry.node, entry.reason):
            yield entry


def _turned_conditions(before: Iterable[Condition], after: Iterable[Condition]) -> Iterator[Condition]:
    known = {condition.type: condition for condition in before}
    for condition in after:
        old = known.get(condition.type)
        if old is None and _is_fine(condition):
            continue
        if old is None or (old.status, old.reason) != (condition.status, condition.reason):
            yield condition


def _is_fine(condition: Condition) -> bool:
    return (condition.status == "True") is not (condition.type in _BAD_IF_TRUE)
