"""Secret (core v1), of type kubernetes.io/basic-auth: where a session's password comes from."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from flatbgp.resources.faults import Fault, Severity
from flatbgp.resources.kind import Column, Kind
from flatbgp.resources.schema import Doc
from flatbgp.resources.secrets import Password

BASIC_AUTH = "kubernetes.io/basic-auth"
PASSWORD_KEY = "password"  # noqa: S105 - the name of the key, not a password
PASSWORD_LIMIT = 80
"""Bytes of a key that the kernel takes (TCP_MD5SIG_MAXKEYLEN in linux/tcp.h)."""


@dataclass(frozen=True, slots=True)
class SecretSpec:
    """A Secret has no ``spec``: ``type`` and the decoded key ``password`` stand at its top level."""

    type: Annotated[str, Doc("kubernetes.io/basic-auth for a session's password.")] = ""
    password: Annotated[
        Password | None,
        Doc(
            "The key password of stringData, or of data in base64:"
            " 1 to 80 bytes of UTF-8 text without a line break at its end."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class SecretStatus:
    """A Secret has none."""


def read(document: Mapping[str, Any], faults: list[Fault]) -> SecretSpec | None:
    """Read type and password of a Secret; no fault shows any of its data.

    Only a Secret of type kubernetes.io/basic-auth is looked into: others are none of our business.
    """
    kind = document.get("type")
    if kind is not None and type(kind) is not str:
        faults.append(Fault("must be a string", "type"))
        return None
    if kind != BASIC_AUTH:
        return SecretSpec(kind or "")
    start = len(faults)
    path, raw = _bytes(document, faults)
    if raw is not None:
        _check(raw, path, faults)
    if len(faults) > start:
        return None
    return SecretSpec(BASIC_AUTH, None if raw is None else Password(raw.decode()))


def _bytes(document: Mapping[str, Any], faults: list[Fault]) -> tuple[str, bytes | None]:
    """Return where the password stands, and its bytes: ``stringData`` goes before ``data``, as in Kubernetes."""
    for name in ("stringData", "data"):
        values = document.get(name)
        if values is None:
            continue
        if not isinstance(values, Mapping):
            faults.append(Fault("must be an object of strings", name))
            continue
        for key, value in values.items():
            if type(value) is not str:
                faults.append(Fault("must be a string: put it in quotes", f"{name}.{key[:100]}"))
        text, path = values.get(PASSWORD_KEY), f"{name}.{PASSWORD_KEY}"
        if type(text) is not str:
            continue
        if name == "stringData":
            return path, text.encode(errors="surrogatepass")
        try:
            return path, base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            faults.append(Fault("must be base64; plain text goes under stringData", path))
    return "", None


def _check(raw: bytes, path: str, faults: list[Fault]) -> None:
    if not raw:
        faults.append(Fault("is empty; a session's password has 1 to 80 bytes", path))
    elif len(raw) > PASSWORD_LIMIT:
        faults.append(Fault(f"has {len(raw)} bytes; TCP MD5 takes at most {PASSWORD_LIMIT}", path))
    elif raw.endswith(b"\n"):
        faults.append(
            Fault("ends in a line break, which routers take as part of it; encode it without (printf, echo -n)", path)
        )
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        faults.append(Fault("must be UTF-8 text", path))
    else:
        if "\0" in text:
            faults.append(Fault("must not have a null character", path))


def secret_warnings(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what makes a Secret useless to a BGPPeer, though it is a good Secret."""
    if document.get("type") == BASIC_AUTH:
        keys = [
            key
            for name in ("data", "stringData")
            if isinstance(values := document.get(name), Mapping)
            for key in values
        ]
        if PASSWORD_KEY not in keys:
            yield Fault(f"has no key {PASSWORD_KEY}; a BGPPeer needs it", "data", severity=Severity.WARNING)
    else:
        yield Fault(f"is not {BASIC_AUTH}; a BGPPeer can use no other", "type", severity=Severity.WARNING)


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
    read_spec=read,
)
