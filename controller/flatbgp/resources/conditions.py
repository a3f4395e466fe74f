"""Conditions of objects (Kubernetes API conventions, metav1.Condition)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from flatbgp.resources.reasons import Reason


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: ``type`` ("Ready", "Conflicting", ...), ``status`` True, False or Unknown, one-word reason, sentence."""

    type: str
    status: str
    reason: Reason
    message: str = ""
    last_transition_time: datetime | None = None
    observed_generation: int | None = None


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
