"""What will be there once manifests are applied, and which of it belongs together.

The objects of one cluster namespace describe one user cluster and are checked against each other; so are the objects on
the user cluster itself (cluster-scoped, or in kube-system), which in one store for both are copies of the former.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from flatbgp.resources.bgppeer import BGP_PEER, BGPPeerSpec, BGPPeerStatus
from flatbgp.resources.cluster import CLUSTER, ClusterSpec, ClusterStatus
from flatbgp.resources.clustercidrconfig import (
    ADMIN_CLUSTER_CIDR_CONFIG,
    CLUSTER_CIDR_CONFIG,
    ClusterCIDRConfigSpec,
    ClusterCIDRConfigStatus,
)
from flatbgp.resources.codec import decode
from flatbgp.resources.faults import Fault, Severity, shown
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE, FlatIPModeSpec, FlatIPModeStatus
from flatbgp.resources.kind import Kind, S, T
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import (
    NETWORK_GATEWAY_GROUP,
    NetworkGatewayGroupSpec,
    NetworkGatewayGroupStatus,
)
from flatbgp.resources.node import NODE, NodeSpec, NodeStatus
from flatbgp.resources.resource import Resource
from flatbgp.resources.secret import SECRET, SecretSpec, SecretStatus


@dataclass(frozen=True, slots=True)
class Entry(Generic[S, T]):
    """An object of the view, with its spec, and the manifest that it comes from (``None``: it is stored already)."""

    resource: Resource[S, T]
    spec: S
    manifest: Manifest | None

    @property
    def subject(self) -> str:
        """Kind and name."""
        return f"{self.resource.kind.name} {self.resource.key}"

    def fault(self, problem: str, path: str, value: Any = None, severity: Severity = Severity.ERROR) -> Fault:
        """Return a fault of this object."""
        place = self.manifest
        return Fault(
            problem,
            path,
            None if value is None else shown(value),
            self.subject,
            place.source if place else "",
            place.index if place else 0,
            severity,
        )


ClusterEntry = Entry[ClusterSpec, ClusterStatus]
ModeEntry = Entry[FlatIPModeSpec, FlatIPModeStatus]
ConfigEntry = Entry[ClusterCIDRConfigSpec, ClusterCIDRConfigStatus]
GroupEntry = Entry[NetworkGatewayGroupSpec, NetworkGatewayGroupStatus]
PeerEntry = Entry[BGPPeerSpec, BGPPeerStatus]
NodeEntry = Entry[NodeSpec, NodeStatus]
SecretEntry = Entry[SecretSpec, SecretStatus]

View = Mapping[Kind[Any, Any], tuple[Entry[Any, Any], ...]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The objects that describe one user cluster."""

    clusters: tuple[ClusterEntry, ...] = ()
    modes: tuple[ModeEntry, ...] = ()
    configs: tuple[ConfigEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    peers: tuple[PeerEntry, ...] = ()
    nodes: tuple[NodeEntry, ...] = ()
    secrets: Mapping[str, SecretEntry] = field(default_factory=dict)


def view_of(manifests: Iterable[Manifest], stored: Iterable[Resource[Any, Any]]) -> View:
    """Return the valid objects of each kind, those of the manifests first among equals, sorted by key."""
    entries: dict[tuple[Kind[Any, Any], Key], Entry[Any, Any]] = {}
    for resource in stored:
        if resource.spec is not None:
            entries[resource.kind, resource.key] = Entry(resource, resource.spec, None)
    for manifest in manifests:
        resource = decode(manifest.kind, manifest.document)
        known = entries.get((manifest.kind, manifest.key))
        if manifest.kind is NODE and known is not None:
            resource = _node_after(resource, known.resource)
        if resource.spec is not None:
            entries[manifest.kind, manifest.key] = Entry(resource, resource.spec, manifest)
    view: dict[Kind[Any, Any], list[Entry[Any, Any]]] = {}
    for (kind, _), entry in sorted(entries.items(), key=lambda item: item[0][1]):
        view.setdefault(kind, []).append(entry)
    return {kind: tuple(members) for kind, members in view.items()}


def _node_after(applied: Resource[Any, Any], known: Resource[Any, Any]) -> Resource[Any, Any]:
    """Return a Node as ``apply`` leaves it: its podCIDRs stay, and its status unless the manifest has one."""
    spec = known.spec if known.spec is not None and known.spec.pod_cidrs else applied.spec
    return replace(applied, spec=spec, status=applied.status or known.status)


def scopes(view: View) -> Iterator[Scope]:
    """Yield the groups of objects that are to be checked against each other.

    Nodes belong to the user cluster. They are checked against a cluster namespace as well if there is only one, because
    then nothing else can be meant.
    """
    namespaces = _cluster_namespaces(view)
    for namespace in namespaces:
        yield Scope(
            clusters=_within(view, CLUSTER, namespace),
            modes=_within(view, ADMIN_FLAT_IP_MODE, namespace),
            configs=_within(view, ADMIN_CLUSTER_CIDR_CONFIG, namespace),
            groups=_within(view, NETWORK_GATEWAY_GROUP, namespace),
            peers=_within(view, BGP_PEER, namespace),
            nodes=view.get(NODE, ()) if len(namespaces) == 1 else (),
            secrets=_secrets(view, namespace),
        )
    clusters = view.get(CLUSTER, ())
    yield Scope(
        clusters=clusters if len(clusters) == 1 else (),
        modes=view.get(FLAT_IP_MODE, ()),
        configs=view.get(CLUSTER_CIDR_CONFIG, ()),
        groups=_within(view, NETWORK_GATEWAY_GROUP, USER_NAMESPACE),
        peers=_within(view, BGP_PEER, USER_NAMESPACE),
        nodes=view.get(NODE, ()),
        secrets=_secrets(view, USER_NAMESPACE),
    )


def cluster_namespace_faults(view: View) -> Iterator[Fault]:
    """Yield the objects outside of every cluster namespace, when there is a Cluster to tell which these are."""
    known = sorted({cluster.resource.meta.namespace for cluster in view.get(CLUSTER, ())})
    if not known:
        return
    right = " or ".join(known)
    for kind in (ADMIN_FLAT_IP_MODE, ADMIN_CLUSTER_CIDR_CONFIG, NETWORK_GATEWAY_GROUP, BGP_PEER):
        allowed = {*known} if kind.group == CLUSTER.group else {*known, USER_NAMESPACE}
        for entry in view.get(kind, ()):
            namespace = entry.resource.meta.namespace
            if entry.manifest is not None and namespace not in allowed:
                yield entry.fault(f"must be the cluster namespace: {right}", "metadata.namespace", namespace)


def _cluster_namespaces(view: View) -> list[str]:
    kinds = (CLUSTER, ADMIN_FLAT_IP_MODE, ADMIN_CLUSTER_CIDR_CONFIG, NETWORK_GATEWAY_GROUP, BGP_PEER)
    found = {entry.resource.meta.namespace for kind in kinds for entry in view.get(kind, ())}
    return sorted(found - {USER_NAMESPACE})


def _within(view: View, kind: Kind[S, T], namespace: str) -> tuple[Entry[S, T], ...]:
    return tuple(entry for entry in view.get(kind, ()) if entry.resource.meta.namespace == namespace)


def _secrets(view: View, namespace: str) -> Mapping[str, SecretEntry]:
    return {entry.resource.meta.name: entry for entry in _within(view, SECRET, namespace)}
