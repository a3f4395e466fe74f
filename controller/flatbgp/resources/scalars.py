"""Plain YAML scalars: what ``yes``, ``010``, ``1:20`` and ``2024-01-01`` are.

YAML 1.1 and 1.2 read some plain words differently, and so do the programs that people feed the same file to. The
values on which they agree (JSON's own) are read. A word on which they differ is kept as written, marked, and refused
with advice by any field that we read: nobody wants a peer whose ASN was octal. Dates, times and base-60 numbers
(``65000:10``, a community) are strings: Kubernetes' tools read them so.
"""

import re
from typing import Any, Self

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_OLD_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_OLD_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF"))
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_OTHER_INTEGER = re.compile(r"[-+]?(0[0-9_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|[1-9][0-9_]*)")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS_LIMIT = 400  # a number beyond a double's range; also keeps int() from refusing (it stops at 4300 digits)


class Ambiguous(str):
    """A plain scalar that different programs read differently, as written.

    ``value`` is what kubectl (a YAML 1.1 reader) makes of it; ``advice`` says how to write it so that all agree.
    """

    __slots__ = ("advice", "value")
    advice: str
    value: Any

    def __new__(cls, text: str, value: Any, advice: str) -> Self:
        """Make a text that remembers its other reading."""
        scalar = super().__new__(cls, text)
        scalar.value = value
        scalar.advice = advice
        return scalar


def resolve(text: str) -> Any:
    """Return the JSON value of a plain scalar, or an :class:`Ambiguous` text.

    >>> resolve("2"), resolve("true"), resolve("65000:10"), resolve("2024-01-01"), resolve("yes").advice
    (2, True, '65000:10', '2024-01-01', 'write true, or "yes" in quotes if the word is meant')
    """
    first = text[:1]
    if first.isdigit() or first in {"-", "+", "."}:
        return _number(text)
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _OLD_TRUE:
        return Ambiguous(text, True, f'write true, or "{text}" in quotes if the word is meant')
    if text in _OLD_FALSE:
        return Ambiguous(text, False, f'write false, or "{text}" in quotes if the word is meant')
    return text


def _number(text: str) -> Any:
    if len(text) > _DIGITS_LIMIT:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OTHER_INTEGER.fullmatch(text):
        number = _other_integer(text)
        if number is not None:
            return Ambiguous(text, number, f'write {number}, or "{text}" in quotes if the text is meant')
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return Ambiguous(text, text, "write a finite number")
    return text


def _other_integer(text: str) -> int | None:
    """Return what a YAML 1.1 reader makes of octal, hexadecimal, binary or underscored digits."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").replace("_", "")
    octal = len(digits) > 1 and digits.startswith("0") and digits.isdigit()
    try:
        if octal:
            return sign * int(digits, 10 if set(digits) & {"8", "9"} else 8)
        return sign * int(digits, 0)
    except ValueError:
        return None
