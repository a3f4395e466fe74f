"""``flatbgp lab``."""

import signal
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from flatbgp.cli.errors import CommandFailed
from flatbgp.cli.lab_containers import node, prepare
from flatbgp.lab.commands import LabError
from flatbgp.lab.demo import Demo
from flatbgp.lab.guide import example, what_to_try
from flatbgp.lab.lifecycle import (
    Lab,
    Software,
    bring_up,
    check_machine,
    check_root,
    flatbgp,
    refuse_second,
    take_down,
)
from flatbgp.lab.manifests import read_manifests
from flatbgp.lab.powercut import PowerCut
from flatbgp.lab.state import LAB_DIRECTORY, load, locked
from flatbgp.lab.stores import stores


@click.group()
def lab() -> None:
    """Run the guide's network on this machine: routers, nodes and flatbgp in network namespaces.

    It needs root, FRR and gobgpd ('make setup' installs them). Nothing of it is seen outside its namespaces, and one
    lab runs at a time.
    """


@lab.command()
@click.option(
    "-f",
    "--filename",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Manifests whose network to make: a rack for each subnet of floating IPs and peers, a router for each peer, "
    "the Nodes that are in the file or else invented ones (default: the guide's single-stack IPv4 example).",
)
@click.option(
    "--router",
    "software",
    type=click.Choice([each.value for each in Software]),
    default=Software.FRR.value,
    show_default=True,
    callback=lambda _ctx, _param, value: Software(value),
    help="What the routers run.",
)
def up(filename: Path | None, software: Software) -> None:
    """Bring the lab up and leave it running."""
    with _reported(), _interruptible(), locked(LAB_DIRECTORY):
        check_machine(software)
        source = filename or example()
        new = Lab(read_manifests(source.read_bytes(), str(source)), str(source), software=software)
        click.echo(f"bringing up the network of {source}: {new.topology.summary}")
        pods = bring_up(new)
        for node in new.topology.nodes:
            if node.name not in pods:
                click.echo(
                    f"{node.name} has no pod CIDR yet: no ClusterCIDRConfig selects it, or none has room", err=True
                )
    click.echo(what_to_try(new, pods))


@lab.command()
@click.pass_context
def status(ctx: click.Context) -> None:
    """Show the lab's processes and BGP sessions; exit 1 when it is down or not whole."""
    with _reported():
        state = load(LAB_DIRECTORY)
    if state is None:
        click.echo("no lab is up: 'flatbgp lab up' starts one")
        ctx.exit(1)
    whole = state.ready and all(record.alive for record in state.processes)
    click.echo(f"{'up' if whole else 'not whole'}, since {state.since.astimezone():%F %T}, for {state.manifests}\n")
    width = max((len(record.name) for record in state.processes), default=0)
    for record in state.processes:
        word = "running" if record.alive else f"ended, see {record.log}"
        click.echo(f"{record.name:{width}} {record.pid:>8}  {word}")
    click.echo()
    with _reported():
        table = flatbgp("get", "bgpsessions", "-A", "--store", stores(LAB_DIRECTORY).user)
    click.echo(table.rstrip("\n") or "no BGP sessions yet")
    ctx.exit(0 if whole else 1)


@lab.command()
def down() -> None:
    """End the lab: every process, by its ID, and every namespace."""
    with _reported(), _uninterrupted():
        check_root()
        with locked(LAB_DIRECTORY):
            found = take_down(LAB_DIRECTORY)
    click.echo("the lab is down" if found else "no lab was up")


@lab.command("kill-gateway")
@click.argument("node", required=False)
@click.pass_context
def kill_gateway(ctx: click.Context, node: str | None) -> None:
    """Cut the power of a node that holds a floating IP, while pods of other nodes ping each other.

    The lab must be up. NODE is the first holder that another node of its rack can replace, unless named. Printed are
    the moments at which the address is on another node and each router's session is Established again, and how many
    pings were lost. Then the machine comes back. Exit 1 when a ping or a route was lost, or a session did not come
    back.
    """
    with _reported(), _interruptible():
        check_root()
        with locked(LAB_DIRECTORY):
            problems = PowerCut(Lab.running(), click.echo).run(node)
    for problem in problems:
        click.echo(f"not as expected: {problem}", err=True)
    ctx.exit(1 if problems else 0)


@lab.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """Show it all, step by step, with its commands: from the guide's manifests to pods that reach each other.

    Exit 1 when anything was not as expected. Nothing is left behind, also after Ctrl-C.
    """
    with _reported(), _interruptible(), locked(LAB_DIRECTORY):
        check_machine()
        refuse_second(LAB_DIRECTORY)
        try:
            problems = Demo(example(), click.echo).run()
        finally:
            with _uninterrupted():
                take_down(LAB_DIRECTORY)
        click.echo("\n== Everything is gone again: processes, namespaces, files")
    for problem in problems:
        click.echo(f"not as expected: {problem}", err=True)
    ctx.exit(1 if problems else 0)


lab.add_command(prepare)
lab.add_command(node)


@contextmanager
def _reported() -> Iterator[None]:
    """Turn what the lab could not do into lines for a person and exit status 1."""
    try:
        yield
    except LabError as error:
        first, *rest = str(error).splitlines()
        raise CommandFailed(f"error: {first}", *rest) from error


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does, so that the lab is taken down then too."""

    def interrupt(number: int, frame: types.FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Finish what is being taken down: a second Ctrl-C must not leave half of it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
