"""Rules between objects: over what files say and what is stored, together.

Errors are what can never work; warnings are what works otherwise than somebody may have meant, or only later. Only what
concerns an object of the files is told: what is wrong among stored objects is no reason to refuse another.
"""

from collections.abc import Iterable
from typing import Any

from flatbgp.resources.crosscheck.addresses import address_faults
from flatbgp.resources.crosscheck.peers import peer_faults
from flatbgp.resources.crosscheck.ranges import range_faults
from flatbgp.resources.crosscheck.view import cluster_namespace_faults, scopes, view_of
from flatbgp.resources.faults import Fault
from flatbgp.resources.manifest import Manifest
from flatbgp.resources.resource import Resource

__all__ = ["crosscheck"]


def crosscheck(manifests: Iterable[Manifest], stored: Iterable[Resource[Any, Any]] = ()) -> tuple[Fault, ...]:
    """Return what is wrong between the objects that will be there once the manifests are applied.

    Manifests replace stored objects of the same name. Objects that break a rule of their own are left out.
    """
    view = view_of(manifests, stored)
    faults = list(cluster_namespace_faults(view))
    for scope in scopes(view):
        faults.extend(address_faults(scope))
        faults.extend(range_faults(scope))
        faults.extend(peer_faults(scope))
    # With several scopes, what concerns Nodes alone is found in each.
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.source, fault.document)))
