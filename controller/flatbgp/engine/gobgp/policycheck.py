"""The static policy as it should be, against the one that a daemon has: whether somebody changed it. Pure.

What it protects is worth a look of its own: nothing learned comes in, and only tagged paths of ours go out. The
attributes that a neighbour's routes get are no matter here; they are compared as a setting of its session.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from flatbgp.engine.gobgp.codec import Codec
from flatbgp.engine.gobgp.codec_v3 import CodecV3
from flatbgp.engine.gobgp.codec_v4 import CodecV4
from flatbgp.engine.gobgp.inspection import Snapshot
from flatbgp.engine.gobgp.readable import readable
from flatbgp.engine.gobgp.words import assignment_text
from flatbgp.engine.model import ExportAttributes
from flatbgp.resources.ip import IPAddress

Values = Mapping[str, Any]

_CODECS: Mapping[str, type[Codec]] = {"v3": CodecV3, "v4": CodecV4}


def policy_faults(snapshot: Snapshot, marker: str, addresses: Collection[IPAddress]) -> tuple[str, ...]:
    """Return a sentence for each part of the policy that is not as it should be with these neighbours."""
    codec = _CODECS[snapshot.api]()
    wanted = readable(codec.policy.set_policies(marker, dict.fromkeys(addresses, ExportAttributes())))
    assignments = [readable(request)["assignment"] for request in codec.policy.assignments()]
    return (
        *_sets({each["name"]: each for each in wanted["definedSets"]}, snapshot),
        *_policies({each["name"]: each for each in wanted["policies"]}, snapshot),
        *_assignments(assignments, snapshot),
    )


def _sets(wanted: Mapping[str, Values], snapshot: Snapshot) -> Iterator[str]:
    there = {each.get("name", ""): each for each in snapshot.defined_sets}
    for name, each in wanted.items():
        if name not in there:
            yield f"The defined set {name} is missing"
        elif (has := _members(there[name])) != _members(each):
            yield f"The defined set {name} has {', '.join(has) or 'no member'}, and should have {_members(each)[0]}"


def _members(defined: Values) -> list[str]:
    """Return the members of a set; a daemon makes regular expressions of communities."""
    return [member.removeprefix("^").removesuffix("$") for member in defined.get("list", ())]


def _policies(wanted: Mapping[str, Values], snapshot: Snapshot) -> Iterator[str]:
    there = {each.get("name", ""): each for each in snapshot.policies}
    for name, each in wanted.items():
        if name not in there:
            yield f"The policy {name} is missing"
            continue
        statements, has = _statements(each), _statements(there[name])
        for statement in statements:
            if statement not in has:
                yield f"The policy {name} lacks the statement {statement}"
            elif has[statement] != statements[statement]:
                yield f"The statement {statement} of the policy {name} has other conditions, or another verdict"
        for statement in has.keys() - statements.keys():
            yield f"The policy {name} has the statement {statement}, which flatbgp did not make"


def _statements(policy: Values) -> Mapping[str, tuple[Values, str]]:
    return {
        each.get("name", ""): (each.get("conditions", {}), each.get("actions", {}).get("routeAction", ""))
        for each in policy.get("statements", ())
    }


def _assignments(wanted: Collection[Values], snapshot: Snapshot) -> Iterator[str]:
    there = {each.get("direction", ""): assignment_text(each) for each in snapshot.assignments}
    for each in wanted:
        has = there.get(each["direction"])
        if has is None:
            yield f"No policy is assigned where it should be: {assignment_text(each)}"
        elif has != assignment_text(each):
            yield f"The policy is assigned as {has!r}, and should be {assignment_text(each)!r}"
