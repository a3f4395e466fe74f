"""From an API server's refusals to ours: what failed, on what, why, and what to do."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import msgspec

from flatbgp.resources.faults import Fault
from flatbgp.resources.kind import Kind
from flatbgp.resources.meta import Key
from flatbgp.store.kubernetes.transport import Answer
from flatbgp.store.protocol import (
    AlreadyExists,
    Conflict,
    Expired,
    NotFound,
    NotServed,
    Refused,
    StoreError,
    Unreachable,
)

_BUSY: Final = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
_BROKEN: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
_BY_RBAC: Final = re.compile(r'^\S.* is forbidden: User "(?P<user>[^"]*)" cannot ')


class Cause(msgspec.Struct, frozen=True):
    """One of the reasons why an object was refused."""

    message: str = ""
    field: str = ""


class Details(msgspec.Struct, frozen=True):
    """What a refusal is about."""

    name: str = ""
    kind: str = ""
    causes: tuple[Cause, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """What the API server answers instead of an object (meta/v1 Status)."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What a request was to do: an RBAC verb, and on what. ``name`` is empty for all objects of a kind."""

    verb: str
    kind: Kind[Any, Any]
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def subject(self) -> str:
        """The object, or the kind, as messages name it."""
        if not self.name:
            return f"{self.kind.full_name}{f' in namespace {self.namespace}' if self.namespace else ''}"
        return f"{self.kind.name} {Key(self.namespace, self.name)}"

    @property
    def permission(self) -> str:
        """The rule that a role needs for it, as it stands in a manifest."""
        resource = f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural
        return f'apiGroups ["{self.kind.group}"], resources ["{resource}"], verbs ["{self.verb}"]'


def check(answer: Answer, about: About, where: str) -> None:
    """Raise what the answer says, unless it is the one that was asked for."""
    if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
        raise failure(status_of(answer.body, answer.status), about, where, answer.retry_after)
    if not answer.body.startswith(b"{"):
        text = answer.body[:100].decode(errors="replace")
        raise Unreachable(f"{where} did not answer as an API server does, to {about.verb} {about.subject}: {text}")


def status_of(body: bytes, code: int) -> Status:
    """Return the Status in a body; a proxy in between may have written something else."""
    try:
        status = msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(body[:300].decode(errors="replace").strip() or HTTPStatus(code).phrase, "", code)
    return status if status.code else msgspec.structs.replace(status, code=code)


def failure(status: Status, about: About, where: str, retry_after: float = 0.0) -> StoreError:
    """Return what to raise for a refusal."""
    match status.code:
        case HTTPStatus.UNAUTHORIZED:
            return StoreError(
                f"{where} does not accept the credentials: log in again, or renew the token ({status.message})"
            )
        case HTTPStatus.FORBIDDEN:
            return _forbidden(status, about, where)
        case HTTPStatus.NOT_FOUND:
            return _not_found(status, about, where)
        case HTTPStatus.CONFLICT if status.reason == "AlreadyExists":
            return AlreadyExists(f"{about.subject} exists already")
        case HTTPStatus.CONFLICT:
            return Conflict(f"{about.subject} was changed by somebody else: {status.message}")
        case HTTPStatus.GONE:
            return Expired(f"{about.kind.full_name}: {status.message}; list again")
        case code if code in _BROKEN:
            return _refused(status, about)
        case code if code in _BUSY:
            wait = f"; it asks for {retry_after:g} s of rest" if retry_after else ""
            return Unreachable(
                f"{where} cannot {about.verb} {about.subject} now: {code} {status.message}{wait}", retry_after
            )
        case code:
            return StoreError(f"{where} cannot {about.verb} {about.subject}: {code} {status.message}")


def _forbidden(status: Status, about: About, where: str) -> StoreError:
    rbac = _BY_RBAC.match(status.message)
    if rbac is None:  # an admission plugin: a quota, a policy, a namespace that is going
        return _refused(status, about)
    place = f"in namespace {about.namespace}" if about.namespace else "in the whole cluster"
    return StoreError(
        f"{where} does not let {rbac['user']} {about.verb} {about.subject}: no role of that user allows"
        f" {about.permission} {place}; the chart's roles do: install or upgrade it, or bind such a role to that user"
    )


def _not_found(status: Status, about: About, where: str) -> StoreError:
    details = status.details or Details()
    if about.name and details.name == about.name and details.kind != "namespaces":
        return NotFound(f"{about.subject} not found")
    if details.kind == "namespaces":
        return Refused(f"{about.subject}: there is no namespace {details.name}; make it first")
    if "." in about.kind.group and not about.kind.group.endswith(".k8s.io"):
        return NotServed(
            f"{where} has no {about.kind.full_name} in version {about.kind.version}: the CustomResourceDefinitions of"
            " flatbgp are not installed there; install its chart with crds.install=true, or kubectl apply -f them"
        )
    return NotServed(f"{where} has no {about.kind.full_name} in version {about.kind.version}: {status.message}")


def _refused(status: Status, about: About) -> Refused:
    """Return the refusal of an object, fault by fault where the server says them so."""
    causes = status.details.causes if status.details else ()
    faults = tuple(
        Fault(cause.message or status.message, "" if cause.field == "<nil>" else cause.field, subject=about.subject)
        for cause in causes
    ) or (Fault(status.message, subject=about.subject),)
    return Refused("\n".join(str(fault) for fault in faults), faults)
