"""``flatbgp admin``."""

from typing import Any

import click

from flatbgp.cli.roles import check, role_options
from flatbgp.roles.options import AdminOptions


@click.command()
@click.option("--admin-store", metavar="URL", required=True, help="The admin cluster's store: mirrored from.")
@click.option(
    "--cluster-namespace",
    metavar="NS",
    help="Where the user cluster's objects are on the admin cluster (default: that of the only Cluster).",
)
@role_options
@click.pass_context
def admin(ctx: click.Context, /, **options: Any) -> None:
    """Run the mirror from the admin cluster to the user cluster until SIGTERM.

    NetworkGatewayGroup, FlatIPMode, BGPPeer, ClusterCIDRConfig, and the Secrets that BGPPeers name, go from
    --admin-store to --store. Both may be the same.
    """
    settings = AdminOptions(**options)
    check(settings)
    from flatbgp.roles.admin import run  # noqa: PLC0415 - loaded to run, not for --help

    ctx.exit(run(settings))
