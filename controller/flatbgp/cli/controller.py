"""``flatbgp controller``."""

from typing import Any

import click

from flatbgp.cli.roles import check, report_interval_option, role_options
from flatbgp.roles.options import ControllerOptions


@click.command()
@role_options
@report_interval_option
@click.pass_context
def controller(ctx: click.Context, /, **options: Any) -> None:
    """Run the controller until SIGTERM.

    It allocates pod CIDRs, turns them into BGPAdvertisedRoutes, and keeps the conditions of all objects. Several may
    run: one leads, by a Lease.
    """
    settings = ControllerOptions(**options)
    check(settings)
    from flatbgp.roles.controller import run  # noqa: PLC0415 - loaded to run, not for --help

    ctx.exit(run(settings))
