"""What the mirror does: copies on the user cluster follow their sources on the admin cluster; all else is left alone.

A copy has the source's spec and labels and nothing of a person's on the user cluster. The mirror overwrites and deletes
what carries its mark; an object without the mark is overwritten only where it stands in a copy's place, and never if it
is a Secret. A source that breaks a rule of its kind is not copied: its last good copy stays.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flatbgp.planning.marks import FLAT_IPV4, MIRRORED_FROM, SERVICES, SOURCE_CREATED, is_copy
from flatbgp.resources.bgppeer import BGP_PEER, BGPPeerSpec
from flatbgp.resources.cluster import CLUSTER, ClusterNetwork, ClusterSpec
from flatbgp.resources.clustercidrconfig import ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.mergepatch import difference
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.parsing import format_time
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import BASIC_AUTH, SECRET, SecretSpec

AnyKind = Kind[Any, Any]
AnyResource = Resource[Any, Any]

TARGETS: tuple[tuple[AnyKind, AnyKind], ...] = (
    (SECRET, SECRET),
    (ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG),
    (NETWORK_GATEWAY_GROUP, NETWORK_GATEWAY_GROUP),
    (BGP_PEER, BGP_PEER),
    (ADMIN_FLAT_IP_MODE, FLAT_IP_MODE),
)
"""Kinds of sources and of their copies, in the order of writing: what is referred to comes first, so that a peer never
waits for its Secret and the FlatIPMode never selects what is not there yet. Deletions go the other way."""

SOURCES: tuple[AnyKind, ...] = (CLUSTER, *(source for source, _ in TARGETS))


@dataclass(frozen=True, slots=True)
class Create:
    """Make a copy. ``source``, here and below, is the version of what it is made from: of source and Cluster."""

    kind: AnyKind
    key: Key
    source: str
    document: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"create {self.kind.name} {self.key} on the user cluster"


@dataclass(frozen=True, slots=True)
class Update:
    """Put a copy right by a merge patch, if it is still at ``version``."""

    kind: AnyKind
    key: Key
    source: str
    version: str
    patch: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"overwrite {self.kind.name} {self.key} on the user cluster with its source"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a copy without source, if it is still at ``version``."""

    kind: AnyKind
    key: Key
    version: str
    why: str

    def __str__(self) -> str:
        return f"delete {self.kind.name} {self.key} on the user cluster: {self.why}"


@dataclass(frozen=True, slots=True)
class Recreate:
    """Let go of a copy that somebody deleted and that only a finalizer holds, then make it again."""

    kind: AnyKind
    key: Key
    source: str
    version: str
    finalizers: tuple[str, ...]
    document: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"make {self.kind.name} {self.key} again on the user cluster: it was deleted there, its source is not"


