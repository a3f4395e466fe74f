"""What each role does with an API server, as the permissions that it needs (RBAC verbs on resources)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from flatbgp.planning.check.findings import Finding, ok, problem, warning
from flatbgp.planning.phrases import some_of
from flatbgp.resources.namespaces import USER_NAMESPACE


class Who(StrEnum):
    """Whose permissions are looked at."""

    PERSON = "person"
    CONTROLLER = "controller"
    SPEAKER = "speaker"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, order=True)
class Access:
    """One verb on one kind of object; ``namespace`` empty: in the whole cluster, ``name`` empty: on any object."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        place = f" in {self.namespace}" if self.namespace else ""
        name = f" {self.name}" if self.name else ""
        return f"{self.verb} {self.resource}{f'.{self.group}' if self.group else ''}{name}{place}"


_OURS: Final = "networking.gke.io"
_LEASES: Final = "coordination.k8s.io"
_READ: Final = "list watch"
_KEEP: Final = "get list watch create patch delete"

_CLUSTER_WIDE: Final[Mapping[Who, tuple[tuple[str, str, str], ...]]] = {
    Who.PERSON: (
        ("", "nodes", "list"),
        (_OURS, "flatipmodes clustercidrconfigs", "list create patch delete"),
    ),
    Who.CONTROLLER: (
        ("", "nodes", "get list watch patch"),
        (_OURS, "flatipmodes", _READ),
        (_OURS, "clustercidrconfigs", "get list watch patch"),
        (_OURS, "flatipmodes/status clustercidrconfigs/status", "patch"),
    ),
    Who.SPEAKER: (("", "nodes", "get list watch"), (_OURS, "flatipmodes", _READ)),
    Who.ADMIN: ((_OURS, "flatipmodes clustercidrconfigs", _KEEP),),
}
"""Group, resources and verbs, in the whole cluster."""

_IN_SYSTEM: Final[Mapping[Who, tuple[tuple[str, str, str], ...]]] = {
    Who.PERSON: (
        (_OURS, "networkgatewaygroups bgppeers", "list create patch delete"),
        (_OURS, "bgpsessions bgpadvertisedroutes", "list"),
        (_LEASES, "leases", "list"),
    ),
    Who.CONTROLLER: (
        (_OURS, "networkgatewaygroups bgppeers", _READ),
        (_OURS, "bgpadvertisedroutes", _KEEP),
        (_OURS, "bgpsessions", "list watch delete"),
        (_OURS, "networkgatewaygroups/status bgppeers/status bgpsessions/status", "patch"),
        (_LEASES, "leases", "list watch create"),
        ("", "events", "create"),
    ),
    Who.SPEAKER: (
        (_OURS, "networkgatewaygroups bgppeers bgpadvertisedroutes", _READ),
        (_OURS, "bgpsessions", "get list watch create patch"),
        (_OURS, "bgpsessions/status", "patch"),
        (_LEASES, "leases", _KEEP),
        ("", "events", "create"),
    ),
    Who.ADMIN: (
        (_OURS, "networkgatewaygroups bgppeers", _KEEP),
        (_LEASES, "leases", "create"),
        ("", "events", "create"),
    ),
}
"""The same in kube-system."""

_SECRETS: Final = {Who.PERSON: "", Who.CONTROLLER: _READ, Who.SPEAKER: _READ, Who.ADMIN: _KEEP}

_LEADS: Final = {Who.CONTROLLER: "flatbgp-controller", Who.ADMIN: "flatbgp-admin"}
"""The Lease by which a role has one leader."""


def needs(who: Who, secret_namespace: str) -> tuple[Access, ...]:
    """Return all that a role does, sorted; the chart's roles allow just that."""
    return tuple(sorted(_needs(who, secret_namespace)))


def _needs(who: Who, secret_namespace: str) -> Iterator[Access]:
    for rules, namespace in ((_CLUSTER_WIDE[who], ""), (_IN_SYSTEM[who], USER_NAMESPACE)):
        for group, resources, verbs in rules:
            for resource in resources.split():
                yield from (Access(verb, group, resource, namespace) for verb in verbs.split())
    yield from (Access(verb, "", "secrets", secret_namespace) for verb in _SECRETS[who].split())
    if who in _LEADS:
        yield from (Access(verb, _LEASES, "leases", USER_NAMESPACE, _LEADS[who]) for verb in ("get", "patch"))


def judge_permissions(who: Who, asked: Iterable[Access], refused: Iterable[Access]) -> Iterator[Finding]:
    """Yield how it is with what a role may do; of a person, who may be meant to look only, a lack is a warning."""
    subject, lacking = f"permissions of the {who}", sorted(refused)
    if not lacking:
        yield ok(subject, f"all {len(tuple(asked))} are there")
    elif who is Who.PERSON:
        yield warning(subject, f"you may not {some_of(lacking)}; whoever may, can do that for you")
    else:
        yield problem(
            subject,
            f"it may not {some_of(lacking)}; install or upgrade the chart, whose roles allow just what is needed",
        )
