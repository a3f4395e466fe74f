"""What a person configured, as it counts: without the objects that break a rule or that are not to be used."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flatbgp.planning.marks import is_copy, mirror_is_active
from flatbgp.resources.bgppeer import BGPPeerSpec, BGPPeerStatus
from flatbgp.resources.flatipmode import FlatIPModeSpec, FlatIPModeStatus
from flatbgp.resources.ip import IPAddress
from flatbgp.resources.kind import S, T
from flatbgp.resources.meta import Key
from flatbgp.resources.namespaces import USER_NAMESPACE
from flatbgp.resources.networkgatewaygroup import NetworkGatewayGroupSpec, NetworkGatewayGroupStatus
from flatbgp.resources.reasons import Reason
from flatbgp.resources.resource import Resource

Peer = Resource[BGPPeerSpec, BGPPeerStatus]
Mode = Resource[FlatIPModeSpec, FlatIPModeStatus]
Group = Resource[NetworkGatewayGroupSpec, NetworkGatewayGroupStatus]
Subject = tuple[str, Key]
"""An object among all: the name of its kind, and its key."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why an object is not used as it stands, with a sentence for its condition."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """The usable part of a user cluster's configuration.

    ``peers`` are sorted by name and have a spec; an object that became invalid is here with its last good spec. The
    ``mode`` is here without a spec if it is invalid and no earlier version is known (which is not the same as no mode).
    ``verdicts`` say what is wrong with those that are left out or taken as they last were.
    """

    mode: Mode | None = None
    floating_ips: tuple[IPAddress, ...] = ()
    peers: tuple[tuple[Peer, BGPPeerSpec], ...] = ()
    verdicts: Mapping[Subject, Verdict] = field(default_factory=dict)


def last_good(before: Mapping[Key, Resource[S, T]], current: Iterable[Resource[S, T]]) -> Mapping[Key, Resource[S, T]]:
    """Return the objects of ``current`` with the spec that each last had while it was valid.

    Feed the result back as ``before`` the next time. One that never was valid keeps ``spec`` ``None``; one that was
    deleted and made again (another uid) starts anew.
    """
    kept = {}
    for resource in current:
        known = before.get(resource.key)
        if resource.spec is not None or known is None or known.spec is None or known.meta.uid != resource.meta.uid:
            kept[resource.key] = resource
        elif known.faults and known.meta.resource_version == resource.meta.resource_version:
            kept[resource.key] = known  # the same object again, so that nothing is planned anew for it
        else:
            kept[resource.key] = replace(resource, spec=known.spec)
    return kept


def configuration(modes: Sequence[Mode], groups: Sequence[Group], peers: Sequence[Peer]) -> Configuration:
    """Return what counts of the objects on a user cluster (as :func:`last_good` gives them).

    Those of kube-system and the cluster-scoped ones count. While a mirror is active, only its copies do.
    """
    mirrored = mirror_is_active([*modes, *groups, *peers])
    verdicts: dict[Subject, Verdict] = {}
    mode = next(iter(_usable(modes, verdicts, mirrored=mirrored)), None)
    group = next(iter(_usable(groups, verdicts, mirrored=mirrored)), None)
    usable = sorted(_usable(peers, verdicts, mirrored=mirrored), key=lambda peer: peer.key)
    return Configuration(
        mode=mode,
        floating_ips=group.spec.floating_ips if group is not None and group.spec is not None else (),
        peers=tuple((peer, peer.spec) for peer in usable if peer.spec is not None),
        verdicts=verdicts,
    )


def _usable(
    resources: Iterable[Resource[S, T]], verdicts: dict[Subject, Verdict], *, mirrored: bool
) -> Iterable[Resource[S, T]]:
    """Yield the objects that count; the others, and those with faults, get a verdict."""
    for resource in resources:
        if resource.kind.namespaced and resource.meta.namespace != USER_NAMESPACE:
            continue  # the source, where admin and user cluster are one
        verdict = judge(resource, mirrored=mirrored)
        if verdict is not None:
            verdicts[resource.kind.name, resource.key] = verdict
        if verdict is None or verdict.reason is Reason.INVALID:
            yield resource


def judge(resource: Resource[Any, Any], *, mirrored: bool) -> Verdict | None:
    """Return why an object on the user cluster is not used as it stands, or ``None``."""
    if mirrored and not is_copy(resource.meta):
        return Verdict(
            Reason.NOT_MIRRORED,
            "An admin role mirrors this cluster's configuration, and this object is not one of its copies. "
            "Make it in the cluster namespace of the admin cluster, or delete it.",
        )
    if resource.faults:
        faults = "; ".join(f"{fault.path} {fault.problem}".strip() for fault in resource.faults)
        use = "It is left out" if resource.spec is None else "Its last valid version stays in use"
        return Verdict(Reason.INVALID, f"{use}: {faults}")
    return None
