"""The registry of all kinds, and how a person names one."""

from collections.abc import Iterable
from typing import Any

from flatbgp.resources.bgpadvertisedroute import BGP_ADVERTISED_ROUTE
from flatbgp.resources.bgppeer import BGP_PEER
from flatbgp.resources.bgpsession import BGP_SESSION
from flatbgp.resources.cluster import CLUSTER
from flatbgp.resources.clustercidrconfig import ADMIN_CLUSTER_CIDR_CONFIG, CLUSTER_CIDR_CONFIG
from flatbgp.resources.flatipmode import ADMIN_FLAT_IP_MODE, FLAT_IP_MODE
from flatbgp.resources.kind import Kind
from flatbgp.resources.lease import LEASE
from flatbgp.resources.networkgatewaygroup import NETWORK_GATEWAY_GROUP
from flatbgp.resources.node import NODE
from flatbgp.resources.reading import nearest
from flatbgp.resources.secret import SECRET

AnyKind = Kind[Any, Any]

ALL: tuple[AnyKind, ...] = (
    CLUSTER,
    ADMIN_FLAT_IP_MODE,
    FLAT_IP_MODE,
    ADMIN_CLUSTER_CIDR_CONFIG,
    CLUSTER_CIDR_CONFIG,
    NETWORK_GATEWAY_GROUP,
    BGP_PEER,
    BGP_SESSION,
    BGP_ADVERTISED_ROUTE,
    NODE,
    SECRET,
    LEASE,
)
"""All kinds; where two share a plural, the admin cluster's comes first, as a bare plural prefers it."""

_BY_TYPE = {(kind.api_version, kind.name): kind for kind in ALL}
_BY_NAME = {kind.full_name: kind for kind in ALL}


def of(api_version: str, name: str) -> AnyKind | None:
    """Return the kind of a manifest's ``apiVersion`` and ``kind``, or ``None``."""
    return _BY_TYPE.get((api_version, name))


def by_full_name(full_name: str) -> AnyKind | None:
    """Return the kind of ``plural.group`` exactly as :attr:`Kind.full_name` writes it, or ``None``."""
    return _BY_NAME.get(full_name)


def find(word: str) -> tuple[AnyKind, ...]:
    """Return the kinds that a person may mean by ``word``, best first; empty if there is none.

    As with kubectl: plural, singular, short name or kind name, whatever the case, alone or followed by ``.group`` or
    ``.version.group``. Several are returned when groups share the name.
    """
    bare, _, suffix = word.casefold().partition(".")
    return tuple(kind for kind in ALL if bare in _words(kind) and (not suffix or suffix in _suffixes(kind)))


def suggestion(word: str) -> str | None:
    """Return the plural that a person may have meant by a word that names no kind, or ``None``."""
    words = {name: kind.plural for kind in ALL for name in _words(kind)}
    near = nearest(word.partition(".")[0], list(words))
    return words[near] if near else None


def _words(kind: AnyKind) -> Iterable[str]:
    return (kind.plural, kind.singular, kind.name.casefold(), *kind.short_names)


def _suffixes(kind: AnyKind) -> Iterable[str]:
    return (kind.group, f"{kind.version}.{kind.group}".rstrip("."))
