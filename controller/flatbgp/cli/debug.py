"""``flatbgp debug``."""

from typing import Final

import click

from flatbgp.cli.lazy import Entry, LazyGroup

COMMANDS: Final = {
    "engine": Entry("flatbgp.cli.debug_engine:engine", "Show a gobgpd as it is, and how that differs from the plan."),
    "rpc": Entry("flatbgp.cli.debug_rpc:rpc", "Show the gRPC calls of a trace or of manifests; replay them."),
}


@click.group("debug", cls=LazyGroup, entries=COMMANDS)
def debug() -> None:
    """Look at the wire between a speaker and its gobgpd.

    Nothing here changes a daemon that is in use; passwords are never shown. docs/debugging.md has recipes by symptom.
    """
