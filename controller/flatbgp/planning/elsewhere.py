"""What the admin cluster has, as the copies on the user cluster tell it: for a plan that sees the user cluster alone.

Where both clusters are two stores, no source is in the user cluster's. A copy has all of its source that matters to
anybody there, so the sources can be had back from the copies, and manifests of the cluster namespace be laid over them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from flatbgp.planning.future import AnyResource, Objects
from flatbgp.planning.marks import FLAT_IPV4, MIRRORED_FROM, SERVICES, SOURCE_CREATED
from flatbgp.planning.mirror import SOURCES, TARGETS, notes_of
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.codec import decode
from flatbgp.resources.flatipmode import FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.lease import LEASE
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.node import NODE
from flatbgp.resources.secret import SECRET


def with_sources(before: Iterable[AnyResource], after: Iterable[AnyResource]) -> tuple[Objects, Objects]:
    """Return the objects of the store ``before`` and ``after`` manifests were applied, with those of the admin cluster.

    Nothing is added in a cluster namespace of which the store has sources: then it is the admin cluster's as well. Nor
    where the manifests have none: what they say of a copy is planned as it is, though the admin cluster will win.
    """
    before, after = tuple(before), tuple(after)
    sources = Objects(sources_of(before, after))
    laid_over = [_with_age_of(sources, each) for each in after]
    return Objects([*sources.everything(), *before]), Objects([*sources.everything(), *laid_over])


def sources_of(before: Iterable[AnyResource], after: Iterable[AnyResource]) -> Iterator[AnyResource]:
    """Yield what the admin cluster has in the namespaces of manifests: see :func:`with_sources`."""
    store, planned = Objects(before), Objects(after)
    for namespace in _namespaces(store, planned):
        yield from _sources(store, planned, namespace)


def admin_only(store: Objects) -> list[str]:
    """Return the cluster namespaces of a store that shows nothing of their user cluster.

    It is an admin cluster's own, or one that nothing runs on yet: the objects do not tell which.
    """
    of_user_cluster: tuple[Kind[Any, Any], ...] = (NODE, LEASE, FLAT_IP_MODE)
    if any(store.of(kind) for kind in of_user_cluster):
        return []
    return sorted(
        {key.namespace for kind in SOURCES if kind is not SECRET for key in store.of(kind)} - {USER_NAMESPACE}
    )


def _namespaces(store: Objects, planned: Objects) -> list[str]:
    """Return the cluster namespaces that copies come from, that are not in this store, and that manifests are for."""
    copies = (copy for _, kind in TARGETS for copy in store.of(kind).values())
    marked = {copy.meta.labels[MIRRORED_FROM] for copy in copies if MIRRORED_FROM in copy.meta.labels}
    here, given = ({key.namespace for kind in SOURCES for key in each.of(kind)} for each in (store, planned))
    return sorted((marked & given) - here)


def _sources(store: Objects, planned: Objects, namespace: str) -> Iterator[AnyResource]:
    notes: dict[str, str] = {}
    for source_kind, kind in TARGETS:
        for copy in store.of(kind).values():
            if copy.meta.labels.get(MIRRORED_FROM) == namespace and not copy.meta.deleting:
                notes |= copy.meta.annotations
                yield decode(source_kind, _source(source_kind, copy, namespace))
    yield from _clusters(planned, namespace, notes)


def _source(kind: Kind[Any, Any], copy: AnyResource, namespace: str) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "name": copy.meta.name,
        "namespace": namespace,
        "labels": {name: value for name, value in copy.meta.labels.items() if name != MIRRORED_FROM},
    }
    if SOURCE_CREATED in copy.meta.annotations:
        meta["creationTimestamp"] = copy.meta.annotations[SOURCE_CREATED]
    content = {name: copy.document[name] for name in ("spec", "type", "data") if name in copy.document}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": meta, **content}


def _clusters(planned: Objects, namespace: str, notes: Mapping[str, str]) -> Iterator[AnyResource]:
    """Yield the Cluster, of which the copies tell two fields; all others are taken to be what a manifest says."""
    given = list(planned.of(CLUSTER, namespace).values())
    known = {name: notes[name] for name in (FLAT_IPV4, SERVICES) if name in notes}
    told = {name: text for each in notes_of(given).values() for name, text in each.items()}
    if given and told == known:
        yield given[0]
    elif FLAT_IPV4 in known:
        blocks = known[SERVICES].split(",") if SERVICES in known else []
        network = {"flatIPv4": known[FLAT_IPV4] == "true", "services": {"cidrBlocks": blocks}}
        spec: dict[str, Any] = (given[0].document.get("spec") or {}) if given else {}
        yield decode(
            CLUSTER,
            {
                "apiVersion": CLUSTER.api_version,
                "kind": CLUSTER.name,
                "metadata": {"name": given[0].meta.name if given else namespace, "namespace": namespace},
                "spec": {**spec, "clusterNetwork": {**(spec.get("clusterNetwork") or {}), **network}},
            },
        )


def _with_age_of(sources: Objects, resource: AnyResource) -> AnyResource:
    """Return what a manifest says of a source, with the age and the annotations that it has on the admin cluster."""
    source = sources.of(resource.kind).get(resource.key)
    if source is None:
        return resource
    meta = replace(
        resource.meta,
        creation_timestamp=source.meta.creation_timestamp,
        annotations=source.meta.annotations,  # which no copy tells
    )
    return replace(resource, meta=meta)
