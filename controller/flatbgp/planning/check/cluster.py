"""Whether a Kubernetes cluster has what flatbgp needs: its version, the CustomResourceDefinitions, one allocator."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flatbgp.planning.check.findings import Finding, ok, problem, warning
from flatbgp.planning.phrases import some_of
from flatbgp.resources.crd import ADMIN_GROUP, MINIMUM_KUBERNETES
from flatbgp.resources.kinds import AnyKind


@dataclass(frozen=True, slots=True)
class Definition:
    """A CustomResourceDefinition as it is in a cluster.

    ``served`` are its versions. ``owner`` says who installed it, empty for us, ``None`` when that may not be read.
    ``current``: it has our own schema and columns.
    """

    served: frozenset[str]
    owner: str | None = ""
    current: bool = True


def judge_version(version: str) -> Iterator[Finding]:
    """Yield how it is with the API server's version, as in "1.37"."""
    numbers = [tuple(int(part) for part in text.split(".")) for text in (version, MINIMUM_KUBERNETES)]
    if numbers[0] >= numbers[1]:
        yield ok("Kubernetes", f"version {version}")
    else:
        yield problem("Kubernetes", f"version {version} is too old; upgrade to {MINIMUM_KUBERNETES} or newer")


def judge_definitions(kinds: Iterable[AnyKind], found: Mapping[str, Definition]) -> Iterator[Finding]:
    """Yield how it is with the definitions of these kinds, a line for all that is well and one for each that is not.

    The kinds of an admin cluster may be missing: most clusters are none.
    """
    well: list[str] = []
    for kind in kinds:
        definition, name = found.get(kind.full_name), kind.full_name
        subject = f"CustomResourceDefinition {name}"
        if definition is None:
            if kind.group != ADMIN_GROUP:
                yield problem(
                    subject,
                    "is not there; install the chart with crds.install=true, or kubectl apply -f its files/crds",
                )
        elif kind.version not in definition.served:
            yield problem(
                subject,
                f"serves {some_of(sorted(definition.served))} and not {kind.version}{_belongs(definition)};"
                " bring it to flatbgp's own (files/crds in the chart)",
            )
        elif definition.owner:
            yield warning(
                subject,
                f"was not installed by flatbgp{_belongs(definition)}; it is used as it is: install the chart with"
                " crds.install=false, and see that it has the fields of flatbgp's own",
            )
        elif not definition.current:
            yield warning(subject, "is of another version of flatbgp; upgrade the chart to this program's version")
        else:
            well.append(name)
    if well:
        yield ok("CustomResourceDefinitions", some_of(well))


def _belongs(definition: Definition) -> str:
    return f" (it belongs to {definition.owner})" if definition.owner else ""


def judge_allocators(allocators: Iterable[str] | None) -> Iterator[Finding]:
    """Yield how it is with programs that give pod CIDRs to Nodes as well; ``None``: they could not be looked for."""
    subject = "other allocators of pod CIDRs"
    if allocators is None:
        return
    found = list(allocators)
    if found:
        yield warning(
            subject,
            f"{some_of(found)} gives pod CIDRs to Nodes; two allocators give one block to two nodes sooner or later:"
            " start it with --allocate-node-cidrs=false",
        )
    else:
        yield ok(subject, "none is seen in kube-system")
