"""Write docs/resources.md and docs/reasons.md anew from the annotations of the kinds and the enum of reasons.

Run it after a change of either; a unit test compares the pages with what it would write.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flatbgp.resources import kinds
from flatbgp.resources.conditions import Condition
from flatbgp.resources.kind import Kind
from flatbgp.resources.reasons import Reason
from flatbgp.resources.schema import ListShape, MapShape, ObjectShape, Property, ScalarShape, Shape, shape_of
from flatbgp.resources.wording import default_text, scalar_text

DOCS = Path(__file__).resolve().parent.parent / "docs"

_OURS = """\
Made by `tools/generate_docs.py` from the program's own schema: what stands here is what `flatbgp validate` checks.

Fields without a default must be there unless they are marked optional. A field that is not listed is refused, with the
nearest right name. Only in a Cluster, a Node, a Secret and a Lease, which belong to others, are further fields kept and
ignored (in a Cluster with a warning when one is nearly one of ours). Defaults are not written into objects.
"""

_REASONS = """\
Made by `tools/generate_docs.py` from the one list of reasons in the program. A reason stands in a condition of an
object, in the status of a BGPSession, or beside a floating IP in the status of the NetworkGatewayGroup; the message
beside it names the objects and addresses concerned.
"""


def resources_page() -> str:
    """Return the page on all kinds."""
    lines = ["# Resources", "", _OURS]
    for kind in kinds.ALL:
        lines.extend(_kind(kind))
    lines.extend(["## Conditions", "", "As Kubernetes' API conventions have them.", ""])
    lines.extend(_table([row for known in shape_of(Condition).properties for row in _rows(known, "")]))
    return "\n".join(lines).rstrip() + "\n"


def reasons_page() -> str:
    """Return the page on all reasons, in alphabetical order: people come with a word in hand."""
    rows = [f"| `{reason}` | {reason.meaning} | {reason.cure} |" for reason in sorted(Reason)]
    head = ["# Reasons", "", _REASONS, "| reason | what it means | what to do |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


PAGES: Mapping[str, Any] = {"resources.md": resources_page, "reasons.md": reasons_page}


def _kind(kind: Kind[Any, Any]) -> Iterator[str]:
    scope = "namespaced" if kind.namespaced else "cluster-scoped"
    facts = [f"`{kind.api_version}`, {scope}"]
    if kind.short_names:
        facts.append("short name " + ", ".join(f"`{name}`" for name in kind.short_names))
    if kind.fixed_name:
        facts.append(f"the name must be `{kind.fixed_name}`")
    if kind.home:
        facts.append(f"in the namespace `{kind.home}`")
    yield f"## {kind.name} ({kind.group or 'core'})"
    yield ""
    yield "; ".join(facts) + "."
    yield ""
    if kind.doc:
        yield kind.doc
        yield ""
    spec = shape_of(kind.spec_type)
    top = "spec." if kind.read_spec is None else ""
    yield from _table([row for known in spec.properties for row in _rows(known, top)])
    status = shape_of(kind.status_type)
    yield from _table([row for known in status.properties for row in _rows(known, "status.")])


def _table(rows: list[str]) -> Iterator[str]:
    if rows:
        yield "| field | what it is | default | meaning |"
        yield "| --- | --- | --- | --- |"
        yield from rows
        yield ""


def _rows(known: Property, prefix: str) -> Iterator[str]:
    path = f"{prefix}{known.name}"
    inner, suffix = known.shape, ""
    if isinstance(inner, ListShape) and isinstance(inner.item, ObjectShape):
        inner, suffix = inner.item, "[]"
    yield f"| `{path}{suffix}` | {_cell(_type(known.shape))} | {_cell(_default(known))} | {_cell(_meaning(known))} |"
    if isinstance(inner, ObjectShape) and inner.type is not Condition:
        for member in inner.properties:
            yield from _rows(member, f"{path}{suffix}.")


def _type(shape: Shape) -> str:
    match shape:
        case ObjectShape():
            return "object"
        case MapShape():
            return "map of strings"
        case ListShape():
            unique = ", none twice" if shape.unique else ""
            item = "objects" if isinstance(shape.item, ObjectShape) else _type(shape.item)
            if isinstance(shape.item, ObjectShape) and shape.item.type is Condition:
                item = "[conditions](#conditions)"
            return f"list of: {item}{unique}"
        case ScalarShape():
            return _scalar(shape)


def _scalar(shape: ScalarShape) -> str:
    if shape.choices is Reason:
        return "a [reason](reasons.md)"
    if shape.choices is not None:
        return ", ".join(f"`{word}`" for word in shape.choices)
    return scalar_text(shape)


def _default(known: Property) -> str:
    if known.required:
        return "must be there"
    default = default_text(known)
    if not default:
        return "optional"
    return "see below" if isinstance(known.shape, ObjectShape) else f"`{default}`"


def _meaning(known: Property) -> str:
    if known.immutable is None:
        return known.doc
    return f"{known.doc} *{'Never changes once set' if known.immutable.once else 'Never changes'}.*"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the pages."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
