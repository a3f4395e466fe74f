"""A floating IP's Lease, as far as the protocol reads and writes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flatbgp.resources.ip import IPAddress, IPNetwork
from flatbgp.resources.lease import (
    ADDRESS_ANNOTATION,
    FLOATING_IPS,
    INSTANCE_ANNOTATION,
    LEASE,
    NAMESPACE,
    PROBE_ANNOTATION,
    ROUTER_HEARD_ANNOTATION,
    SUBNET_ANNOTATION,
    WANTED_BY_ANNOTATION,
    LeaseSpec,
    LeaseStatus,
)
from flatbgp.resources.names import lease_name
from flatbgp.resources.parsing import Malformed, parse_network
from flatbgp.resources.resource import Resource

_HEARD = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class LeaseContent:
    """What is written into a Lease.

    ``holder`` empty: free. ``instance`` is the machine behind the holder's name. ``duration`` is in whole seconds.
    ``router_heard``: whether the holder hears a router of the subnet (``None``: there is none to hear, or nobody holds
    it). ``wanted_by`` is a node that asks for the address, ``probe`` what a claimant heard, for the status.
    """

    holder: str = ""
    instance: str = ""
    duration: int = 0
    subnet: IPNetwork | None = None
    router_heard: bool | None = None
    wanted_by: str = ""
    probe: str = ""

    @property
    def owner(self) -> tuple[str, str]:
        """Return whose it is: node and machine."""
        return self.holder, self.instance


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A Lease as it is in the store.

    ``version`` is opaque. ``renewed`` is the text of renewTime: it is compared, never counted from (it is another
    machine's clock); empty if nobody ever held the address.
    """

    version: str
    content: LeaseContent
    renewed: str = ""
    transitions: int = 0

    @property
    def held_before(self) -> bool:
        """Whether anybody has ever held it."""
        return bool(self.content.holder or self.renewed)

    @property
    def token(self) -> tuple[str, str, str]:
        """Return what a renewal changes; an annotation that somebody else writes is no renewal."""
        return self.content.holder, self.content.instance, self.renewed


def same_but_renewed(before: LeaseRecord | None, after: LeaseRecord | None) -> bool:
    """Whether nothing but renewTime (and the version) differs."""
    return before is not None and after is not None and before.content == after.content


def read_lease(resource: Resource[LeaseSpec, LeaseStatus]) -> LeaseRecord:
    """Return the record of a Lease object; what cannot be read (written by hand) is taken for absent."""
    spec, notes = resource.spec or LeaseSpec(), resource.meta.annotations
    content = LeaseContent(
        holder=spec.holder_identity,
        instance=notes.get(INSTANCE_ANNOTATION, ""),
        duration=spec.lease_duration_seconds,
        subnet=_network(notes.get(SUBNET_ANNOTATION, "")),
        router_heard=_HEARD.get(notes.get(ROUTER_HEARD_ANNOTATION, "")),
        wanted_by=notes.get(WANTED_BY_ANNOTATION, ""),
        probe=notes.get(PROBE_ANNOTATION, ""),
    )
    return LeaseRecord(resource.meta.resource_version, content, spec.renew_time, spec.lease_transitions)


def lease_patch(
    address: IPAddress, content: LeaseContent, before: LeaseRecord | None, renew_time: str | None
) -> Mapping[str, Any]:
    """Return the JSON merge patch (RFC 7396) that writes ``content`` over ``before``.

    ``renew_time`` is the wall clock as MicroTime text when the write is a renewal or a claim, ``None`` when it is
    neither (an annotation, or setting it free).
    """
    spec: dict[str, Any] = {"holderIdentity": content.holder, "leaseDurationSeconds": content.duration}
    if renew_time is not None:
        spec["renewTime"] = renew_time
    if content.holder and (before is None or before.content.owner != content.owner):
        spec["acquireTime"] = renew_time
        spec["leaseTransitions"] = before.transitions + 1 if before is not None else 0
    if not content.duration:
        del spec["leaseDurationSeconds"]
    heard = content.router_heard
    annotations = {
        ADDRESS_ANNOTATION: str(address),
        SUBNET_ANNOTATION: str(content.subnet) if content.subnet is not None else None,
        INSTANCE_ANNOTATION: content.instance or None,
        ROUTER_HEARD_ANNOTATION: None if heard is None else str(heard).lower(),
        WANTED_BY_ANNOTATION: content.wanted_by or None,
        PROBE_ANNOTATION: content.probe or None,
    }
    return {"metadata": {"labels": FLOATING_IPS, "annotations": annotations}, "spec": spec}


def lease_document(address: IPAddress, content: LeaseContent, renew_time: str | None) -> Mapping[str, Any]:
    """Return the Lease object to create for an address that has none."""
    patch = lease_patch(address, content, None, renew_time)
    notes = {key: value for key, value in patch["metadata"]["annotations"].items() if value is not None}
    return {
        "apiVersion": f"{LEASE.group}/{LEASE.version}",
        "kind": LEASE.name,
        "metadata": {
            "name": lease_name(address),
            "namespace": NAMESPACE,
            "labels": patch["metadata"]["labels"],
            "annotations": notes,
        },
        "spec": patch["spec"],
    }


def _network(text: str) -> IPNetwork | None:
    try:
        return parse_network(text) if text else None
    except Malformed:
        return None
