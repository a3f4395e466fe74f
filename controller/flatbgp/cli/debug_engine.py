"""``flatbgp debug engine``."""

import asyncio
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from flatbgp.cli.params import STORE_VARIABLE, optional_store_option, secret_namespace_option
from flatbgp.cli.rolevalues import AddressType, gobgp_option
from flatbgp.resources.ip import IPAddress

if TYPE_CHECKING:  # loaded to run, not for --help
    from flatbgp.engine.gobgp.inspection import Snapshot
    from flatbgp.roles.speaker.differences import Difference


@click.command()
@gobgp_option("The daemon to look at: unix:///PATH.", required=True)
@click.option("--node", metavar="NAME", help="Compare with the plan for this Node's daemon.")
@optional_store_option("Where the plan comes from (with --node).")
@secret_namespace_option
@click.option("--neighbor", type=AddressType(), help="Show as well what this router sent, and what it was sent.")
@click.option("--all-paths", is_flag=True, help="List more than 1,000 paths (keeps a daemon busy for seconds).")
@click.option("--watch", is_flag=True, help="Go on with a line for each event of a neighbour, until Ctrl-C.")
@click.option("-o", "--output", "form", type=click.Choice(["json"]), help="For programs.")
def engine(
    *,
    gobgp: str,
    node: str | None,
    store: str | None,
    secret_namespace: str,
    neighbor: IPAddress | None,
    all_paths: bool,
    watch: bool,
    form: str | None,
) -> None:
    """Show a gobgpd as it is: identity, neighbours, paths, policies; and how that differs from the plan.

    With --node and a store, every difference is a sentence: what is missing, extra or different, and which object asks
    for it. Exit 1 if there is one that is not on purpose. Comparing lists all paths.
    """
    if node is not None and not store:
        raise click.UsageError(
            f"--node compares with a store: give --store URL (or --kubeconfig) or set {STORE_VARIABLE}"
        )
    asyncio.run(_show(gobgp, neighbor, all_paths=all_paths, form=form, plan=(store or "", node, secret_namespace)))
    if watch:
        asyncio.run(_watch(gobgp, form))


async def _show(
    target: str, neighbor: IPAddress | None, *, all_paths: bool, form: str | None, plan: tuple[str, str | None, str]
) -> None:
    from flatbgp.engine.gobgp.inspection import Inspector  # noqa: PLC0415 - loaded to run, not for --help

    store, node, secret_namespace = plan
    inspector = Inspector(target)
    try:
        snapshot = await inspector.snapshot(neighbor, all_paths=all_paths)
    finally:
        await inspector.close()
    found = await _differences(target, store, node, secret_namespace, snapshot) if node is not None else None
    click.echo(_as_json(target, snapshot, found) if form else "\n".join(_as_text(target, snapshot, neighbor)))
    if found is None:
        return
    if not form:
        click.echo(f"\nAgainst the plan for {node}:")
        click.echo("\n".join(f"  {each}" for each in found) or "  There is no difference.")
    from flatbgp.roles.speaker.differences import Kind  # noqa: PLC0415 - loaded to run, not for --help

    if any(each.kind is not Kind.WAITING for each in found):
        raise click.exceptions.Exit(1)


async def _differences(
    target: str, url: str, node: str, secret_namespace: str, snapshot: "Snapshot"
) -> "Sequence[Difference]":
    from flatbgp.engine.gobgp.adapter import GobgpEngine  # noqa: PLC0415 - the rest of this file needs no store
    from flatbgp.engine.gobgp.policycheck import policy_faults  # noqa: PLC0415 - as above
    from flatbgp.roles.speaker.differences import differences  # noqa: PLC0415 - as above
    from flatbgp.roles.speaker.expected import expected_of_store, read_by_a_speaker  # noqa: PLC0415 - as above
    from flatbgp.store.url import open_store  # noqa: PLC0415 - as above

    store, gobgpd = open_store(url), GobgpEngine(target)
    try:
        resources = await read_by_a_speaker(store, node, secret_namespace)
        expected = expected_of_store(resources, node, await store.identity(), secret_namespace)
        observed, states = await gobgpd.observe(), await gobgpd.neighbors()
        faults = policy_faults(snapshot, expected.desired.marker, observed.neighbors) if observed.info.started else ()
        return differences(expected, observed, states, faults)
    finally:
        await gobgpd.close()
        await store.close()


async def _watch(target: str, form: str | None) -> None:
    from flatbgp.engine.gobgp.inspection import Inspector  # noqa: PLC0415 - loaded to run, not for --help
    from flatbgp.engine.gobgp.words import event_text  # noqa: PLC0415 - as above

    inspector = Inspector(target)
    try:
        async with aclosing(inspector.events()) as events:
            async for event in events:
                now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                if form:
                    click.echo(json.dumps({"time": now, **event}))
                elif text := event_text(event):
                    click.echo(f"{now}  {text}")
    finally:
        await inspector.close()


def _as_json(target: str, snapshot: "Snapshot", found: "Sequence[Difference] | None") -> str:
    document: dict[str, Any] = {"target": target, **{_camel(name): part for name, part in asdict(snapshot).items()}}
    if found is not None:
        document["differences"] = [
            {"kind": each.kind.value, "about": each.about, "sentence": each.sentence} for each in found
        ]
    return json.dumps(document, indent=4, ensure_ascii=False)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _as_text(target: str, snapshot: "Snapshot", neighbor: IPAddress | None) -> Iterator[str]:
    from flatbgp.engine.gobgp import words  # noqa: PLC0415 - loaded to run, not for --help

    identity = snapshot.identity
    if snapshot.tables is None:
        yield f"gobgpd at {target} (API {snapshot.api}): BGP is not started in it."
        return
    port = identity.get("listenPort", 0)
    listener = "no listener" if port == -1 else f"listens on port {port or 179}"
    where = f"gobgpd at {target} (API {snapshot.api})"
    yield f"{where}: AS{identity.get('asn')}, router ID {identity.get('routerId')}, {listener}"
    yield "\nNeighbours:"
    rows = [words.neighbor_row(peer) for peer in snapshot.neighbors]
    yield from _table([words.NEIGHBOR_COLUMNS, *rows]) if rows else ("  none",)
    yield "\nPaths: " + ", ".join(f"{count} {family}" for family, count in snapshot.tables.items())
    if snapshot.paths is None:
        yield "  (more than 1,000: --all-paths lists them)"
    yield from _indented(words.path_text(path) for path in snapshot.paths or ())
    if neighbor is not None:
        yield f"\nReceived from {neighbor} (and refused, all of it):"
        yield from _indented(words.path_text(path) for path in snapshot.received) or ("  none",)
        yield f"\nSent to {neighbor}:"
        yield from _indented(words.path_text(path) for path in snapshot.advertised) or ("  none",)
    yield "\nPolicies:"
    yield from _indented(words.assignment_text(each) for each in snapshot.assignments)
    for policy in snapshot.policies:
        yield from _indented(words.message_lines({"policies": [policy]}))
    yield "\nDefined sets:"
    yield from _indented(words.set_text(each) for each in snapshot.defined_sets) or ("  none",)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
