"""What is wrong with a manifest, said so that a person can mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether a fault stops ``apply`` or is only pointed out."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is, what stands there, and what would be right.

    ``source`` is the file's name ("-" for standard input), ``document`` counts from 1, ``subject`` is "Kind name",
    ``path`` the field ("spec.peerIP", "spec.floatingIPs[1]"), ``value`` what stands there (cut at 100 characters, never
    a secret), ``problem`` says what is wrong and what would be right.
    """

    problem: str
    path: str = ""
    value: str | None = None
    subject: str = ""
    source: str = ""
    document: int = 0
    severity: Severity = Severity.ERROR
