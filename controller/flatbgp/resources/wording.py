"""What a field may hold, in words: for the reference page, and for ``kubectl explain``."""

from collections.abc import Iterable
from enum import StrEnum

from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import Property, ScalarShape
from flatbgp.resources.writing import writer_of


def scalar_text(shape: ScalarShape) -> str:
    """Return what a single value may be: "a whole number, 1 to 4095", "Established or NotEstablished"."""
    if shape.choices is not None:
        return choices_text(shape.choices)
    if shape.rules:
        return "; ".join(rule.text for rule in shape.rules)
    text = str(shape.scalar)
    if shape.range is not None:
        high = f" to {shape.range.maximum}" if shape.range.maximum is not None else " or more"
        text = f"{text}, {shape.range.minimum}{high}"
    return text


def choices_text(choices: type[StrEnum]) -> str:
    """Return the words of a list as a person would name them; reasons have a page of their own."""
    return "a reason" if choices is Reason else one_of(str(word) for word in choices)


def one_of(words: Iterable[str]) -> str:
    """Return "a, b or c"."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def default_text(known: Property) -> str:
    """Return the value that stands for an absent field, as JSON has it; empty if it is required or simply absent."""
    if known.required or known.default is None or known.default in ("", ()) or known.default == {}:
        return ""
    return str(writer_of(known.shape, sparse=True)(known.default)).lower()
