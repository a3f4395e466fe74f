"""Secret (core v1), of type kubernetes.io/basic-auth: where a session's password comes from."""

from dataclasses import dataclass

from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.secrets import Password

BASIC_AUTH = "kubernetes.io/basic-auth"


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A Secret has no ``spec``: ``type`` and the decoded key ``password`` stand at its top level."""

    type: str = ""
    password: Password | None = None


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """A Secret has none."""


SECRET = Kind(
    name="Secret",
    group="",
    version="v1",
    plural="secrets",
    singular="secret",
    namespaced=True,
    spec_type=SecretSpec,
    status_type=SecretStatus,
    strict=False,
    columns=(Column("TYPE", ".type"), Column("AGE", ".metadata.creationTimestamp", type="date")),
)
