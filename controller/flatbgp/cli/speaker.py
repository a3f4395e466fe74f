"""``flatbgp speaker``."""

from pathlib import Path
from typing import Any

import click

from flatbgp.cli.roles import check, report_interval_option, role_options
from flatbgp.cli.rolevalues import InterfaceType, SizeType, gobgp_option
from flatbgp.roles.options import SpeakerOptions


@click.command()
@click.option("--node", metavar="NAME", required=True, help="This machine's Node.")
@gobgp_option("Where gobgpd answers: unix:///PATH.", required=True)
@click.option("--interface", type=InterfaceType(), help="Put floating IPs here (default: by subnet).")
@click.option("--instance", metavar="ID", help="Tells this machine from others of its node name (default: machine-id).")
@click.option(
    "--trace-rpc",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Trace every gRPC call to FILE, without secrets (SIGUSR2 switches it; default: off, in the state directory).",
)
@click.option(
    "--trace-limit",
    type=SizeType(),
    default="64MiB",
    show_default=True,
    help="How much of a trace is kept, FILE.1 included.",
)
@role_options
@report_interval_option
@click.pass_context
def speaker(ctx: click.Context, /, **options: Any) -> None:
    """Run the speaker of a node until SIGTERM.

    It claims floating IPs, opens the BGP sessions that follow from them through the gobgpd beside it, and reports
    them as BGPSessions. gobgpd is not started by it: it waits for one.
    """
    settings = SpeakerOptions(**options)
    check(settings)
    from flatbgp.roles.speaker import run  # noqa: PLC0415 - loaded to run, not for --help

    ctx.exit(run(settings))
