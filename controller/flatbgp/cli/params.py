"""Options and argument types that several commands share."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from flatbgp.roles.options import Endpoint

F = TypeVar("F", bound=Callable[..., Any])

STORE_VARIABLE: Final = "FLATBGP_STORE"
DEFAULT_NAMESPACE: Final = "default"
"""Where a namespaced object is looked for without ``-n`` and ``-A``, as kubectl does."""

_UNITS: Final = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0}


class DurationType(click.ParamType[float]):
    """A positive duration in seconds: ``5``, ``0.5``, ``5s``, ``500ms``, ``2m``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float | int):
            return float(value)
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|m)?", value, re.ASCII)
        if match is None or float(match[1]) == 0:
            self.fail(f"{value!r} is no duration: write seconds above 0, as 5, 0.5, 5s, 500ms or 2m", param, ctx)
        return float(match[1]) * _UNITS[match[2] or ""]


class EndpointType(click.ParamType[Endpoint]):
    """Where to listen: ``HOST:PORT``, ``[IPV6]:PORT`` or ``:PORT`` (every address)."""

    name = "host:port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Endpoint:
        """Return host and port."""
        if isinstance(value, Endpoint):
            return value
        match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:\[\]/]*)):(\d{1,5})", value, re.ASCII)
        if match is None or not 1 <= int(match[3]) <= 65535:
            self.fail(f"{value!r} is not HOST:PORT (as 127.0.0.1:9100, [::1]:9100 or :9100)", param, ctx)
        return Endpoint(match[1] or match[2] or "", int(match[3]))


class GobgpTargetType(click.ParamType[str]):
    """Where gobgpd answers: ``unix:///PATH``, or ``HOST:PORT`` on a trusted network (its API knows no login)."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the target as gRPC takes it."""
        text = str(value)
        if not re.fullmatch(r"unix:(//)?/[^\x00]+|(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/]+):\d{1,5}", text):
            self.fail(f"{text!r} is neither unix:///PATH nor HOST:PORT", param, ctx)
        return text


class InterfaceType(click.ParamType[str]):
    """The name of a network interface (Linux: 1 to 15 characters, no slash, no blank)."""

    name = "interface"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        text = str(value)
        if not re.fullmatch(r"[^\s/:]{1,15}", text) or text in {".", ".."}:
            self.fail(f"{text!r} is no interface name: 1 to 15 characters without blank, slash or colon", param, ctx)
        return text


def _require_store(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value or ctx.resilient_parsing:
        return value
    raise click.UsageError(
        f"no store is named: give --store URL or set {STORE_VARIABLE}; "
        "a URL is sqlite:PATH (one file on this machine) or kubernetes: (the usual kubeconfig rules)",
        ctx,
    )


def store_option(function: F) -> F:
    """Add ``--store``, which must be given here or in the environment."""
    return click.option(
        "--store",
        metavar="URL",
        envvar=STORE_VARIABLE,
        show_envvar=True,
        callback=_require_store,
        help="Where the objects live: sqlite:PATH or kubernetes:.",
    )(function)


def optional_store_option(function: F) -> F:
    """Add ``--store`` for a command that can do without."""
    return click.option(
        "--store",
        metavar="URL",
        envvar=STORE_VARIABLE,
        show_envvar=True,
        help="Check against the objects of this store as well.",
    )(function)


def namespace_option(function: F) -> F:
    """Add ``-n``."""
    return click.option(
        "-n",
        "--namespace",
        metavar="NS",
        default=DEFAULT_NAMESPACE,
        show_default=True,
        help="Namespace (kinds without namespaces ignore it).",
    )(function)


def files_option(*, required: bool) -> Callable[[F], F]:
    """Add ``-f``, which may be given several times."""
    return click.option(
        "-f",
        "--filename",
        "filenames",
        metavar="FILE",
        multiple=True,
        required=required,
        help="YAML or JSON file, directory of such files, or - for standard input; may be repeated.",
    )
