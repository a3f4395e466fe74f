"""Conditions of objects (Kubernetes API conventions, metav1.Condition)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import Doc


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: what it is about, whether it holds, a one-word reason and a sentence."""

    type: Annotated[str, Doc("What it is about: Ready, Conflicting, ...")]
    status: Annotated[str, Doc("True, False or Unknown")]
    reason: Annotated[Reason, Doc("One word; the page of reasons says what it means and what to do.")]
    message: Annotated[str, Doc("The reason in a sentence, with the names concerned.")] = ""
    last_transition_time: Annotated[datetime | None, Doc("When the status last changed.")] = None
    observed_generation: Annotated[int | None, Doc("The generation of the spec that was judged.")] = None


def merge(old: Iterable[Condition], new: Iterable[Condition], now: datetime) -> tuple[Condition, ...]:
    """Return ``new`` with the transition times of ``old`` kept where the status is the same, sorted by type.

    The transition time is that of the *status*, not of reason or message (API conventions).
    """
    before = {condition.type: condition for condition in old}
    merged = []
    for condition in new:
        known = before.get(condition.type)
        since = known.last_transition_time if known and known.status == condition.status else now
        merged.append(replace(condition, last_transition_time=since))
    return tuple(sorted(merged, key=lambda condition: condition.type))