Action = Create | Update | Delete | Recreate


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """What to do, in order, and what could not be done (each a sentence, by subject).

    ``sources`` are the versions of all sources that are mirrored, by their copies' place.
    """

    actions: tuple[Action, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping["Place", str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Places:
    """``source`` is the cluster namespace on the admin cluster; ``secrets`` where Secrets go on the user cluster.

    ``same_store`` tells that both clusters are one: then a Secret may stand where its copy would.
    """

    source: str
    secrets: str
    same_store: bool = False


Place = tuple[str, Key]
"""Of a copy: the full name of its kind, and its key."""

Objects = Mapping[str, Collection[AnyResource]]
"""Objects by the full name of their kind."""


def plan_mirror(sources: Objects, targets: Objects, places: Places) -> MirrorPlan:
    """Return what makes the copies follow their sources."""
    problems: dict[str, str] = {}
    writes: list[Action] = []
    deletions: list[Action] = []
    versions: dict[Place, str] = {}
    here = {
        kind.full_name: [each for each in sources.get(kind.full_name, ()) if each.meta.namespace == places.source]
        for kind in SOURCES
    }
    notes = notes_of(here[CLUSTER.full_name])
    wanted_secrets = {
        peer.spec.password_secret_ref.name
        for peer in here[BGP_PEER.full_name]
        if isinstance(peer.spec, BGPPeerSpec) and peer.spec.password_secret_ref is not None
    }
    for source_kind, kind in TARGETS:
        copies = {copy.key: copy for copy in targets.get(kind.full_name, ())}
        kept: set[Key] = set()
        for source in sorted(here[source_kind.full_name], key=lambda each: each.key):
            if source.meta.deleting or (kind is SECRET and source.meta.name not in wanted_secrets):
                continue
            key = _key(kind, source, places)
            kept.add(key)
            if kind is SECRET and places.same_store and key == source.key:
                continue
            subject = f"{source_kind.name} {source.key}"
            problem = _problem(kind, source, copies.get(key))
            if problem is not None:
                problems[subject] = problem
            else:
                note = notes.get(kind.full_name, {})
                version = versions[kind.full_name, key] = " ".join((source.meta.resource_version, *note.values()))
                document = _document(kind, key, source, places, note)
                writes += _bring(kind, key, version, document, copies.get(key))
        deletions[:0] = _orphans(kind, copies.values(), kept, places)
    return MirrorPlan((*writes, *deletions), problems, versions)


def _problem(kind: AnyKind, source: AnyResource, copy: AnyResource | None) -> str | None:
    """Return why a source cannot be copied as it is."""
    if source.spec is None:
        faults = "; ".join(f"{fault.path} {fault.problem}".strip() for fault in source.faults)
        return f"is invalid and not mirrored, its last good copy stays: {faults}"
    if kind is SECRET:
        if isinstance(source.spec, SecretSpec) and source.spec.type != BASIC_AUTH:
            return f"is not of type {BASIC_AUTH} and not mirrored; make it again with that type"
        if copy is not None and not is_copy(copy.meta):
            return (
                f"is not mirrored: a Secret {copy.key} that is not ours stands on the user cluster in its place; "
                "rename or remove one of the two"
            )
    return None


def notes_of(clusters: Iterable[AnyResource]) -> Mapping[str, Mapping[str, str]]:
    """Return the annotations that tell the user cluster what it needs of the Cluster, by the copies' kind."""
    for cluster in clusters:
        if isinstance(cluster.spec, ClusterSpec):
            network: ClusterNetwork = cluster.spec.cluster_network
            services = ",".join(str(block) for block in network.services.cidr_blocks)
            return {
                FLAT_IP_MODE.full_name: {FLAT_IPV4: str(network.flat_ipv4).lower()},
                CLUSTER_CIDR_CONFIG.full_name: {SERVICES: services} if services else {},
            }
    return {}


def _key(kind: AnyKind, source: AnyResource, places: Places) -> Key:
    if kind is SECRET:
        return Key(places.secrets, source.meta.name)
    return Key(USER_NAMESPACE if kind.namespaced else "", source.meta.name)


def _document(
    kind: AnyKind, key: Key, source: AnyResource, places: Places, notes: Mapping[str, str]
) -> Mapping[str, Any]:
    annotations = dict(notes)
    if source.meta.creation_timestamp is not None:
        annotations[SOURCE_CREATED] = format_time(source.meta.creation_timestamp)
    meta: dict[str, Any] = {
        "name": key.name,
        "labels": {**source.meta.labels, MIRRORED_FROM: places.source},
        "annotations": annotations,
    }
    if key.namespace:
        meta["namespace"] = key.namespace
    document: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta}
    return document | {name: source.document[name] for name in _content(kind) if name in source.document}


def _content(kind: AnyKind) -> Sequence[str]:
    """Return the top-level fields that are copied."""
    return ("type", "data") if kind is SECRET else ("spec",)


_OWN_NOTES = (SOURCE_CREATED, FLAT_IPV4, SERVICES)


def _bring(kind: AnyKind, key: Key, source: str, document: Mapping[str, Any], copy: AnyResource | None) -> list[Action]:
    """Return what turns what stands in a copy's place into the copy."""
    if copy is None:
        return [Create(kind, key, source, document)]
    if copy.meta.deleting:
        # Held by a finalizer. With other ranges it is another config of the same name: that one waits until it is gone.
        same = _fixed(kind, copy.document) == _fixed(kind, document)
        return [Recreate(kind, key, source, copy.meta.resource_version, copy.meta.finalizers, document)] if same else []
    if _fixed(kind, copy.document) != _fixed(kind, document):
        return [Delete(kind, key, copy.meta.resource_version, "its source was made anew with other fixed fields")]
    wanted = {name: document.get(name) for name in _content(kind)}
    patch = difference({name: copy.document.get(name) for name in _content(kind)}, wanted)
    meta: dict[str, Any] = {}
    if labels := difference(copy.meta.labels, document["metadata"]["labels"]):
        meta["labels"] = labels
    ours = {name: text for name, text in copy.meta.annotations.items() if name in _OWN_NOTES}
    if annotations := difference(ours, document["metadata"]["annotations"]):
        meta["annotations"] = annotations
    if meta:
        patch["metadata"] = meta
    return [Update(kind, key, source, copy.meta.resource_version, patch)] if patch else []


def _fixed(kind: AnyKind, document: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the fields that cannot be changed, so that a difference asks for another object."""
    if kind is CLUSTER_CIDR_CONFIG:
        spec = document.get("spec") or {}
        return spec.get("ipv4"), spec.get("ipv6")
    return (document.get("type"),) if kind is SECRET else ()


def _orphans(kind: AnyKind, copies: Iterable[AnyResource], kept: Collection[Key], places: Places) -> list[Action]:
    return [
        Delete(kind, copy.key, copy.meta.resource_version, f"it has no source in {places.source}")
        for copy in sorted(copies, key=lambda each: each.key)
        if is_copy(copy.meta)
        and not copy.meta.deleting
        and copy.key not in kept
        and (kind is not SECRET or copy.meta.namespace == places.secrets)
    ]
