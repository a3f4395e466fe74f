"""``flatbgp uninstall``."""

import time

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.params import DurationType, store_option
from flatbgp.cli.stores import with_store


@click.command()
@click.option("-n", "--namespace", metavar="NS", required=True, help="Where the Helm release is.")
@click.option("--instance", metavar="NAME", required=True, help="The release's name.")
@click.option(
    "--timeout", type=DurationType(), default="120s", show_default=True, help="How long to wait for the last address."
)
@store_option
def uninstall(namespace: str, instance: str, timeout: float, store: str) -> None:
    """End a Helm release's pods, and remove what flatbgp's roles wrote.

    The chart runs this before 'helm uninstall' removes the rest. It ends the pods, waits until no node holds a
    floating IP, takes flatbgp's finalizer off ClusterCIDRConfigs, and deletes its Leases, BGPSessions and
    BGPAdvertisedRoutes. What people wrote stays, and nodes keep their pod CIDRs.
    """
    from flatbgp.roles.uninstallation import Uninstallation, UninstallFailed  # noqa: PLC0415 - loaded to run only

    try:
        with_store(
            store,
            lambda opened: Uninstallation(opened, namespace, instance, timeout, click.echo, time.monotonic).run(),
        )
    except UninstallFailed as error:
        raise CommandFailed(f"error: {error}") from error
