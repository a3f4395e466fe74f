"""The OpenAPI schema of a shape, as a CustomResourceDefinition has it: structural, with rules in CEL.

What a person writes (a spec) is checked by the API server as :mod:`flatbgp.resources.reading` checks it: types, bounds,
and the rules of the fields as CEL expressions. What the roles write (a status) has types only, so that a version which
knows more words can write them under an older definition. Defaults are told in the descriptions and written nowhere:
a manifest says what a person chose.

The cost of an expression is bounded by the lengths of what it reads, so every text and list that one reads has a limit.
The functions used are those of Kubernetes 1.31; where a newer one would do (``format.dns1123Subdomain()`` is of 1.32),
a regular expression stands.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import (
    CelRule,
    Length,
    ListShape,
    MapShape,
    ObjectShape,
    Property,
    Rule,
    Scalar,
    ScalarShape,
    Shape,
    json_name,
)
from flatbgp.resources.wording import default_text, scalar_text

Schema = dict[str, Any]

_TYPES: Final = {Scalar.INTEGER: "integer", Scalar.BOOLEAN: "boolean"}
_FORMATS: Final = {Scalar.INTEGER: "int64", Scalar.TIME: "date-time"}

_ADDRESS_LIMIT: Final = 45
"""Characters of the longest spelling of an address: six groups of four digits, then a dotted IPv4 address."""

_BASES: Final = {
    Scalar.INTEGER: ("type(self) == int", "must be a whole number"),  # a schema alone takes 2.0 for one
    Scalar.ADDRESS: ("isIP(self)", "must be an IP address, as in 10.0.1.254 or 2001:db8::1"),
    Scalar.NETWORK: (
        "isCIDR(self) && cidr(self) == cidr(self).masked()",
        "must be a range in CIDR notation without host bits, as in 10.0.0.0/16",
    ),
}
"""What a value must be before its rules can be looked at."""

_ONCE_EACH: Final = (
    "[self.map(entry, isIP(entry) ? string(ip(entry)) : entry)]"
    ".all(all, all.all(one, all.exists_one(other, one == other)))"
)
"""No address twice in any spelling. The list is normalised once: comparing texts keeps 256 of them within budget."""


def spec_schema(shape: ObjectShape, rules: tuple[CelRule, ...], *, keep_unknown: bool) -> Schema:
    """Return the schema of a spec with all its rules; ``keep_unknown`` keeps fields that the shape does not have."""
    schema = _object(shape, shape.doc, checked=True, keep_unknown=keep_unknown)
    for rule in rules:
        place = _at(schema, rule.at.split(".")[1:])
        expression = {"rule": rule.cel, "message": rule.message}
        if rule.field:
            expression["fieldPath"] = f".{rule.field}"
        _add(place, expression)
    return schema


def status_schema(shape: ObjectShape, *, keep_unknown: bool) -> Schema:
    """Return the schema of a status: types, no rules."""
    return _object(shape, shape.doc, checked=False, keep_unknown=keep_unknown)


def immutable_rules(shape: ObjectShape) -> Iterator[dict[str, str]]:
    """Yield the rules that keep the immutable fields of a spec; their ``self`` is the whole object.

    At the root, because a rule on a field is not asked when the field, or one above it, comes or goes. Values are
    compared as :mod:`flatbgp.resources.changes` compares them: another spelling, or a default written out, is no
    change.
    """
    for path, known in _immutable(shape, "spec"):
        yield {
            "rule": _kept(path, known),
            "message": "never changes; make another object for another value",
            "fieldPath": f".{path}",
        }


def _immutable(shape: ObjectShape, path: str) -> Iterator[tuple[str, Property]]:
    for known in shape.properties:
        place = f"{path}.{known.name}"
        if known.immutable is not None:
            yield place, known
        elif isinstance(known.shape, ObjectShape):
            yield from _immutable(known.shape, place)


def _kept(path: str, known: Property) -> str:
    """Return the expression that a field, which may be absent, is as it was."""
    old, new = (f"{word}.?{path.replace('.', '.?')}" for word in ("oldSelf", "self"))
    if isinstance(known.shape, ScalarShape) and known.shape.scalar is Scalar.BOOLEAN:
        default = str(known.default).lower()
        return f"{old}.orValue({default}) == {new}.orValue({default})"
    # Below a field that is there, plain access: the cost of what comes out of an optional value has no known bound.
    same = _same(known.shape, f"oldSelf.{path}", f"self.{path}")
    return f"{old}.hasValue() == {new}.hasValue() && (!{new}.hasValue() || ({same}))"


def _same(shape: Shape, old: str, new: str) -> str:
    """Return the expression that two values are equal, whatever their spelling."""
    match shape:
        case ObjectShape(properties=properties) if all(member.required for member in properties):
            names = [(member.shape, member.name) for member in properties]
            return " && ".join(_same(below, f"{old}.{name}", f"{new}.{name}") for below, name in names)
        case ScalarShape(scalar=Scalar.NETWORK):
            return f"({old} == {new} || (isCIDR({old}) && isCIDR({new}) && cidr({old}) == cidr({new})))"
        case ScalarShape():
            return f"{old} == {new}"
        case _:
            raise TypeError(f"no rule is known that keeps {new} as it is")


def _schema(shape: Shape, doc: str, *, checked: bool, keep_unknown: bool) -> Schema:
    match shape:
        case ScalarShape():
            return _scalar(shape, doc, checked=checked)
        case ListShape():
            return _list(shape, doc, checked=checked, keep_unknown=keep_unknown)
        case MapShape():
            return _map(shape, doc, checked=checked)
        case ObjectShape():
            return _object(shape, doc, checked=checked, keep_unknown=keep_unknown)


def _object(shape: ObjectShape, doc: str, *, checked: bool, keep_unknown: bool) -> Schema:
    schema = _described("object", doc)
    required = [known.name for known in shape.properties if known.required]
    if required:
        schema["required"] = required
    if shape.properties:
        schema["properties"] = {
            known.name: _schema(known.shape, _description(known), checked=checked, keep_unknown=keep_unknown)
            for known in shape.properties
        }
    if keep_unknown:
        schema["x-kubernetes-preserve-unknown-fields"] = True
    return schema


def _list(shape: ListShape, doc: str, *, checked: bool, keep_unknown: bool) -> Schema:
    schema = _described("array", doc)
    _bound(schema, shape.length if checked else None, "Items")
    if shape.key:
        schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [shape.key]}
    else:
        texts = shape.unique and isinstance(shape.item, ScalarShape) and shape.item.scalar is Scalar.STRING
        schema["x-kubernetes-list-type"] = "set" if texts else "atomic"
        if checked and shape.unique and not texts:
            _add(schema, {"rule": _ONCE_EACH, "message": "must not have an address twice, in any spelling"})
    schema["items"] = _schema(shape.item, "", checked=checked, keep_unknown=keep_unknown)
    return schema


def _map(shape: MapShape, doc: str, *, checked: bool) -> Schema:
    schema = _described("object", doc)
    # A selector is one thing: two writers of it must not end up with the pairs of both.
    schema["x-kubernetes-map-type"] = "atomic"
    values: Schema = {"type": "string"}
    if checked:
        _bound(schema, shape.length, "Properties")
        # An API server drops a pair without a value unless it may be null, and a selector would then select more.
        values["nullable"] = True
        _add(schema, _asked("self.all(key, dyn(self[key]) != null)", "each key must have a text as its value"))
        for rule in shape.keys:
            _add(schema, _asked(f"self.all(key, {_about('key', rule.cel)})", f"each key must be {rule.text}"))
        values["maxLength"] = _MAP_VALUE_LIMIT
        for rule in shape.values:
            _add(values, _asked(rule.cel, f"must be {rule.text}"))
    schema["additionalProperties"] = values
    return schema


_MAP_VALUE_LIMIT: Final = 256
"""Characters of a value of a map that a rule may read; the rules of our maps allow 63, and say so better."""


def _scalar(shape: ScalarShape, doc: str, *, checked: bool) -> Schema:
    schema = _described(_TYPES.get(shape.scalar, "string"), doc)
    if shape.scalar in _FORMATS:
        schema["format"] = _FORMATS[shape.scalar]
    if shape.choices is not None and shape.choices is not Reason:
        schema["enum"] = [str(word) for word in shape.choices]
    if not checked:
        return schema
    if shape.range is not None:
        schema["minimum"] = shape.range.minimum
        if shape.range.maximum is not None:
            schema["maximum"] = shape.range.maximum
    _bound(schema, shape.length, "Length")
    if shape.scalar is Scalar.ADDRESS:
        schema["maxLength"] = _ADDRESS_LIMIT
    elif shape.scalar is Scalar.NETWORK:
        schema["maxLength"] = _ADDRESS_LIMIT + len("/128")
    base = _BASES.get(shape.scalar)
    if base is not None:
        _add(schema, _asked(*base))
    for rule in shape.rules:
        _add(schema, _asked(_after(base, rule), f"must be {rule.text}"))
    return schema


def _after(base: tuple[str, str] | None, rule: Rule) -> str:
    """Return a rule that leaves a value alone which is not even of its type: one fault is enough."""
    return f"!({base[0]}) || ({rule.cel})" if base is not None else rule.cel


def _about(name: str, expression: str) -> str:
    return re.sub(r"\bself\b", name, expression)


def _asked(rule: str, message: str) -> dict[str, str]:
    return {"rule": rule, "message": message}


def _add(schema: Schema, rule: dict[str, str]) -> None:
    schema.setdefault("x-kubernetes-validations", []).append(rule)


def _at(schema: Schema, path: list[str]) -> Schema:
    for step in path:
        schema = schema["properties"][step.removesuffix("[]")]
        if step.endswith("[]"):
            schema = schema["items"]
    return schema


def _bound(schema: Schema, length: Length | None, unit: str) -> None:
    if length is None:
        return
    if length.minimum:
        schema[f"min{unit}"] = length.minimum
    if length.maximum is not None:
        schema[f"max{unit}"] = length.maximum


def _described(type_: str, doc: str) -> Schema:
    return ({"description": _prose(doc)} if doc else {}) | {"type": type_}


def _description(known: Property) -> str:
    """Return what a field means, what it may hold, what stands for it when it is absent, and whether it is fixed."""
    shape, parts = known.shape, [known.doc]
    if isinstance(shape, ListShape) and isinstance(shape.item, ScalarShape):
        parts.append(f"Each is {scalar_text(shape.item)}.")
    elif isinstance(shape, ScalarShape) and (shape.rules or shape.range):
        text = scalar_text(shape)
        parts.append(f"{text[0].upper()}{text[1:]}.")
    if not isinstance(shape, ObjectShape) and (default := default_text(known)):
        parts.append(f"Default: {default}.")
    if known.immutable is not None:
        parts.append("Never changes.")
    return " ".join(part for part in parts if part)


def _prose(doc: str) -> str:
    """Return a docstring with the names of fields as they are in JSON."""
    return re.sub(r"``([^`]+)``", lambda match: json_name(match[1]), doc)
