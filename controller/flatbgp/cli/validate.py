"""``flatbgp validate``."""

import asyncio

import click

from flatbgp.cli.checking import checked
from flatbgp.cli.params import files_option, optional_store_option
from flatbgp.cli.stores import with_store


@click.command()
@files_option(required=True)
@optional_store_option("Check against the objects of this store as well.")
def validate(filenames: tuple[str, ...], store: str | None) -> None:
    """Check files as apply would, and write nothing.

    No store is needed; with one, the rules across objects see what is in it too.
    """
    if store:
        manifests = with_store(store, lambda opened: checked(filenames, opened))
    else:
        manifests = asyncio.run(checked(filenames, None))
    click.echo(f"{len(manifests)} object{'' if len(manifests) == 1 else 's'} checked, no fault")
