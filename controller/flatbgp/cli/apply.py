"""``flatbgp apply``."""

from collections.abc import Sequence

import click

from flatbgp.cli.checking import checked
from flatbgp.cli.naming import identity
from flatbgp.cli.params import files_option, store_option
from flatbgp.cli.stores import with_store
from flatbgp.store.protocol import Applied, Store


@click.command()
@files_option(required=True)
@store_option
def apply(filenames: tuple[str, ...], store: str) -> None:
    """Create or change what files describe: all of it, or nothing.

    Everything is checked first, also against what is in the store, and each fault is told in one line with its file,
    document, field and value, and what would be right.
    """

    async def write(opened: Store) -> Sequence[Applied]:
        return await opened.apply(await checked(filenames, opened))

    for done in with_store(store, write):
        click.echo(f"{identity(done.manifest.kind, done.manifest.key.name)} {done.verb}")
