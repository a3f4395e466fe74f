"""A value that must not be shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Password:
    """A secret text whose every printed form is ``***``.

    The text is reached only through :meth:`reveal`, so that a search for that word finds each place where a
    password leaves the program. Equality compares the texts: a rotated Secret is a difference.
    """

    _text: str

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"
