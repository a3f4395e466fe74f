"""What ``flatbgp check`` says: one line each."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # something works less well, or could not be looked at
    PROBLEM = "problem"  # it keeps sessions from coming up


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject`` is what was looked at; ``message`` says how it is and, unless it is fine, what to do."""

    level: Level
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.level:<8} {self.subject}: {self.message}"


def ok(subject: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, subject, message)


def warning(subject: str, message: str) -> Finding:
    """Return a finding of something that sessions come up with all the same."""
    return Finding(Level.WARNING, subject, message)


def problem(subject: str, message: str) -> Finding:
    """Return a finding of something that keeps sessions from coming up."""
    return Finding(Level.PROBLEM, subject, message)
