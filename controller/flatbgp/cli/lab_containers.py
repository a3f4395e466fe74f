"""``flatbgp lab prepare`` and ``flatbgp lab node``: what the containers of docker-compose.yaml run."""

from pathlib import Path

import click

from flatbgp.cli.params import store_option
from flatbgp.lab.containers import be_node
from flatbgp.lab.containers import prepare as prepare_lab
from flatbgp.lab.manifests import read_manifests

_manifests = click.option(
    "-f",
    "--filename",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The lab's manifests.",
)


@click.command()
@_manifests
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the two stores are: admin.db and user.db.",
)
@click.option(
    "--configs",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Where the routers' configurations go: a directory for each router.",
)
def prepare(filename: Path, directory: Path, configs: Path) -> None:
    """Make ready what containers need to be the lab: the routers' configurations, and the stores.

    The same configurations and objects as in the lab of network namespaces. docker-compose.yaml runs it first.
    """
    for line in prepare_lab(read_manifests(filename.read_bytes(), str(filename)), str(filename), directory, configs):
        click.echo(line)


@click.command()
@click.argument("name")
@_manifests
@store_option
def node(name: str, filename: Path, store: str) -> None:
    """Be the machine of Node NAME until SIGTERM: for a container of the lab.

    Its default route becomes its rack's router, and it gets an address of each of the Node's pod CIDRs, in place of
    pods. It needs the capability NET_ADMIN.
    """
    be_node(read_manifests(filename.read_bytes(), str(filename)), name, store, click.echo)
