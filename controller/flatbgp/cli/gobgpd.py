"""``flatbgp gobgpd``."""

import sys
from pathlib import Path

import click

from flatbgp.cli.rolevalues import gobgp_option


@click.command()
@gobgp_option("The Unix socket that it is to answer on: unix:///PATH.", required=True)
@click.option("--program", metavar="PATH", default="gobgpd", show_default=True, help="The gobgpd to run.")
def gobgpd(gobgp: str, program: str) -> None:
    """Run the gobgpd of a node until SIGTERM, as a container does.

    A socket that a killed gobgpd left behind is removed; nothing listens on a TCP port. SIGTERM kills gobgpd, so that
    it sends no Cease and the routers keep its routes while another one takes its place. It starts empty: the speaker
    fills it. Its log is text on a terminal, JSON otherwise.
    """
    from flatbgp.roles.gobgpd import supervise  # noqa: PLC0415 - loaded to run, not for --help

    path = Path("/" + gobgp.removeprefix("unix:").lstrip("/"))
    supervise(program, path, plain_log=sys.stderr.isatty())
