"""The rules of an object's metadata, as the Kubernetes API has them, for what people write."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from flatbgp.resources.codec import fixed_name_fault
from flatbgp.resources.faults import Fault, shown
from flatbgp.resources.forms import LabelKey, Labels, ObjectName, label_key_problem, namespace_problem
from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Key
from flatbgp.resources.reading import INVALID, Faults, Unknown, prefix, reader_of, unknown_field
from flatbgp.resources.schema import Doc, KeyRule, Length, Rule, shape_of

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all keys and values, as in the Kubernetes API."""

FINALIZERS_LIMIT = 64
"""Each is kept and waited for; nobody has that many."""

_SET_BY_STORES = frozenset(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    )
)


def _namespace_problem(namespace: str) -> str | None:
    return namespace_problem(namespace) if namespace else None  # an empty one is a missing one


def _annotation_key_problem(key: str) -> str | None:
    return label_key_problem(key.lower())  # as the Kubernetes API: capitals are allowed before the slash as well


@dataclass(frozen=True, slots=True)
class WrittenMeta:
    """The metadata that a manifest decides; the rest is the store's and ignored."""

    name: Annotated[ObjectName, Doc("the object's name")]
    namespace: Annotated[str, Rule("a namespace", _namespace_problem), Doc("the object's namespace")] = ""
    labels: Annotated[Labels, Doc("labels")] = field(default_factory=dict)
    annotations: Annotated[
        Mapping[str, str], KeyRule(Rule("an annotation key", _annotation_key_problem)), Doc("annotations")
    ] = field(default_factory=dict)
    finalizers: Annotated[tuple[LabelKey, ...], Doc("finalizers"), Length(0, FINALIZERS_LIMIT)] = ()


_NAMES = frozenset(known.name for known in shape_of(WrittenMeta).properties)


def check_metadata(kind: Kind[Any, Any], document: Mapping[str, Any], faults: Faults) -> Key | None:
    """Add what is wrong with the metadata; return the key, or ``None`` when there is none to go by."""
    start = len(faults)
    given = document.get("metadata")
    if given is None:
        faults.append(Fault("is missing: it has the object's name", "metadata"))
        return None
    meta = reader_of(shape_of(WrittenMeta), Unknown.IGNORE)(given, faults)
    if type(given) is dict:
        faults.extend(_further(kind, given))
    prefix(faults, start, "metadata")
    if meta is INVALID:
        return None
    if kind.fixed_name is not None and meta.name != kind.fixed_name:
        faults.append(fixed_name_fault(kind, meta.name))
    return Key(meta.namespace, meta.name)


def _further(kind: Kind[Any, Any], given: Mapping[str, Any]) -> Iterator[Fault]:
    known = _NAMES | _SET_BY_STORES  # the same for every kind, also for those that keep fields elsewhere
    yield from (unknown_field(name, sorted(_NAMES)) for name in given if name not in known)
    namespace = given.get("namespace")
    if kind.home and namespace and namespace != kind.home:
        yield Fault(f"must be {kind.home}: a {kind.name} elsewhere is never read", "namespace", shown(namespace))
    if kind.namespaced and not namespace:
        yield Fault(f"is missing; {_home(kind)}", "namespace")
    elif not kind.namespaced and namespace:
        yield Fault(
            f"must not be there: {kind.full_name} is of the whole cluster; {_instead(kind)}",
            "namespace",
            shown(namespace),
        )
    annotations = given.get("annotations")
    if type(annotations) is dict and _size(annotations.items()) > ANNOTATIONS_LIMIT:
        yield Fault(f"are larger than {ANNOTATIONS_LIMIT // 1024} KiB", "annotations")


def _home(kind: Kind[Any, Any]) -> str:
    if kind.home:
        return f"it is {kind.home} for this kind"
    if kind.group.startswith("baremetal."):
        return "it is the cluster namespace, as in cluster-bm"
    return "it is the cluster namespace, as in cluster-bm, or kube-system on the user cluster"


def _instead(kind: Kind[Any, Any]) -> str:
    if kind.group == "networking.gke.io":
        return "remove the namespace, or use the group baremetal.cluster.gke.io for the one of the admin cluster"
    return "remove the namespace"


def _size(pairs: Iterable[tuple[str, Any]]) -> int:
    return sum(len(key.encode()) + len(text.encode()) for key, text in pairs if type(text) is str)
