"""What each role is told when it starts: the command line's answers, checked and typed.

Durations are seconds. Nothing here has a default: the command line owns them, so that ``--help`` and the behaviour
cannot differ.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class LogFormat(StrEnum):
    """How log lines look; AUTO is TEXT on a terminal and JSON otherwise."""

    AUTO = "auto"
    TEXT = "text"
    JSON = "json"


class Endpoint(NamedTuple):
    """A host and TCP port to listen on; an empty host means every address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleOptions:
    """What all three roles share.

    ``store`` is the URL of the store that the role serves (of the user cluster, where there are two); ``state_dir``
    keeps what must survive a restart of a speaker, below it keyed by store and node (the other roles take all they know
    from the store). No port is opened for a bind that is ``None``. A Lease lasts ``lease_duration`` and is renewed
    every ``renew_interval``: leadership for controller and admin, a floating IP for the speaker. ``log_level`` is a
    name of :mod:`logging` in lower case.
    """

    store: str
    state_dir: Path
    metrics_bind: Endpoint | None
    health_bind: Endpoint | None
    lease_duration: float
    renew_interval: float
    secret_namespace: str
    log_format: LogFormat
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerOptions(RoleOptions):
    """``report_interval`` is how often speakers report; after three missed reports a session counts as silent."""

    report_interval: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminOptions(RoleOptions):
    """``admin_store`` is mirrored from, ``store`` mirrored to.

    ``cluster_namespace`` is where the source objects are; ``None`` means that of the only Cluster.
    """

    admin_store: str
    cluster_namespace: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerOptions(RoleOptions):
    """``node`` is the name of this machine's Node, ``gobgp`` a gRPC target (``unix:///PATH``).

    ``interface`` overrides the choice of the interface for floating IPs, ``instance`` the machine-id that tells this
    machine from another of the same node name. ``lastReport`` of the sessions is renewed every ``report_interval``.
    All calls to gobgpd are traced to ``trace_rpc`` (``None``: only after SIGUSR2, in the state directory), of which
    ``trace_limit`` bytes are kept.
    """

    node: str
    gobgp: str
    interface: str | None
    instance: str | None
    report_interval: float
    trace_rpc: Path | None
    trace_limit: int
