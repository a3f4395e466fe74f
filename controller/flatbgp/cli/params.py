"""Options and argument types that several commands share."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

STORE_VARIABLE: Final = "FLATBGP_STORE"
DEFAULT_NAMESPACE: Final = "default"
"""Where a namespaced object is looked for without ``-n`` and ``-A``, as kubectl does."""

USER_NAMESPACE: Final = "kube-system"
"""Where the copies are on the user cluster, and Secrets unless the roles were told otherwise."""

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


def _require_store(ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value or ctx.resilient_parsing:
        return value
    raise click.UsageError(
        f"no store is named: give --store URL or set {STORE_VARIABLE}; a URL is sqlite:PATH, one file on this machine",
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
        help="Where the objects live: sqlite:PATH.",
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
