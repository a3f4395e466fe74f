"""Options of the commands that run a role, and their defaults."""

import os
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from flatbgp.cli.params import DurationType, secret_namespace_option, store_option
from flatbgp.cli.rolevalues import EndpointType
from flatbgp.roles.options import AdminOptions, LogFormat, RoleOptions, SpeakerOptions

F = TypeVar("F", bound=Callable[..., Any])


def default_state_dir() -> Path:
    """Return systemd's state directory, else /var/lib/flatbgp for root, else XDG's (basedir-spec 0.8)."""
    if directories := os.environ.get("STATE_DIRECTORY"):
        return Path(directories.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/flatbgp")
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "flatbgp"


def check(options: RoleOptions) -> None:
    """Refuse what the options' types let through: impossible names and URLs, and a Lease that could not be kept."""
    from flatbgp.resources.forms import namespace_problem, subdomain_problem  # noqa: PLC0415 - loaded to run only
    from flatbgp.store.url import open_store  # noqa: PLC0415 - as above

    open_store(options.store)  # opens nothing yet, but raises BadStoreURL
    _check_name("--secret-namespace", options.secret_namespace, namespace_problem)
    if isinstance(options, AdminOptions):
        open_store(options.admin_store)
        if options.cluster_namespace is not None:
            _check_name("--cluster-namespace", options.cluster_namespace, namespace_problem)
    if isinstance(options, SpeakerOptions):
        _check_name("--node", options.node, subdomain_problem)
    _check_timings(options)


def _check_name(option: str, name: str, problem_of: Callable[[str], str | None]) -> None:
    problem = problem_of(name)
    if problem:
        raise click.BadParameter(f"{name!r} {problem}", param_hint=f"'{option}'")


def _check_timings(options: RoleOptions) -> None:
    """Refuse times that contradict each other, with the arithmetic.

    A Lease counts in whole seconds (coordination.k8s.io/v1). What else must hold depends on what it is for: an address
    that the kernel takes off in time, or a leader that stops before another one begins.
    """
    from flatbgp.planning.gateway import timings  # noqa: PLC0415 - loaded to run only
    from flatbgp.store.election import Terms  # noqa: PLC0415 - as above

    duration, interval = options.lease_duration, options.renew_interval
    if duration != int(duration):
        raise click.BadParameter(f"{duration:g} s: a Lease lasts whole seconds", param_hint="'--lease-duration'")
    if isinstance(options, SpeakerOptions):
        problems = timings.contradictions(timings.Timings(int(duration), interval))
    else:
        problems = Terms("", "", duration, interval).contradictions()
    if problems:
        raise click.UsageError("; ".join(problems))


def role_options(function: F) -> F:
    """Add the options that all roles share (``RoleOptions``)."""
    options = (
        store_option,
        click.option(
            "--state-dir",
            type=click.Path(file_okay=False, path_type=Path),
            default=default_state_dir,
            show_default="$STATE_DIRECTORY, /var/lib/flatbgp for root, else XDG's",
            help="Keeps what must survive a restart of a speaker; the other roles keep nothing.",
        ),
        click.option("--metrics-bind", type=EndpointType(), help="Serve Prometheus metrics here (default: no port)."),
        click.option("--health-bind", type=EndpointType(), help="Serve /healthz and /readyz here (default: no port)."),
        click.option(
            "--lease-duration", type=DurationType(), default="5s", show_default=True, help="How long a Lease lasts."
        ),
        click.option(
            "--renew-interval", type=DurationType(), default="1s", show_default=True, help="How often it is renewed."
        ),
        secret_namespace_option,
        click.option(
            "--log-format",
            type=click.Choice([form.value for form in LogFormat], case_sensitive=False),
            default=LogFormat.AUTO.value,
            show_default=True,
            callback=lambda _ctx, _param, value: LogFormat(value),
            help="auto: text on a terminal, JSON otherwise.",
        ),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
            default="info",
            show_default=True,
            help="What is worth a line.",
        ),
    )
    return reduce(lambda decorated, option: option(decorated), reversed(options), function)


def report_interval_option(function: F) -> F:
    """Add ``--report-interval``, which speakers and controller must agree on."""
    return click.option(
        "--report-interval",
        type=DurationType(),
        default="10s",
        show_default=True,
        help="How often speakers renew LAST REPORT; three missed ones count as silence.",
    )(function)
