"""Options and argument types that several commands share."""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlencode

import click
from click.core import ParameterSource

from flatbgp.resources.namespaces import USER_NAMESPACE

F = TypeVar("F", bound=Callable[..., Any])

PROGRAM: Final = "flatbgp"
PLUGIN: Final = "kubectl flatbgp"
"""What the program is called when kubectl runs it, which finds plugins as kubectl-NAME on PATH."""

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


_CLUSTER: Final = "flatbgp.cluster"
"""Where a command keeps it until --store is decided on."""


class _Cluster(NamedTuple):
    """What --kubeconfig and --context say."""

    kubeconfig: str = ""
    context: str = ""

    @property
    def url(self) -> str:
        """The URL of the store that they name."""
        query = urlencode({name: value for name, value in self._asdict().items() if value}, safe="/")
        return f"kubernetes:{f'?{query}' if query else ''}"


def _note_cluster(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value and param.name:
        ctx.meta[_CLUSTER] = ctx.meta.get(_CLUSTER, _Cluster())._replace(**{param.name: value})


def _named_store(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Return the store that --store, --kubeconfig and --context name together, or the environment, or ``None``."""
    cluster: _Cluster | None = ctx.meta.get(_CLUSTER)
    if cluster is None:
        return value
    given = ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE
    if given and value not in (None, "", _Cluster().url):
        raise click.UsageError(f"--store {value} names one store, --kubeconfig and --context another: give one", ctx)
    return cluster.url


def _require_store(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    named = _named_store(ctx, param, value)
    if named or ctx.resilient_parsing:
        return named
    if ctx.find_root().info_name == PLUGIN:
        return _Cluster().url  # the cluster that kubectl itself would ask
    raise click.UsageError(
        f"no store is named: give --store URL or set {STORE_VARIABLE}; a URL is sqlite:PATH, one file on this machine,"
        " or kubernetes:, the cluster of your kubeconfig",
        ctx,
    )


def _cluster_options(function: F) -> F:
    """Add ``--kubeconfig`` and ``--context``, which are seen before ``--store`` is decided on."""
    for name, metavar, text in (
        ("--context", "NAME", "The context of the kubeconfig to use."),
        ("--kubeconfig", "PATH", "Use the cluster of this kubeconfig as the store."),
    ):
        add = click.option(name, metavar=metavar, is_eager=True, expose_value=False, callback=_note_cluster, help=text)
        function = add(function)
    return function


def store_option(function: F) -> F:
    """Add ``--store``, which must be given here or in the environment, or ``--kubeconfig`` and ``--context``."""
    return click.option(
        "--store",
        metavar="URL",
        envvar=STORE_VARIABLE,
        show_envvar=True,
        callback=_require_store,
        help="Where the objects live: sqlite:PATH, or kubernetes: for the cluster of your kubeconfig.",
    )(_cluster_options(function))


def optional_store_option(text: str) -> Callable[[F], F]:
    """Add the same for a command that can do without a store; ``text`` says what it does with one."""

    def decorate(function: F) -> F:
        return click.option(
            "--store", metavar="URL", envvar=STORE_VARIABLE, show_envvar=True, callback=_named_store, help=text
        )(_cluster_options(function))

    return decorate


def secret_namespace_option(function: F) -> F:
    """Add ``--secret-namespace``."""
    return click.option(
        "--secret-namespace",
        metavar="NS",
        default=USER_NAMESPACE,
        show_default=True,
        help="Where the Secrets of BGPPeers are on the user cluster.",
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
