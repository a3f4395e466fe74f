"""What is wrong with a manifest, said so that a person can mend it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VALUE_LIMIT = 100
"""A value is shown up to this many characters."""


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

    def __str__(self) -> str:
        """Return the fault as one line: file, document, object, field, value, and what would be right."""
        place = [self.source, f"document {self.document}" if self.document else "", self.subject, self.path]
        head = ": ".join(part for part in place if part)
        value = f" {self.value}" if self.value is not None else ""
        warning = "warning: " if self.severity is Severity.WARNING else ""
        return f"{warning}{head}:{value} {self.problem}" if head else f"{warning}{value}{self.problem}"


def errors(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return those that stop ``apply``."""
    return tuple(fault for fault in faults if fault.severity is Severity.ERROR)


def shown(value: Any) -> str:
    """Return a value as it stands in a fault: printable, on one line, at most 100 characters."""
    if isinstance(value, str):
        text = json.dumps(value[: VALUE_LIMIT + 1], ensure_ascii=False)
    else:
        text = ""
        for part in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
            text += part
            if len(text) > VALUE_LIMIT:  # enough of what may be 10 MiB
                break
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 3] + "..."
