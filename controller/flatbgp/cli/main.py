"""The program ``flatbgp``: its commands, and how each of them ends.

The exit status is 0, 1 (failed) or 2 (wrong usage); 130 after Ctrl-C, as shells expect. A traceback is never shown
unless FLATBGP_DEBUG asks for it.
"""

import io
import os
import sys
from pathlib import PurePath
from typing import Any, Final

import click

from flatbgp import __version__
from flatbgp.cli.errors import explain, unexpected
from flatbgp.cli.lazy import Entry, LazyGroup
from flatbgp.cli.params import PLUGIN, PROGRAM

INTERRUPTED: Final = 130
"""128 + SIGINT."""

COMMANDS: Final = {
    "apply": Entry("flatbgp.cli.apply:apply", "Create or change what a file describes."),
    "delete": Entry("flatbgp.cli.delete:delete", "Delete what a file describes, or one object."),
    "check": Entry("flatbgp.cli.check:check", "Say whether sessions can come up here, and what to do if not."),
    "validate": Entry("flatbgp.cli.validate:validate", "Check files without writing anything."),
    "get": Entry("flatbgp.cli.get:get", "List objects, or show one."),
    "describe": Entry("flatbgp.cli.describe:describe", "Explain one object: its state, and what to do about it."),
    "plan": Entry("flatbgp.cli.plan:plan", "Say what would change, and at what cost; change nothing."),
    "drain": Entry("flatbgp.cli.drain:drain", "Move all floating IPs off a node."),
    "undrain": Entry("flatbgp.cli.drain:undrain", "Let a node hold floating IPs again."),
    "controller": Entry("flatbgp.cli.controller:controller", "Run the controller: pod CIDRs, routes, conditions."),
    "speaker": Entry("flatbgp.cli.speaker:speaker", "Run a node's speaker: floating IPs and BGP sessions."),
    "admin": Entry("flatbgp.cli.admin:admin", "Run the mirror from the admin cluster to the user cluster."),
    "gobgpd": Entry("flatbgp.cli.gobgpd:gobgpd", "Run a node's gobgpd, which ends without sending a Cease."),
    "health": Entry("flatbgp.cli.health:health", "Ask a gobgpd or a role whether it works."),
    "uninstall": Entry("flatbgp.cli.uninstall:uninstall", "End a Helm release's pods; remove what the roles wrote."),
    "debug": Entry("flatbgp.cli.debug:debug", "Look at the wire between a speaker and its gobgpd."),
    "lab": Entry("flatbgp.cli.lab:lab", "The guide's network on this machine."),
}


class Program(LazyGroup):
    """The root group, which turns errors that can be expected into lines on stderr and exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            # The one place that sees every error of every command; what explain does not know goes on unchanged.
            known = explain(error)
            if known is None:
                raise
            raise known from error


@click.group(
    "flatbgp",
    cls=Program,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Each command has its own --help.",
)
@click.version_option(__version__, message="flatbgp %(version)s")
def cli() -> None:
    """Flat-mode Kubernetes pod networking over BGP: a control plane around GoBGP.

    Objects are in a store, which commands that read or write them need: --store URL after the command, or
    FLATBGP_STORE. A URL is sqlite:PATH: one file, which all processes of this machine can share; or kubernetes: for a
    cluster, which --kubeconfig and --context name as well. Linked as kubectl-flatbgp it is "kubectl flatbgp", and uses
    kubectl's cluster unless told otherwise.
    """


def main() -> int:
    """Run the program with the arguments of the process and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that lacks a character is no error
    try:
        status = _run()
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except BrokenPipeError:
        _silence(sys.stdout)
        return 1
    except OSError as error:
        _silence(sys.stdout)
        sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
        return 1
    return status


def _run() -> int:
    try:
        result = cli.main(prog_name=_name(), standalone_mode=False)
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:  # the last line of defence: a person never gets a traceback unasked
        known = explain(error)  # the help is written outside Program.invoke
        if known is not None:
            known.show()
        else:
            sys.stderr.writelines(unexpected(error))
        return 1
    return result if isinstance(result, int) else 0


def _name() -> str:
    """Return what the program is called: a plugin of kubectl, or itself."""
    return PLUGIN if PurePath(sys.argv[0]).name == PLUGIN.replace(" ", "-") else PROGRAM


def _silence(stream: Any) -> None:
    """Let the interpreter's last flush go nowhere (the reader has gone away, or the disk is full)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
